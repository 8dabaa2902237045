"""yubikit, Yubico's own host for SCP03 and SCP11, at one of our cards, with somebody between them who may change a byte."""
from __future__ import annotations

from typing import Callable

from yubikit.core import TRANSPORT
from yubikit.core.smartcard import ApduError, ScpProcessor, SmartCardConnection, SmartCardProtocol
from yubikit.core.smartcard.scp import KeyRef, Scp03KeyParams, Scp11KeyParams, ScpState, SessionKeys, StaticKeys

from card import Terminal
from rig import InsertedCard

__all__ = ["AID", "ApduError", "Host", "KeyRef", "Scp03KeyParams", "ScpProcessor", "ScpState", "SessionKeys", "StaticKeys",
           "flipped", "scp11a"]

AID = bytes.fromhex("F0414E53494E4801")
INITIALIZE_UPDATE, AUTHENTICATE, GET_DATA = 0x50, 0x82, 0xCA

Change = Callable[[bytes], bytes]


def flipped(octets: bytes, bit: int) -> bytes:
    """The same bytes but for one bit, counted from the most significant one of the first byte."""
    changed = bytearray(octets)
    changed[bit // 8] ^= 0x80 >> bit % 8
    return bytes(changed)


class Between(SmartCardConnection):
    """A connection that records what passes, and lets `command` and `response` change it, by instruction."""

    transport = TRANSPORT.NFC

    def __init__(self, card: InsertedCard):
        self._card = card
        self.passed: list[tuple[bytes, bytes, int]] = []
        self.command: dict[int, Change] = {}
        self.response: dict[int, Callable[[bytes, int], tuple[bytes, int]]] = {}

    def send_and_receive(self, apdu: bytes) -> tuple[bytes, int]:
        instruction = apdu[1]
        sent = self.command.get(instruction, bytes)(apdu)
        data, status = self._card.transmit(sent)
        self.passed.append((sent, data, status))
        return self.response.get(instruction, lambda *answer: answer)(data, status)

    def close(self) -> None:
        self._card.disconnect()


class Host(SmartCardProtocol):
    """yubikit's protocol on our application, selected."""

    def __init__(self, card: InsertedCard):
        self.between = Between(card)
        super().__init__(self.between)
        self.select(AID)

    def get_data(self) -> bytes:
        """`FF3F` (SPEC 6.10) through whatever session is open."""
        return self.send_apdu(0x80, GET_DATA, 0xFF, 0x3F)


class CertificateBytes:
    """What yubikit asks of a certificate. It was made for X.509; ours are card-verifiable (SPEC 3)."""

    def __init__(self, encoded: bytes):
        self._encoded, self.subject = encoded, "card-verifiable certificate"

    def public_bytes(self, _) -> bytes:
        return self._encoded


def scp11a(terminal: Terminal, card_key, **changes) -> Scp11KeyParams:
    """SCP11a as SPEC 7 profiles it, with the terminal's chain and the agreement key that the card's CSO names."""
    chain = [CertificateBytes(encoded) for encoded in (terminal.authority, terminal.certificate)]
    parameters = {"pk_sd_ecka": card_key, "oce_ref": KeyRef(0x10, 0x01), "sk_oce_ecka": terminal.key,
                  "certificates": chain}
    return Scp11KeyParams(KeyRef(0x11, 0x01), **(parameters | changes))
