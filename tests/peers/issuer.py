"""What an issuer sends to its active cards by any terminal: scripts and block lists (SPEC 13), and roots their successors."""
from __future__ import annotations

import datetime
import secrets

from encoding import DOMAIN, certificate_body, tlv
from fixture import Key, sha256
from station import station, today

FILL_TRIES, PERMIT_PIN, BLOCK, UNBLOCK, TERMINATE, PUT_IN_FORCE, PRUNE, SET_DATE, REVERSE = range(1, 10)
ISSUER, ROOT = "VNISS7900001", "VNROOT00001"
NOW = bytes.fromhex(f"{today():%Y%m%d}120000")


def script(cso, counter: int, action: int, content: bytes = b"", *, issuer=ISSUER, signer: Key | None = None,
           number: str | None = None) -> bytes:
    """An issuer script for a card (SPEC 13.1). Its time makes it another one than the script before."""
    body = tlv("FF2B", tlv("80", b"\1"), tlv("42", issuer.encode()), tlv("5A", bytes.fromhex(number or cso.card_number)),
               tlv("81", counter.to_bytes(4, "big")), tlv("82", bytes([action])), tlv("A3", content), tlv("8D", NOW))
    return (signer or station().authority("issuer")).sign("FF20", body)


class BlockList:
    """A block list with one card of interest and others before and after it (DATA 4)."""

    def __init__(self, card_number: str, number: int, others=5, signer: Key | None = None):
        cards = sorted({card_number, *(luhn(f"7900000{at:08d}") for at in range(900, 900 + others))})
        self.entries = [tlv("FF39", tlv("5A", bytes.fromhex(card)), tlv("80", b"\1")) for card in cards]
        self.index = cards.index(card_number)
        leaves = [sha256(b"\0" + entry) for entry in self.entries]
        root, self.path = path_to(leaves, self.index)
        body = tlv("FF25", tlv("80", b"\1"), tlv("81", b"\1"), tlv("42", ISSUER.encode()), tlv("82", number.to_bytes(4, "big")),
                   tlv("83", len(cards).to_bytes(4, "big")), tlv("84", root), tlv("85", NOW),
                   tlv("8A", (99).to_bytes(8, "big")), tlv("8B", bytes(32)))
        self.header = (signer or station().authority("issuer")).sign("FF20", body)

    def proof(self, index: int | None = None, path: list[bytes] | None = None) -> bytes:
        """Data of the second DEACTIVATE (SPEC 13.10)."""
        index = self.index if index is None else index
        return (self.entries[self.index] + tlv("81", index.to_bytes(4, "big"))
                + tlv("82", b"".join(self.path if path is None else path)))


def path_to(hashes: list[bytes], index: int) -> tuple[bytes, list[bytes]]:
    """Merkle tree hash over leaf hashes, and the audit path of one of them from the leaf up (RFC 6962, 2.1.1)."""
    if len(hashes) == 1:
        return hashes[0], []
    split = 1 << (len(hashes) - 1).bit_length() - 1
    left, right = hashes[:split], hashes[split:]
    (own, path), (other, _) = ((path_to(left, index), path_to(right, 0)) if index < split
                               else (path_to(right, index - split), path_to(left, 0)))
    both = own + other if index < split else other + own
    return sha256(b"\1" + both), path + [other]


def luhn(digits: str) -> str:
    """A card number with its check digit (ISO/IEC 7812-1, annex B)."""
    doubled = (int(digit) * (2 - at % 2) for at, digit in enumerate(digits))
    return digits + str(-sum(number - 9 if number > 9 else number for number in doubled) % 10)


def certificate(holder: str, role: str, key: Key, authority: str, signer: Key, days: int, domain=None) -> bytes:
    """A certificate from today on."""
    expiry = today() + datetime.timedelta(days - 1)
    body = certificate_body(holder, role, key.point, authority, f"{today():%y%m%d}", f"{expiry:%y%m%d}", domain)
    return signer.sign("7F21", body)


def link(holder: str, key: Key, authority: str, signer: Key) -> bytes:
    """A link certificate (SPEC 3.6)."""
    return certificate(holder, "C0", key, authority, signer, 9_000, DOMAIN)


def another_number() -> str:
    """The number of a card that nobody has."""
    return luhn(f"79{secrets.randbelow(10 ** 13):013d}")
