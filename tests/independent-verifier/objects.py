"""The data objects of SPEC and DATA: their members in order, and the types of SPEC clause 1."""
from __future__ import annotations

import datetime
import hashlib
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from tlv import Member, Refused, Template, parse

PROGRAMMES = {"BTXH", "HTXH", "NGCC", "LHBH", "TCTN", "DXUA"}  # DATA 1
TEST = 0x80  # SPEC 3.3 and DATA 5.2


class LineKey(NamedTuple):
    """What a card pays once (SPEC 1, `line key`)."""

    person: bytes
    programme: str
    entitlement: int
    line_type: int
    period: str


# ---- types: each takes the value's bytes and raises ValueError for what the type excludes ----

def u(size: int, low: int = 0, high: int | None = None):
    """An unsigned integer of `size` bytes, big-endian, from `low` to `high`."""
    def decode(value: bytes) -> int:
        number = int.from_bytes(exactly(size)(value), "big")
        if number < low or (high is not None and number > high):
            raise ValueError(f"{number} is out of range")
        return number
    return decode


def exactly(size: int):
    """`size` bytes."""
    def decode(value: bytes) -> bytes:
        if len(value) != size:
            raise ValueError(f"{len(value)} bytes instead of {size}")
        return value
    return decode


def kind(value: bytes) -> int:
    """The kind of a journal entry (DATA 5.2)."""
    number = u(1)(value)
    if number not in CONTENT:
        raise ValueError(f"kind {number} is none")
    return number


def constant(expected: str):
    """The bytes given in hexadecimal and no others."""
    def decode(value: bytes) -> bytes:
        if value != bytes.fromhex(expected):
            raise ValueError(f"{value.hex()} instead of {expected}")
        return value
    return decode


def an(longest: int):
    """Printable ASCII, 1 to `longest` bytes."""
    def decode(value: bytes) -> str:
        if not 1 <= len(value) <= longest or not all(0x20 <= byte <= 0x7E for byte in value):
            raise ValueError(f"not 1 to {longest} printable characters")
        return value.decode("ascii")
    return decode


def flags(value: bytes) -> int:
    """Bit 8 is TEST, the others are zero (SPEC 3.3)."""
    if value not in (b"\x00", b"\x80"):
        raise ValueError("reserved flags are set")
    return value[0]


def digits(value: bytes) -> str:
    """Packed BCD."""
    text = value.hex()
    if not text.isdecimal():
        raise ValueError("not BCD")
    return text


def date(value: bytes) -> datetime.date:
    """YYMMDD, one digit a byte."""
    if any(digit > 9 for digit in exactly(6)(value)):
        raise ValueError("not one decimal digit in each byte")
    year, month, day = (10 * value[at] + value[at + 1] for at in (0, 2, 4))
    return datetime.date(2000 + year, month, day)


def time(value: bytes) -> datetime.datetime | None:
    """YYYYMMDDhhmmss in BCD; None while the clock is unset."""
    text = digits(exactly(7)(value))
    parts = [int(text[:4])] + [int(text[at:at + 2]) for at in range(4, 14, 2)]
    return datetime.datetime(*parts) if any(parts) else None


def set_time(value: bytes) -> datetime.datetime:
    """A time that is not "clock unset"."""
    moment = time(value)
    if moment is None:
        raise ValueError("the clock was not set")
    return moment


def period(value: bytes) -> str:
    """YYYYMM."""
    text = digits(exactly(3)(value))
    if not 1 <= int(text[4:]) <= 12:
        raise ValueError("no such month")
    return text


def card_number(value: bytes) -> str:
    """16 digits, the last one a Luhn check digit (ISO/IEC 7812-1, annex B)."""
    text = digits(exactly(8)(value))
    doubled = (int(digit) * (2 - at % 2) for at, digit in enumerate(text))
    if sum(number - 9 if number > 9 else number for number in doubled) % 10:
        raise ValueError("wrong check digit")
    return text


