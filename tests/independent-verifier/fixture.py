"""Builds a small folder of DATA chapter 2, signed with keys of its own, for the tests to bend.

It encodes by itself: nothing here calls the verifier's parser.
"""
from __future__ import annotations

import hashlib
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

import encoding
from encoding import DOMAIN, date, tlv

TERMINAL, CARD, PERSON, PERIOD = b"VNT7900001", "7900000000000014", bytes(range(16)), "202611"


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def tree(leaves: list[bytes]) -> bytes:
    """The tree hash level by level, as certificate logs do it: a last node without a neighbour rises as it is."""
    level = [sha256(b"\0" + leaf) for leaf in leaves]
    while len(level) > 1:
        pairs = [level[at:at + 2] for at in range(0, len(level), 2)]
        level = [sha256(b"\1" + pair[0] + pair[1]) if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0] if level else sha256(b"")


class Key:
    """A key pair: the one given or a new one."""

    def __init__(self, secret: ec.EllipticCurvePrivateKey | None = None):
        self.secret = secret or ec.generate_private_key(ec.SECP256R1())
        self.pem = self.secret.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        self.point = self.secret.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)

    def der(self, body: bytes) -> bytes:
        return self.secret.sign(body, ec.ECDSA(hashes.SHA256()))

    def plain(self, der: bytes) -> bytes:
        r, s = decode_dss_signature(der)
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def sign(self, outer: str, body: bytes) -> bytes:
        return tlv(outer, body, tlv("5F37", self.plain(self.der(body))))


