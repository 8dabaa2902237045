"""A chip that is not the card it says it is: it plays SPEC 7 with a CSO that it has read somewhere."""
from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric import ec

from encoding import tlv
from fixture import Key
from folder import key_bytes
from objects import CERTIFICATE, CSO, point
from secure_messaging import Channel, agree, cbc, cmac, pad
from tlv import parse, read


class Impostor:
    """`other` is its own agreement key or, if it `knows_terminal`, the terminal's, which computes the same secret."""

    def __init__(self, cso: bytes, signing: Key, other: Key, knows_terminal=False):
        self._cso, self._signing, self._other, self._knows_terminal = cso, signing, other, knows_terminal
        self._agreement_key = parse(CSO, cso).body.agreement_key
        self._terminal_key = None
        self.instructions: list[int] = []

    def transmit(self, command: bytes) -> tuple[bytes, int]:
        """Answers as a card would."""
        self.instructions.append(command[1])
        match command[:2].hex():
            case "00a4":
                answer = tlv("6F", tlv("84", command[5:13]), tlv("8A", b"\5"), tlv("A5", tlv("80", b"\1")))
            case "802a":
                self._terminal_key = parse(CERTIFICATE, command[5:-1]).body.public_key.key
                answer = b""
            case "00b0":
                at = int.from_bytes(command[2:4], "big") if command[2] < 0x80 else 0
                answer = self._cso[at:at + 239]
            case "8082":
                answer = self._agree(command[5:-1])
            case "8488":
                return self._protect(command, tlv("5F37", self._signing.plain(self._signing.der(b"whatever")))), 0x9000
            case _:
                return b"", 0x6D00
        return answer, 0x9000

    def _agree(self, data: bytes) -> bytes:
        ephemeral = ec.generate_private_key(ec.SECP256R1())
        static = self._agreement_key if self._knows_terminal else self._terminal_key
        _, terminal_ephemeral = read(data)
        receipt_key, enc, mac, rmac, _ = agree(ephemeral, self._other.secret, point(terminal_ephemeral.value), static)
        key = tlv("5F49", key_bytes(ephemeral.public_key()))
        receipt = cmac(receipt_key, data + key)
        self._channel = Channel(enc, mac, rmac, receipt)
        return key + tlv("86", receipt)

    def _protect(self, command: bytes, data: bytes) -> bytes:
        """Follows the terminal's chain of MACs, and answers as it expects."""
        channel = self._channel
        channel.protect(command[:4] + b"\0")
        encrypted = cbc(channel.enc, channel.counter_block(0x80)).encryptor().update(pad(data))
        return encrypted + cmac(channel.rmac, channel.chaining + encrypted + b"\x90\x00")[:8]