def reference(value: bytes) -> str:
    """CHR or CAR: `VN`, mnemonic, five digits (SPEC 3.1)."""
    text = an(16)(value)
    mnemonic = text[2:-5]
    well_formed = text.startswith("VN") and text[-5:].isdigit() and 1 <= len(mnemonic) <= 9
    if not well_formed or not all(letter.isdigit() or "A" <= letter <= "Z" for letter in mnemonic):
        raise ValueError("not a certificate holder reference")
    return text


def terminal_name(value: bytes) -> str:
    """`VNT` and 7 digits (SPEC 3.2)."""
    text = an(10)(exactly(10)(value))
    if not text.startswith("VNT") or not text[3:].isdigit():
        raise ValueError("not a terminal name")
    return text


def line_key(value: bytes) -> LineKey:
    """26 bytes, see LineKey."""
    programme = an(4)(exactly(26)(value)[16:20])
    if programme not in PROGRAMMES:
        raise ValueError(f"no programme {programme} (DATA 1)")
    entitlement, line_type = u(2, 1)(value[20:22]), u(1, 1, 7)(value[22:23])
    return LineKey(value[:16], programme, entitlement, line_type, period(value[23:]))


def payable_key(value: bytes) -> LineKey:
    """A line key that a card may pay: line type 7, recovery, is owed (DATA 1)."""
    u(1, 1, 6)(exactly(26)(value)[22:23])
    return line_key(value)


def policy(value: bytes) -> tuple[int, int, int]:
    """Allowed holder-check methods, PIN tries, orders per VERIFY (SPEC 4.1); 63CX has room for 15 tries."""
    return u(1, 1, 3)(exactly(3)(value)[:1]), u(1, 1, 15)(value[1:2]), value[2]


def holder_check(value: bytes) -> tuple[int, int]:
    """What the card saw: method, PIN tries left (SPEC 9.4)."""
    return u(1, 0, 1)(exactly(2)(value)[:1]), u(1, 0, 15)(value[1:])


def caps(value: bytes) -> tuple[int, int, int]:
    """One order, one calendar month, one order while the PIN is blocked, in VND."""
    return amount(exactly(24)(value)[:8]), amount(value[8:16]), amount(value[16:])


def point(value: bytes) -> ec.EllipticCurvePublicKey:
    """An uncompressed point on P-256."""
    if exactly(65)(value)[0] != 4:
        raise ValueError("not an uncompressed point")
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), value)


def kept_lists(value: bytes) -> tuple[int, ...]:
    """Numbers of 1 to 3 payment lists, ascending (DATA 3.1)."""
    if len(value) not in (4, 8, 12):
        raise ValueError(f"{len(value)} bytes are not 1 to 3 numbers")
    numbers = tuple(int.from_bytes(value[at:at + 4], "big") for at in range(0, len(value), 4))
    if not all(before < after for before, after in zip((0, *numbers), numbers)):
        raise ValueError("the numbers do not ascend")
    return numbers


def raw(value: bytes) -> bytes:
    """Left to whoever knows what it means."""
    return value


amount = u(8, 0, 999_999_999_999)
hash32 = exactly(32)
suite = constant("01")


def template(tag: str, *members: tuple) -> Template:
    return Template(tag, tuple(Member(*member) for member in members))


def signed(body: Template) -> Template:
    """SPEC 2.2."""
    return template("FF20", (body.tag, "body", body), ("5F37", "signature", exactly(64)))


# ---- objects, in the order of SPEC and DATA ----

P256 = {  # FIPS 186-5 by way of SP 800-186, 3.2.1.3: p, a, b, G, n, h under the tags of SPEC 3.1
    "81": "FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF",
    "82": "FFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFC",
    "83": "5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B",
    "84": "046B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296"
          "4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5",
    "85": "FFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551",
    "87": "01",
}
PUBLIC_KEY = template(
    "7F49", ("06", "algorithm", constant("04007F00070202020203")),
    *((tag, f"domain_{tag}", constant(P256[tag]), True) for tag in ("81", "82", "83", "84", "85")),
    ("86", "key", point), ("87", "domain_87", constant(P256["87"]), True))
AUTHORIZATION = template(
    "7F4C", ("06", "oid", constant("6983D0DCF9B681CBAABFDDB6C0AEB89693BC8722")),
    ("53", "chat", lambda value: (exactly(2)(value)[0], flags(value[1:]))))
