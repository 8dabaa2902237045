"""Encodes what tests give to a verifier or a card: data objects, certificates, orders. It calls nothing of the parser."""
from __future__ import annotations

P = 2**256 - 2**224 + 2**192 + 2**96 - 1
DOMAIN = {  # SPEC 3.1: p, a, b, G, n, h
    "81": f"{P:064x}", "82": f"{P - 3:064x}", "83": "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
    "84": "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
          "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
    "85": "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", "87": "01"}


def tlv(tag: str, *parts: bytes) -> bytes:
    """A data object in the canonical form."""
    value = b"".join(parts)
    size = len(value)
    length = bytes([size]) if size < 128 else b"\x81" + bytes([size]) if size < 256 else b"\x82" + size.to_bytes(2, "big")
    return bytes.fromhex(tag) + length + value


def date(text: str) -> bytes:
    """YYMMDD."""
    return bytes(int(digit) for digit in text)


def certificate_body(holder: str, role: str, key: bytes, authority: str, effective: str, expiry: str,
                     domain: dict[str, str] | None = None, flag: str = "80") -> bytes:
    """SPEC 3.1."""
    before = [tlv(tag, bytes.fromhex(value)) for tag, value in (domain or {}).items() if tag != "87"]
    after = [tlv("87", bytes.fromhex(domain["87"]))] if domain else []
    return tlv("7F4E", tlv("5F29", b"\0"), tlv("42", authority.encode()),
               tlv("7F49", tlv("06", bytes.fromhex("04007F00070202020203")), *before, tlv("86", key), *after),
               tlv("5F20", holder.encode()),
               tlv("7F4C", tlv("06", bytes.fromhex("6983D0DCF9B681CBAABFDDB6C0AEB89693BC8722")),
                   tlv("53", bytes.fromhex(role + flag))),
               tlv("5F25", date(effective)), tlv("5F24", date(expiry)))


def line_key(person: bytes, entitlement=1, line_type=1, period="202611", programme=b"BTXH") -> bytes:
    """SPEC 1."""
    return person + programme + entitlement.to_bytes(2, "big") + bytes([line_type]) + bytes.fromhex(period)


def reversal(terminal: bytes, sequence: int, previous: bytes, order_hash: bytes, cso_hash: bytes, operator=b"LAN",
             time="20261122090000") -> bytes:
    """SPEC 9.8, by PIN and without a second operator."""
    return tlv("FF2C", tlv("81", terminal), tlv("82", sequence.to_bytes(4, "big")), tlv("83", previous),
               tlv("84", order_hash), tlv("85", cso_hash), tlv("8A", b"\1"), tlv("8B", operator),
               tlv("8D", bytes.fromhex(time)), tlv("8E", b"\2"), tlv("8F", bytes(16)))


def order(terminal: bytes, sequence: int, previous: bytes, root: bytes, cso_hash: bytes, key: bytes, amount: int,
          line=1, recipient=1, method=1, operator=b"LAN", second=b"", time="20261122090000", nonce=bytes(16)) -> bytes:
    """SPEC 9.2; without a second operator where none is given."""
    return tlv("FF23", tlv("81", terminal), tlv("82", sequence.to_bytes(4, "big")), tlv("83", previous),
               tlv("84", root), tlv("85", cso_hash), tlv("86", line.to_bytes(4, "big")), tlv("87", key),
               tlv("88", amount.to_bytes(8, "big")), tlv("89", bytes([recipient])), tlv("8A", bytes([method])),
               tlv("8B", operator), tlv("8C", second) if second else b"", tlv("8D", bytes.fromhex(time)), tlv("8E", b"\2"), tlv("8F", nonce))