class World:
    """An issuer, a terminal and its journal, a card. `write` puts the files into a folder."""

    def __init__(self):
        self.files: dict[str, bytes] = {}
        self.root, self.issuer, self.ca, self.agreement, self.journal, self.signing = (Key() for _ in range(6))
        for name, key in {"root": self.root, "issuer": self.issuer, "terminal-ca": self.ca,
                          f"terminal-{TERMINAL.decode()}": self.journal, f"cards/{CARD}/card-signing": self.signing}.items():
            self.files[f"{name}.pem"] = key.pem
        self.certificate("VNROOT00001", "C0", self.root, "VNROOT00001", self.root, "260101", "451231", DOMAIN)
        self.issuer_head = self.certificate("VNISS7900001", "81", self.issuer, "VNROOT00001", self.root, "260101", "351231")
        self.certificate("VNTCA00001", "82", self.ca, "VNROOT00001", self.root, "260101", "351231")
        self.certificate("VNT7900001A00001", "01", self.agreement, "VNTCA00001", self.ca, "261101", "261205")
        self.certificate("VNT7900001J00001", "02", self.journal, "VNTCA00001", self.ca, "261101", "261205")
        self.issuer_number, self.issuer_name = 0, b"VNISS7900001"
        self.block_bodies: dict[int, bytes] = {}
        self.entries: list[bytes] = []
        self.head = sha256(self.journal.point)

    def certificate(self, holder, role, key, authority, signer, effective, expiry, domain=None, flag="80") -> bytes:
        body = encoding.certificate_body(holder, role, key.point, authority, effective, expiry, domain, flag)
        self.files[f"certificates/{holder}.cvc"] = signer.sign("7F21", body)
        return sha256(body)

    def rekey(self) -> None:
        """The issuer signs its block lists with another key from now on."""
        self.issuer, self.issuer_number, self.issuer_name = Key(), 0, b"VNISS7900002"
        self.issuer_head = self.certificate("VNISS7900002", "81", self.issuer, "VNROOT00001", self.root, "260101", "351231")

    def issue(self, tag: str, *members: bytes, after: bytes = b"") -> tuple[bytes, bytes]:
        """The next object in the issuer's sequence: its body and the signed object."""
        self.issuer_number += 1
        body = tlv(tag, *members, tlv("8A", self.issuer_number.to_bytes(8, "big")), tlv("8B", self.issuer_head), after)
        self.issuer_head = sha256(body)
        return body, self.issuer.sign("FF20", body)

    def card(self, number=CARD, policy="030305", caps=(2_000_000, 3_000_000, 1_000_000), person=PERSON) -> bytes:
        """The CSO hash."""
        digests = [tlv(f"8{group}", bytes(32)) for group in (0, 1, 3, 4, 5, 6)]
        body, signed = self.issue(
            "FF21", tlv("80", b"\1"), tlv("81", b"\1"), tlv("42", b"VNISS7900001"), tlv("5A", bytes.fromhex(number)),
            tlv("82", b"\0\1"), tlv("5F25", date("261101")), tlv("5F24", date("311031")), tlv("83", Key().point),
            tlv("84", self.signing.point), tlv("85", person), tlv("86", bytes.fromhex(policy)),
            tlv("87", *(cap.to_bytes(8, "big") for cap in caps)), tlv("A9", *digests))
        signature = signed[-64:]
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        self.files[f"cards/{number}/cso.tlv"] = signed
        self.files[f"cards/{number}/cso.signed.bin"] = body
        self.files[f"cards/{number}/cso.sig.der"] = der(r, s)
        self.card_head, self.counter, self.cso_hash = self.issuer_head, 0, self.issuer_head
        return self.issuer_head

    def list(self, lines, number=1, terminal=TERMINAL, first="261101", last="261130", total=None, recipients=3,
             keeps=(), by_hand: int | None = None) -> None:
        """Lines are (line key, amount) for the card; the list is loaded into the journal, beside those that it keeps."""
        encoded = [tlv("FF37", tlv("80", at.to_bytes(4, "big")), tlv("5A", bytes.fromhex(CARD)), tlv("81", key),
                       tlv("82", amount.to_bytes(8, "big")), tlv("83", bytes([recipients])))
                   for at, (key, amount) in enumerate(lines, 1)]
        self.list_root = tree(encoded)
        total = sum(amount for _, amount in lines) if total is None else total
        _, signed = self.issue(
            "FF22", tlv("80", b"\1"), tlv("81", b"\1"), tlv("42", b"VNISS7900001"), tlv("82", b"L%d" % number),
            tlv("83", number.to_bytes(4, "big")), tlv("84", b"POINT-1"), tlv("85", terminal), tlv("5F25", date(first)),
            tlv("5F24", date(last)), tlv("86", len(lines).to_bytes(4, "big")), tlv("87", self.list_root),
            tlv("88", total.to_bytes(8, "big")),
            after=(tlv("8C", *(number.to_bytes(4, "big") for number in keeps)) if keeps else b"")
            + (b"" if by_hand is None else tlv("8D", by_hand.to_bytes(8, "big"))))
        self.files[f"lists/L{number}.list"] = signed + b"".join(encoded)
        self.entry(3, tlv("80", self.issuer_head), tlv("81", number.to_bytes(4, "big")))

    def block_list(self, *cards: str, number=1, issued="20261120080000") -> None:
        entries = [tlv("FF39", tlv("5A", bytes.fromhex(card)), tlv("80", b"\1")) for card in cards]
        _, signed = self.issue(
            "FF25", tlv("80", b"\1"), tlv("81", b"\1"), tlv("42", self.issuer_name), tlv("82", number.to_bytes(4, "big")),
            tlv("83", len(entries).to_bytes(4, "big")), tlv("84", tree(entries)), tlv("85", bytes.fromhex(issued)))
        self.files[f"blocklists/{number}.blocklist"] = signed + b"".join(entries)
        self.block_bodies[number] = self.issuer_head
        self.entry(4, tlv("80", self.issuer_head), tlv("81", number.to_bytes(4, "big")))

    def block_delta(self, cards: list[str], base: int, *changes: bytes, number: int, named: int | None = None,
                    issued="20261120080000") -> None:
        """A list of these cards as the changes to list `base`, which it calls `named`; it is loaded into the journal."""
        base_body = self.block_bodies[base]
        before = dict(self.files)
        self.block_list(*cards, number=number, issued=issued)
        header = self.files[f"blocklists/{number}.blocklist"][:-16 * len(cards) or None]
        self.files = before
        origin = tlv("FF3A", tlv("80", (named or base).to_bytes(4, "big")), tlv("81", base_body))
        self.files[f"blocklists/{number}.blockdelta"] = header + origin + b"".join(changes)

    def entry(self, kind: int, *content: bytes, boot=1, time="20261122090000", source=b"\2", signer: Key | None = None) -> None:
        """Appends a journal entry."""
        body = tlv("FF26", tlv("80", b"\1"), tlv("81", TERMINAL), tlv("82", (len(self.entries) + 1).to_bytes(4, "big")),
                   tlv("83", boot.to_bytes(4, "big")), tlv("84", bytes.fromhex(time)),
                   tlv("85", source if int(time) else b"\0"), tlv("86", self.head), tlv("87", bytes([kind])),
                   tlv("A8", *content))
        self.entries.append((signer or self.journal).sign("FF20", body))
        self.head = sha256(body)

    def intent(self, key: bytes, amount: int, line=1, method=1, recipient=1, time="20261122090000", shift=0) -> bytes:
        """Appends an Intent; the order's hash. `shift` moves the order to another place in the journal."""
        order = encoding.order(TERMINAL, len(self.entries) + 1 + shift, self.head, self.list_root, self.cso_hash, key,
                               amount, line, recipient, method, time=time)
        self.entry(6, order)
        self.last_order = order
        return sha256(order)

    def by_hand(self, key: bytes, amount: int, card=CARD, shift=0, **changed) -> int:
        """Appends ManualPaid; its number. `shift` moves the order to another place in the journal."""
        order = {"cso_hash": bytes(32), "method": 2, "recipient": 1, "second": b"MAI", "line": 1, **changed}
        self.entry(24, tlv("5A", bytes.fromhex(card)),
                   encoding.order(TERMINAL, len(self.entries) + 1 + shift, self.head, self.list_root, key=key, amount=amount, **order))
        return len(self.entries)

    def paid(self, order_hash: bytes, check="0103", step=1, signer: Key | None = None, kind=1, intent=0) -> None:
        """Appends Paid with the card's next receipt and writes the receipt's files, for the Intent just before or `intent`."""
        intent, key = intent or len(self.entries), signer or self.signing
        self.counter += step
        body = tlv("FF24", tlv("80", b"\1"), tlv("5A", bytes.fromhex(CARD)), tlv("81", b"\0\1"),
                   tlv("82", self.counter.to_bytes(4, "big")), tlv("83", self.card_head), tlv("84", order_hash),
                   tlv("85", bytes.fromhex(check)), tlv("86", bytes([kind])))
        signature = key.der(body)
        self.files[f"receipts/{TERMINAL.decode()}-{intent}.signed.bin"] = body
        self.files[f"receipts/{TERMINAL.decode()}-{intent}.sig.der"] = signature
        self.card_head = sha256(body)
        self.entry(7, body, tlv("5F37", key.plain(signature)))

    def announce_reversal(self, order_hash: bytes, intent: int, told=True, shift=0, **changed) -> bytes:
        """Appends NotHanded, where it is told, and ReverseIntent; the reversal's hash. `shift` moves it to another place."""
        number = intent.to_bytes(4, "big")
        if told:
            self.entry(12, tlv("80", number))
        reversal = encoding.reversal(TERMINAL, len(self.entries) + 1 + shift, self.head, order_hash, self.cso_hash, **changed)
        self.last_reversal = reversal
        self.entry(13, tlv("80", number), reversal)
        return sha256(reversal)

    def reversed(self, reversal_hash: bytes, intent: int, kind=2, signer: Key | None = None, card=CARD) -> None:
        """Appends Reversed with the card's next receipt."""
        key = signer or self.signing
        self.counter += 1
        body = tlv("FF24", tlv("80", b"\1"), tlv("5A", bytes.fromhex(card)), tlv("81", b"\0\1"),
                   tlv("82", self.counter.to_bytes(4, "big")), tlv("83", self.card_head), tlv("84", reversal_hash),
                   tlv("85", bytes.fromhex("0103")), tlv("86", bytes([kind])))
        self.card_head = sha256(body)
        self.entry(14, tlv("80", intent.to_bytes(4, "big")), body, tlv("5F37", key.plain(key.der(body))))

    def read_back(self, kind: int, check="0003", signer: Key | None = None) -> str:
        """The card's next receipt, of what no journal tells, as somebody read it back from the card; its file's stem."""
        body = self.receipt(bytes(32), kind, check)
        stem = f"receipts/{CARD}-{self.counter}"
        self.files[f"{stem}.signed.bin"], self.files[f"{stem}.sig.der"] = body, (signer or self.signing).der(body)
        return stem

    def undo_by_issuer(self, order_hash: bytes, shift=0, kind=3, issuer=b"VNISS7900001", action=9, content=None, signer=None, carried=None) -> None:
        """A script that undoes an order and the card's next receipt, as read back from the card (SPEC 13.7), or `carried` by the terminal, whose
        journal has the receipt under that key (DATA 12)."""
        content = content or tlv("A3", tlv("80", order_hash))
        script = tlv("FF2B", tlv("80", b"\1"), tlv("42", issuer), tlv("5A", bytes.fromhex(CARD)),
                     tlv("81", (self.counter + shift).to_bytes(4, "big")), tlv("82", bytes([action])), content,
                     tlv("8D", bytes.fromhex("20261122090000")))
        body = self.receipt(sha256(script), kind, "0003")
        stem = f"receipts/{CARD}-{self.counter}"
        self.files[f"{stem}.script"] = (signer or self.issuer).sign("FF20", script)
        if carried:
            return self.entry(25, body, tlv("5F37", carried.plain(carried.der(body))))
        self.files |= {f"{stem}.signed.bin": body, f"{stem}.sig.der": self.signing.der(body)}

    def receipt(self, of: bytes, kind: int, check: str) -> bytes:
        """The card's next receipt."""
        self.counter += 1
        body = tlv("FF24", tlv("80", b"\1"), tlv("5A", bytes.fromhex(CARD)), tlv("81", b"\0\1"),
                   tlv("82", self.counter.to_bytes(4, "big")), tlv("83", self.card_head), tlv("84", of),
                   tlv("85", bytes.fromhex(check)), tlv("86", bytes([kind])))
        self.card_head = sha256(body)
        self.last_receipt = body
        return body

    def acknowledge(self, upto: int | None = None) -> None:
        """Acknowledges the newest entry and appends Synced."""
        number = upto or len(self.entries)
        body = tlv("FF27", tlv("80", b"\1"), tlv("42", b"VNISS7900001"), tlv("81", TERMINAL),
                   tlv("82", number.to_bytes(4, "big")), tlv("83", self.head), tlv("84", sha256(self.journal.point)),
                   tlv("85", bytes.fromhex("20261122180000")))
        self.files[f"acks/{TERMINAL.decode()}-{number}.ack"] = self.issuer.sign("FF20", body)
        self.entry(10, tlv("80", sha256(body)), tlv("81", number.to_bytes(4, "big")))

    def write(self, folder: Path) -> None:
        self.files[f"journals/{TERMINAL.decode()}.journal"] = b"".join(self.entries)
        for name, content in self.files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(content)