CERTIFICATE_BODY = template(
    "7F4E", ("5F29", "profile", constant("00")), ("42", "authority", reference), ("7F49", "public_key", PUBLIC_KEY),
    ("5F20", "holder", reference), ("7F4C", "authorization", AUTHORIZATION),
    ("5F25", "effective", date), ("5F24", "expiry", date))
CERTIFICATE = template("7F21", ("7F4E", "body", CERTIFICATE_BODY), ("5F37", "signature", exactly(64)))

DIGESTS = template("A9", ("80", "trust_anchor", hash32), ("81", "group_1", hash32), ("82", "group_2", hash32, True),
                   *((f"8{group}", f"group_{group}", hash32) for group in (3, 4, 5, 6)))
SEQUENCE = (("8A", "issuer_sequence", u(8)), ("8B", "issuer_previous", hash32))
CSO = signed(template(
    "FF21", ("80", "suite", suite), ("81", "format", constant("01")), ("42", "issuer", reference),
    ("5A", "card_number", card_number), ("82", "version", u(2, 1)), ("5F25", "valid_from", date),
    ("5F24", "valid_to", date), ("83", "agreement_key", point), ("84", "signing_key", point),
    ("85", "person", exactly(16)), ("86", "policy", policy), ("87", "caps", caps), ("A9", "digests", DIGESTS),
    *SEQUENCE))
ORDER = template(
    "FF23", ("81", "terminal", terminal_name), ("82", "sequence", u(4)), ("83", "previous", hash32),
    ("84", "list_root", hash32), ("85", "cso_hash", hash32), ("86", "line_number", u(4)), ("87", "line_key", payable_key),
    ("88", "amount", u(8, 1, 999_999_999_999)), ("89", "recipient", u(1, 1, 3)), ("8A", "method", u(1, 1, 2)),
    ("8B", "operator", an(20)), ("8C", "second_operator", an(11), True), ("8D", "time", set_time),
    ("8E", "clock_source", u(1, 1, 2)), ("8F", "nonce", exactly(16)))
REVERSAL_ORDER = template(
    "FF2C", ("81", "terminal", terminal_name), ("82", "sequence", u(4)), ("83", "previous", hash32),
    ("84", "order_hash", hash32), ("85", "cso_hash", hash32), ("8A", "method", u(1, 1, 2)),
    ("8B", "operator", an(20)), ("8C", "second_operator", an(11), True), ("8D", "time", set_time),
    ("8E", "clock_source", u(1, 1, 2)), ("8F", "nonce", exactly(16)))
RECEIPT_BODY = template(
    "FF24", ("80", "suite", suite), ("5A", "card_number", card_number), ("81", "version", u(2, 1)),
    ("82", "counter", u(4, 1)), ("83", "previous", hash32), ("84", "object_hash", hash32),
    ("85", "holder_check", holder_check), ("86", "kind", u(1, 1, 4)))
PAYMENT, REVERSAL, SCRIPT, BLOCKING = 1, 2, 3, 4  # kinds of receipts
LIST = signed(template(
    "FF22", ("80", "suite", suite), ("81", "format", constant("01")), ("42", "issuer", reference),
    ("82", "list_id", an(20)), ("83", "number", u(4)), ("84", "pay_point", an(12)), ("85", "terminal", terminal_name),
    ("5F25", "first_day", date), ("5F24", "last_day", date), ("86", "count", u(4, 1, 4000)), ("87", "root", hash32),
    ("88", "total", amount), *SEQUENCE, ("8C", "keeps", kept_lists, True),
    ("8D", "by_hand_up_to", u(8, 1, 999_999_999_999), True)))
LINE = template(
    "FF37", ("80", "number", u(4)), ("5A", "card_number", card_number), ("81", "line_key", line_key),
    ("82", "amount", amount), ("83", "recipients", u(1, 1, 3)))
BLOCK_LIST = signed(template(
    "FF25", ("80", "suite", suite), ("81", "format", constant("01")), ("42", "issuer", reference),
    ("82", "number", u(4)), ("83", "count", u(4)), ("84", "root", hash32), ("85", "issued", set_time), *SEQUENCE))
