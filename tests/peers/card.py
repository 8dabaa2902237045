"""A terminal in miniature, written from SPEC alone: it proves a card genuine, reads it, pays with it, checks its receipts.

Every answer of the card is doubted: what does not hold is `Refused`, naming the clause; a status word other than `9000` is
`Answered`.
"""
from __future__ import annotations

import datetime
import hashlib
from types import SimpleNamespace
from typing import Callable, NamedTuple

from cryptography.hazmat.primitives.asymmetric import ec

import objects
from encoding import tlv
from folder import Certificates, key_bytes
from objects import BLOCKING, CSO, PAYMENT, RECEIPT_BODY, REVERSAL, SCRIPT
from objects import constant, date, exactly, hash32, point, signed, template, u, verify, verify_bytes
from secure_messaging import Channel, agree, cmac
from tlv import Refused, parse, read, read_one

AID = bytes.fromhex("F0414E53494E4801")
CSO_FILE, RECEIPTS, RECEIPT_OBJECTS = 0x1D, 0x1B, 0x1C
BLANK, PERSONALIZING, ACTIVE, BLOCKED, TERMINATED = 0x01, 0x03, 0x05, 0x04, 0x0C
CAUSES = {PAYMENT: "FF23", REVERSAL: "FF2C", SCRIPT: "FF2B", BLOCKING: "FF25"}  # SPEC 9.4
REMEMBERED = 32  # SPEC 9.7
COMMAND_PART, ANSWER_PART = 223, 239  # SPEC 8.2

FILE_CONTROL = template(  # SPEC 6.1
    "6F", ("84", "aid", constant(AID.hex())), ("8A", "life_cycle", u(1)),
    ("A5", "application", template("A5", ("80", "version", constant("01")))))
STATE = template(  # SPEC 6.10
    "FF3F", ("8A", "life_cycle", u(1)), ("80", "key_version", u(1, 1, 0x7F)), ("81", "flags", u(1, 0, 0x1F)),
    ("82", "cso_hash", hash32, True), ("83", "tries", u(1, 0, 15)), ("84", "counter", u(4)), ("85", "head", hash32, True),
    ("5F25", "date", date, True))

Transmit = Callable[[bytes], tuple[bytes, int]]


class Terminal(NamedTuple):
    """A terminal's name and agreement key, and the certificates that it shows to cards."""

    name: str
    key: ec.EllipticCurvePrivateKey
    authority: bytes
    certificate: bytes


class Answered(Refused):
    """The card answered a status word other than `9000`; with it came these data."""

    def __init__(self, status: int, data: bytes = b""):
        super().__init__(f"the card answered {status:04X}")
        self.status, self.data = status, data


class Card:
    """A card that was selected (SPEC 6.1); nothing it says is proven yet."""

    def __init__(self, transmit: Transmit):
        self._transmit = transmit
        control = self.command("00A40400", AID)
        self.life_cycle = parse(FILE_CONTROL, control).life_cycle

    def command(self, header: str, data: bytes = b"") -> bytes:
        """The answer to a plain command."""
        length = bytes([len(data)]) if data else b""
        answer, status = self._transmit(bytes.fromhex(header) + length + data + b"\0")
        if status != 0x9000:
            raise Answered(status)
        return answer

    def show_link(self, certificate: bytes) -> None:
        """A link certificate, chained, for it is longer than a command (SPEC 7.2, 7.8)."""
        self.command("902A0190", certificate[:COMMAND_PART])
        self.command("802A0190", certificate[COMMAND_PART:])

    def show_certificates(self, *certificates: bytes) -> None:
        """The terminal's chain, its own certificate last (SPEC 7.2)."""
        for left, certificate in reversed(list(enumerate(reversed(certificates)))):
            self.command(f"802A01{0x90 if left else 0x10:02X}", certificate)

    def read_cso(self) -> bytes:
        """SPEC 7.4."""
        return whole(lambda at: self.command(f"00B0{at:04X}" if at else f"00B0{0x80 | CSO_FILE:02X}00"))

    def open(self, terminal: Terminal, certificates: Certificates, day: datetime.date) -> Session:
        """A session with a card that has proven itself genuine (SPEC 7.2 to 7.6)."""
        self.show_certificates(terminal.authority, terminal.certificate)
        cso = check_cso(self.read_cso(), certificates, day)
        channel, receipt = self.agree(terminal, cso.agreement_key)
        session = Session(self._transmit, channel, cso, terminal)
        check_binding(cso, receipt, terminal, session.command(0x88))
        return session

    def agree(self, terminal: Terminal, card_key: ec.EllipticCurvePublicKey) -> tuple[Channel, bytes]:
        """The channel and the session receipt of MUTUAL AUTHENTICATE (SPEC 7.5)."""
        ephemeral = ec.generate_private_key(ec.SECP256R1())
        control = tlv("A6", tlv("90", b"\x11\x01"), tlv("95", b"\x3C"), tlv("80", b"\x88"), tlv("81", b"\x10"))
        data = control + tlv("5F49", key_bytes(ephemeral.public_key()))
        answer = list(read(self.command("80820111", data)))
        if [found.tag for found in answer] != ["5F49", "86"]:
            raise Refused("no answer of MUTUAL AUTHENTICATE (SPEC 7.5)")
        key, receipt = answer
        try:
            card_ephemeral = point(key.value)
        except ValueError as error:
            raise Refused(f"the card's ephemeral key: {error} (SPEC 7.5)") from None
        receipt_key, enc, mac, rmac, _ = agree(ephemeral, terminal.key, card_ephemeral, card_key)
        if cmac(receipt_key, data + key.encoded) != receipt.value:
            raise Refused("wrong receipt: not the card of this CSO (SPEC 7.5)")
        return Channel(enc, mac, rmac, receipt.value), receipt.value


