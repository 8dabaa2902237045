"""Secure messaging and key agreement from the host's side, SPEC 7.5 and 8, with what Amendment D says there."""
from __future__ import annotations

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF

from tlv import Refused


def cmac(key: bytes, data: bytes) -> bytes:
    """NIST SP 800-38B."""
    mac = CMAC(algorithms.AES(key))
    mac.update(data)
    return mac.finalize()


def derive(key: bytes, constant: int, bits: int, context: bytes) -> bytes:
    """Amendment D, 4.1.5: SP 800-108 in counter mode with AES-CMAC."""
    blocks = (cmac(key, bytes(11) + bytes([constant, 0]) + bits.to_bytes(2, "big") + bytes([counter]) + context)
              for counter in range(1, (bits + 127) // 128 + 1))
    return b"".join(blocks)[:bits // 8]


def diversify(master: bytes, number: int, chip_serial: bytes) -> bytes:
    """GlobalPlatform's KDF3: key `number` of a chip (SPEC 6.2)."""
    blocks = (cmac(master, bytes([counter, 0, 0, 0, number, 0]) + chip_serial) for counter in (1, 2))
    return b"".join(blocks)[:len(master)]


def check_value(key: bytes) -> bytes:
    """SPEC 6.4."""
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(b"\x01" * 16)[:3]


def cbc(key: bytes, vector: bytes):
    return Cipher(algorithms.AES(key), modes.CBC(vector))


def pad(data: bytes) -> bytes:
    """ISO/IEC 9797-1, method 2."""
    return data + b"\x80" + bytes(-(len(data) + 1) % 16)


def unpad(data: bytes) -> bytes:
    """What was padded."""
    stripped = data.rstrip(b"\0")
    if stripped[-1:] != b"\x80":
        raise Refused("wrong padding (SPEC 8.1)")
    return stripped[:-1]


def agree(ephemeral: ec.EllipticCurvePrivateKey, static: ec.EllipticCurvePrivateKey,
          card_ephemeral: ec.EllipticCurvePublicKey, card_static: ec.EllipticCurvePublicKey) -> list[bytes]:
    """Receipt key, S-ENC, S-MAC, S-RMAC, S-DEK of SCP11a (SPEC 7.5)."""
    shared = ephemeral.exchange(ec.ECDH(), card_ephemeral) + static.exchange(ec.ECDH(), card_static)
    derived = X963KDF(hashes.SHA256(), 80, bytes.fromhex("3C8810")).derive(shared)
    return [derived[at:at + 16] for at in range(0, 80, 16)]


class Channel:
    """Secure messaging of Amendment D, 6.2, from the host's side (SPEC 8.1)."""

    def __init__(self, enc: bytes, mac: bytes, rmac: bytes, chaining: bytes, level: int = 0x33):
        self.enc, self.mac, self.rmac, self.chaining, self.level, self.counter = enc, mac, rmac, chaining, level, 0

    def counter_block(self, first: int) -> bytes:
        """What encrypts to the initial vector: commands begin with `00`, responses with `80`."""
        block = bytes([first]) + self.counter.to_bytes(15, "big")
        return Cipher(algorithms.AES(self.enc), modes.ECB()).encryptor().update(block)

    def protect(self, plain: bytes) -> bytes:
        """A short command, protected."""
        header, has_data = plain[:4], len(plain) > 5
        data = plain[5:5 + plain[4]] if has_data else b""
        expected = plain[5 + len(data):] if has_data else plain[4:]
        self.counter += 1
        if data and self.level & 0x02:
            data = cbc(self.enc, self.counter_block(0)).encryptor().update(pad(data))
        secured = bytes([header[0] & 0xF0 | 0x84]) + header[1:] + bytes([len(data) + 8]) + data
        self.chaining = cmac(self.mac, self.chaining + secured)
        return secured + self.chaining[:8] + expected

    def open(self, response: bytes, status: bytes) -> bytes:
        """The plaintext of a protected response; which status words are protected says SPEC 8.3."""
        if not self.level & 0x10:
            return response
        data, mac = response[:-8], response[-8:]
        if cmac(self.rmac, self.chaining + data + status)[:8] != mac:
            raise Refused("wrong R-MAC (SPEC 8.1)")
        if not self.level & 0x20 or not data:
            return data
        if len(data) % 16:
            raise Refused("no whole blocks (SPEC 8.1)")
        return unpad(cbc(self.enc, self.counter_block(0x80)).decryptor().update(data))