BLOCKED = template("FF39", ("5A", "card_number", card_number), ("80", "reason", u(1, 1, 6)))
DELTA_BASE = template("FF3A", ("80", "number", u(4)), ("81", "hash_of_base", hash32))
UNBLOCKED = template("FF3B", ("5A", "card_number", card_number))
ENTRY = signed(template(
    "FF26", ("80", "suite", suite), ("81", "terminal", terminal_name), ("82", "sequence", u(4, 1)), ("83", "boot", u(4)),
    ("84", "time", time), ("85", "clock_source", u(1, 0, 2)), ("86", "previous", hash32), ("87", "kind", kind),
    ("A8", "content", raw)))
ACKNOWLEDGEMENT = signed(template(
    "FF27", ("80", "suite", suite), ("42", "issuer", reference), ("81", "terminal", terminal_name),
    ("82", "sequence", u(4)), ("83", "entry_hash", hash32), ("84", "journal_key_hash", hash32), ("85", "time", set_time)))

BOOT, LIST_LOADED, BLOCK_LIST_LOADED, INTENT, PAID, HANDED, REFUSED, SYNCED = 1, 3, 4, 6, 7, 8, 9, 10
CASH_RECEIVED, CASH_COUNTED = 18, 19
STILL_OPEN, CARD_BLOCKED, OPERATORS_LOADED, SHIFT_OPENED, SHIFT_CLOSED, CLOCK_SET_BY_OPERATOR = 11, 17, 20, 5, 22, 23
NOT_HANDED, REVERSE_INTENT, REVERSED, CARRIED, MANUAL_PAID, EXECUTED = 12, 13, 14, 15, 24, 25
CONTENT = {kind: template("A8", *members) for kind, members in {  # DATA 5.2
    BOOT: [("80", "firmware", hash32), ("81", "flags", flags)],
    2: [("80", "time_before", time)],
    LIST_LOADED: [("80", "hash", hash32), ("81", "number", u(4))],
    BLOCK_LIST_LOADED: [("80", "hash", hash32), ("81", "number", u(4))],
    SHIFT_OPENED: [("80", "operator", an(20))],
    INTENT: [("FF23", "order", ORDER)],
    PAID: [("FF24", "receipt", RECEIPT_BODY), ("5F37", "signature", exactly(64))],
    HANDED: [("80", "intent", u(4))],
    REFUSED: [("80", "reason", u(1, 1, 16)), ("5A", "card_number", card_number, True), ("81", "line_number", u(4), True),
              ("82", "status", exactly(2), True), ("83", "intent", u(4), True)],
    SYNCED: [("80", "hash", hash32), ("81", "sequence", u(4))],
    STILL_OPEN: [("FF23", "order", ORDER)],
    NOT_HANDED: [("80", "intent", u(4)), ("FF23", "order", ORDER, True)],
    REVERSE_INTENT: [("80", "intent", u(4)), ("FF2C", "reversal", REVERSAL_ORDER)],
    REVERSED: [("80", "intent", u(4)), ("FF24", "receipt", RECEIPT_BODY), ("5F37", "signature", exactly(64))],
    CARRIED: [("FF23", "order", ORDER, True), ("FF2C", "reversal", REVERSAL_ORDER, True),
              ("FF24", "receipt", RECEIPT_BODY), ("5F37", "signature", exactly(64))],
    CARD_BLOCKED: [("FF24", "receipt", RECEIPT_BODY), ("5F37", "signature", exactly(64))],
    CASH_RECEIVED: [("80", "operator", an(20)), ("81", "amount", u(8, 1, 999_999_999_999))],
    CASH_COUNTED: [("80", "operator", an(20)), ("81", "expected", amount), ("82", "counted", amount)],
    OPERATORS_LOADED: [("80", "hash", hash32), ("81", "number", u(4))],
    21: [("80", "operator", an(20)), ("81", "attempts", u(4))],
    SHIFT_CLOSED: [("80", "operator", an(20)), ("81", "end", u(1, 1, 3))],
    CLOCK_SET_BY_OPERATOR: [("80", "time_before", time), ("81", "operator", an(20))],
    MANUAL_PAID: [("5A", "card_number", card_number), ("FF23", "order", ORDER)],
    EXECUTED: [("FF24", "receipt", RECEIPT_BODY), ("5F37", "signature", exactly(64))],
}.items()}