class Session:
    """A session with the card of this CSO."""

    def __init__(self, transmit: Transmit, channel: Channel, cso: SimpleNamespace, terminal: Terminal):
        self._transmit, self._channel = transmit, channel
        self.cso, self.terminal = cso, terminal

    def command(self, instruction: int, p1: int = 0, p2: int = 0, data: bytes = b"") -> bytes:
        """The answer to a command, chained if it is long (SPEC 8.2)."""
        while len(data) > COMMAND_PART:
            self._send(0x94, instruction, p1, p2, data[:COMMAND_PART])
            data = data[COMMAND_PART:]
        return self._send(0x84, instruction, p1, p2, data)

    def _send(self, *command) -> bytes:
        *header, data = command
        length = bytes([len(data)]) if data else b""
        answer, status = self._transmit(self._channel.protect(bytes(header) + length + data + b"\0"))
        if status != 0x9000 and status >> 8 not in (0x62, 0x63):
            raise Answered(status)  # bare, so it proves nothing (SPEC 8.3)
        plain = self._channel.open(answer, status.to_bytes(2, "big"))
        if status != 0x9000:
            raise Answered(status, plain)
        return plain

    def state(self) -> SimpleNamespace:
        """SPEC 6.10."""
        state = parse(STATE, self.command(0xCA, 0xFF, 0x3F))
        if state.cso_hash != self.cso.hash:
            raise Refused("the card is in the state of another CSO (SPEC 6.10)")
        return state

    def read_group(self, number: int) -> bytes:
        """A data group that is the one the CSO has the digest of (SPEC 5, 7.7)."""
        group = whole(lambda at: self.command(0xB0, at >> 8, at & 0xFF) if at else self.command(0xB0, 0x80 | number))
        check_group(self.cso, number, group)
        return group

    def verify_pin(self, pin: bytes, orders: int, total: int) -> None:
        """SPEC 9.1."""
        data = tlv("80", pin) + tlv("81", bytes([orders])) + tlv("82", total.to_bytes(8, "big"))
        self.command(0x20, 0, 0x81, data)

    def disburse(self, order: bytes) -> SimpleNamespace:
        """The receipt for exactly this order (SPEC 9.3, 9.4)."""
        return self._receipt_for(order, PAYMENT, self.command(0x54, data=order))

    def reverse(self, reversal: bytes) -> SimpleNamespace:
        """The receipt for exactly this reversal (SPEC 9.8)."""
        return self._receipt_for(reversal, REVERSAL, self.command(0x56, data=reversal))

    def execute(self, script: bytes, certificate: bytes = b"") -> SimpleNamespace:
        """The receipt for exactly this issuer script (SPEC 13.1)."""
        return self._receipt_for(signed_body(script), SCRIPT, self.command(0x5A, data=certificate + script))

    def block(self, header: bytes, proof: bytes) -> SimpleNamespace:
        """The receipt for exactly this block list (SPEC 13.10)."""
        if self.command(0x04, 0, 0, header):
            raise Refused("an answer where none belongs (SPEC 13.10)")
        return self._receipt_for(signed_body(header), BLOCKING, self.command(0x04, 1, 0, proof))

    def _receipt_for(self, cause: bytes, kind: int, answer: bytes) -> SimpleNamespace:
        receipt = check_receipt(self.cso, answer)
        if (receipt.kind, receipt.object_hash) != (kind, sha256(cause)):
            raise Refused("the receipt is not for what was asked (SPEC 9.4)")
        return receipt

    def records(self, file: int) -> list[bytes]:
        """A file's records, oldest first (SPEC 9.9)."""
        records: list[bytes] = []
        while True:
            try:
                records.insert(0, self.command(0xB2, len(records) + 1, file << 3 | 4))
            except Answered as answered:
                if answered.status != 0x6A83:
                    raise
                return records

    def history(self) -> list[tuple[SimpleNamespace, bytes]]:
        """What the card remembers having done, oldest first: each receipt with what it is for (SPEC 9.4, 9.9)."""
        state, causes = self.state(), self.records(RECEIPT_OBJECTS)
        receipts = check_chain(self.cso, self.records(RECEIPTS), state.counter, state.head)
        if len(causes) != len(receipts):
            raise Refused("receipts and what they are for differ in number (SPEC 9.9)")
        for receipt, cause in zip(receipts, causes):
            check_cause(receipt, cause)
        return list(zip(receipts, causes))