def der(r: int, s: int) -> bytes:
    """SEQUENCE of two INTEGERs, each in the fewest bytes with a clear sign bit."""
    return tlv("30", *(tlv("02", number.to_bytes(number.bit_length() // 8 + 1, "big")) for number in (r, s)))


def line_key(entitlement=1, line_type=1, person=PERSON, period=PERIOD, programme=b"BTXH") -> bytes:
    return encoding.line_key(person, entitlement, line_type, period, programme)


def blocked(card: str, reason=b"\1") -> bytes:
    return tlv("FF39", tlv("5A", bytes.fromhex(card)), tlv("80", reason))


def unblocked(card: str) -> bytes:
    return tlv("FF3B", tlv("5A", bytes.fromhex(card)))


def ready() -> World:
    """A world up to the moment of paying: a list of two lines and an empty block list loaded, a shift opened."""
    world = World()
    world.card()
    world.entry(1, tlv("80", bytes(32)), tlv("81", b"\x80"), time="0" * 14)
    world.entry(2, tlv("80", bytes(7)))
    world.list([(line_key(1), 500_000), (line_key(2), 700_000)])
    world.block_list()
    world.entry(5, tlv("80", b"LAN"))
    return world


def complete() -> World:
    """A world with both lines paid and handed, a refusal, and everything acknowledged."""
    world = ready()
    world.paid(world.intent(line_key(1), 500_000))
    world.entry(8, tlv("80", (len(world.entries) - 1).to_bytes(4, "big")))
    world.paid(world.intent(line_key(2), 700_000, line=2, method=2, recipient=2), check="0003")
    world.entry(9, tlv("80", b"\6"), tlv("5A", bytes.fromhex(CARD)), tlv("81", (1).to_bytes(4, "big")))
    world.acknowledge()
    return world