ISSUER_SCRIPT = signed(template(
    "FF2B", ("80", "suite", suite), ("42", "issuer", reference), ("5A", "card_number", card_number), ("81", "counter", u(4)),
    ("82", "action", u(1, 1, 9)), ("A3", "content", raw), ("8D", "issued", set_time)))
_REASON, _HASH = ("80", "reason", u(1, 1, 6)), ("80", "hash", hash32)
ACTION = {action: template("A3", *members) for action, members in {  # SPEC 13.1
    1: [], 2: [], 3: [_REASON], 4: [("80", "number", u(4))], 5: [_REASON], 6: [_HASH], 7: [("80", "floor", period)],
    8: [("5F25", "date", date)], 9: [_HASH]}.items()}
REVERSE = 9


def check_order(order) -> None:
    """A second operator is another one (SPEC 9.2)."""
    if order.second_operator == order.operator:
        raise Refused("one operator twice (SPEC 9.2)")


def check_carried(content) -> SimpleNamespace:
    """What a carried receipt is for: an order of a payment or a reversal of a reversal, which it names (DATA 5.6)."""
    done = {PAYMENT: content.order, REVERSAL: content.reversal}.get(content.receipt.kind)
    if done is None or (content.order is not None and content.reversal is not None):
        raise Refused("carried receipt without what it is for (DATA 5.6)")
    check_order(done)
    if done.hash != content.receipt.object_hash:
        raise Refused("carried receipt of something else (DATA 5.6)")
    return done


def check_manual_order(order) -> None:
    """No card, the holder, a document, and a second operator who is another one (DATA 5.7)."""
    check_order(order)
    if (order.cso_hash, order.recipient, order.method) != (bytes(32), 1, 2) or order.second_operator is None:
        raise Refused("no order that is paid by hand (DATA 5.7)")


def check_receipt(receipt) -> None:
    """Scripts and block lists rest on no holder check (SPEC 9.4)."""
    if receipt.kind in (SCRIPT, BLOCKING) and receipt.holder_check[0]:
        raise Refused("a holder check for what needs none (SPEC 9.4)")


def check_public_key(public_key) -> bool:
    """Are the domain parameters there? All of them or none (SPEC 3.1)."""
    found = {getattr(public_key, f"domain_{tag}") is not None for tag in P256}
    if len(found) > 1:
        raise Refused("domain parameters that are not complete (SPEC 3.1)")
    return found.pop()


def verify(record, key: ec.EllipticCurvePublicKey) -> None:
    """The signature of a signed object over its body as received (SPEC 2.1, 2.2)."""
    verify_bytes(record.body.encoded, record.signature, key)


def verify_bytes(body: bytes, signature: bytes, key: ec.EllipticCurvePublicKey) -> None:
    """`r ‖ s` over `body`, ECDSA with SHA-256."""
    try:
        key.verify(der(signature), body, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise Refused("wrong signature (SPEC 2)") from None


def verify_der(body: bytes, signature: bytes, key: ec.EllipticCurvePublicKey) -> None:
    """The DER form of `r ‖ s` over `body`, in its one encoding (DATA 2)."""
    try:
        r, s = decode_dss_signature(signature)
    except ValueError:
        raise Refused("no signature in DER (DATA 2)") from None
    if max(r, s) >= 1 << 256 or encode_dss_signature(r, s) != signature:
        raise Refused("no signature of P-256 in DER (DATA 2)")
    verify_bytes(body, r.to_bytes(32, "big") + s.to_bytes(32, "big"), key)


def der(signature: bytes) -> bytes:
    """The one DER form of `r ‖ s` (DATA 2)."""
    return encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))


def merkle_root(leaves: list[bytes]) -> bytes:
    """Merkle tree hash of RFC 6962, 2.1."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\x00" + leaves[0]).digest()
    split = 1 << (len(leaves) - 1).bit_length() - 1  # the largest power of two smaller than their number
    return hashlib.sha256(b"\x01" + merkle_root(leaves[:split]) + merkle_root(leaves[split:])).digest()