def signed_body(encoded: bytes) -> bytes:
    """The body data object of a signed object (SPEC 2.2)."""
    return next(read(read_one(encoded, "FF20").value)).encoded


def whole(part: Callable[[int], bytes]) -> bytes:
    """A file that is one data object, read in the parts of SPEC 7.7."""
    data = part(0)
    if len(data) < 4:
        raise Refused("shorter than any file (SPEC 7.7)")
    size = header_size(data) + value_size(data)
    while len(data) < size:
        if len(data) % ANSWER_PART:
            raise Refused(f"parts other than of {ANSWER_PART} bytes (SPEC 7.7)")
        data += part(len(data))
    return data


def header_size(data: bytes) -> int:
    """Length of the tag (two bytes, `FFxx`) and length field of a file's data object."""
    return 3 + (data[2] & 0x7F if data[2] & 0x80 else 0)


def value_size(data: bytes) -> int:
    return int.from_bytes(data[3:header_size(data)], "big") if data[2] & 0x80 else data[2]


def check_cso(encoded: bytes, certificates: Certificates, day: datetime.date) -> SimpleNamespace:
    """The body of a CSO that a valid issuer signed and that is valid on the day (SPEC 4.1)."""
    record = parse(CSO, encoded)
    cso = record.body
    if not cso.valid_from <= day <= cso.valid_to:
        raise Refused(f"the card is valid from {cso.valid_from} to {cso.valid_to} (SPEC 4.1)")
    # An issuer may have ended since; its CSO counts if it was good on its first day (DATA 10).
    verify(record, certificates.issuer(cso.issuer, cso.valid_from).key)
    return cso


def check_binding(cso: SimpleNamespace, receipt: bytes, terminal: Terminal, answer: bytes) -> None:
    """The card's signature over session, CSO and terminal (SPEC 7.6)."""
    signature = read_one(answer, "5F37").value
    body = tlv("FF29", tlv("80", b"\1"), tlv("81", receipt), tlv("82", cso.hash), tlv("83", terminal.name.encode()))
    verify_bytes(body, exactly(64)(signature), cso.signing_key)


def check_group(cso: SimpleNamespace, number: int, group: bytes) -> None:
    """The digest of a group and its salt (SPEC 4.1, 5.1)."""
    salt = next(read(read_one(group, f"FF3{number}").value), None)
    if salt is None or salt.tag != "80" or len(salt.value) != 16:
        raise Refused("no salt of 16 bytes (SPEC 5.1)")
    if sha256(group) != getattr(cso.digests, f"group_{number}"):
        raise Refused(f"group {number} is not the one that was signed (SPEC 4.1)")


def check_receipt(cso: SimpleNamespace, encoded: bytes) -> SimpleNamespace:
    """The body of a receipt of this card (SPEC 9.4)."""
    record = parse(signed(RECEIPT_BODY), encoded)
    verify(record, cso.signing_key)
    if record.body.card_number != cso.card_number:
        raise Refused("the receipt of another card (SPEC 9.4)")
    objects.check_receipt(record.body)
    return record.body


def check_cause(receipt: SimpleNamespace, cause: bytes) -> None:
    """The order, reversal, issuer script or block list header is the one that the receipt names (SPEC 9.4, 9.9)."""
    found = next(read(cause))
    if found.encoded != cause:
        raise Refused("more than one data object (SPEC 9.9)")
    hashed = found if receipt.kind in (PAYMENT, REVERSAL) else next(read(found.value))
    if hashed.tag != CAUSES[receipt.kind] or sha256(hashed.encoded) != receipt.object_hash:
        raise Refused(f"receipt {receipt.counter} is for something else (SPEC 9.4)")


def check_chain(cso: SimpleNamespace, receipts: list[bytes], counter: int, head: bytes) -> list[SimpleNamespace]:
    """All receipts that a card has, oldest first: one chain that ends at its counter and head (SPEC 9.4, 9.7)."""
    bodies = [check_receipt(cso, receipt) for receipt in receipts]
    for before, after in zip(bodies, bodies[1:]):
        if (after.counter, after.previous) != (before.counter + 1, before.hash):
            raise Refused(f"receipt {after.counter} does not follow receipt {before.counter} (SPEC 9.4)")
    if len(bodies) < min(counter, REMEMBERED):
        raise Refused("receipts are missing (SPEC 9.7)")
    if bodies and bodies[0].counter == 1 and cso.version == 1 and bodies[0].previous != cso.hash:
        raise Refused("the first receipt does not start from the CSO (SPEC 9.4)")
    last = (bodies[-1].counter, bodies[-1].hash) if bodies else (0, cso.hash)
    if last != (counter, head):
        raise Refused("the receipts do not end at the card's counter and head (SPEC 9.4)")
    return bodies


def sha256(data: bytes) -> bytes:
    """SPEC 1, type `hash`."""
    return hashlib.sha256(data).digest()
