"""An issuer and its authorities in Python: it makes a card of a blank one by SPEC 6 alone, through somebody else's SCP03."""
from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.x963kdf import X963KDF

from card import Terminal
from encoding import DOMAIN, date, tlv
from fixture import Key
from folder import Certificates, Findings, Folder, sha256
from issuer import ISSUER, ROOT, another_number, certificate
from objects import point, verify_bytes
from secure_messaging import check_value, cmac
from station import today
from tlv import read
from yubikey import Host

PUT_KEY, GENERATE, STORE_DATA, CHANGE_REFERENCE_DATA, ACTIVATE = 0xD8, 0x47, 0xE2, 0x24, 0x44
BLOCK = 223  # SPEC 6.6
PORTRAIT = bytes(range(256)) * 23 + bytes(112)  # 6,000 bytes


def put_key_data(version: int, keys: list[bytes], dek: bytes, check=check_value) -> bytes:
    """SPEC 6.4."""
    def part(key):
        cipher = Cipher(algorithms.AES(dek), modes.CBC(bytes(16))).encryptor()
        return b"\x88\x11\x10" + cipher.update(key) + b"\x03" + check(key)
    return bytes([version]) + b"".join(map(part, keys))


class Authorities:
    """A root, an issuer and a terminal CA of their own."""

    def __init__(self):
        self.root, self.issuer, self.terminal_ca = Key(), Key(), Key()
        self.certificates = {
            ROOT: certificate(ROOT, "C0", self.root, ROOT, self.root, 9_000, DOMAIN),
            ISSUER: certificate(ISSUER, "81", self.issuer, ROOT, self.root, 5_000),
            "VNTCA00001": certificate("VNTCA00001", "82", self.terminal_ca, ROOT, self.root, 3_000)}
        self.anchor = tlv("FF38", tlv("42", ROOT.encode()), tlv("83", self.root.point), tlv("5F25", date(f"{today():%y%m%d}")),
                          tlv("5F24", last_day(self.certificates[ROOT])), tlv("53", b"\xC0\x80"))

    def known(self) -> Certificates:
        """What a verifier with the root's key takes from the three certificates."""
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "certificates").mkdir()
            for holder, encoded in self.certificates.items():
                (Path(folder) / "certificates" / f"{holder}.cvc").write_bytes(encoded)
            return Certificates(Folder(Path(folder), Findings()), self.root.secret.public_key())

    def terminal(self, name="VNT9000004") -> Terminal:
        """A terminal certified from today on."""
        key = Key()
        own = certificate(f"{name}A00001", "01", key, "VNTCA00001", self.terminal_ca, 35)
        return Terminal(name, key.secret, self.certificates["VNTCA00001"], own)


def last_day(encoded: bytes) -> bytes:
    """`5F24` of a certificate."""
    body = next(read(next(read(encoded)).value))
    return next(found.value for found in read(body.value) if found.tag == "5F24")


class Person:
    """What the card of one person holds; each making has new salts (SPEC 5.1)."""

    def __init__(self, name="Nguyễn Thị An", portrait: bytes | None = PORTRAIT):
        self.number, self.reference, self.name, self.portrait = another_number(), secrets.token_bytes(16), name, portrait

    def groups(self) -> dict[int, bytes]:
        """The data groups by number."""
        month = bytes.fromhex(f"{today():%Y%m}")
        content = {
            1: [tlv("5F20", self.name.encode()), tlv("5F2B", bytes.fromhex("19410000")), tlv("5F35", b"2"),
                tlv("81", b"001141000001"), tlv("82", b"0123456789"), tlv("83", b"79"), tlv("84", b"26734")],
            2: [tlv("5F40", self.portrait or b"")],
            3: [tlv("A1", tlv("80", programme), tlv("81", month), tlv("83", b"\1")) for programme in (b"BTXH", b"DXUA")],
            4: [tlv("81", b"0123456789")],
            5: [tlv("A1", tlv("5F20", "Trần Văn Bình".encode()), tlv("80", b"001172000002"), tlv("81", b"02"),
                    tlv("5F24", date("401231")))],
            6: [tlv("81", b"H29.1"), tlv("82", date(f"{today():%y%m%d}"))]}
        if self.portrait is None:
            del content[2]
        return {number: tlv(f"FF3{number}", tlv("80", secrets.token_bytes(16)), *parts) for number, parts in content.items()}


class Personalizer:
    """The issuer at one chip: its SCP03 host is yubikit's."""

    def __init__(self, host: Host, authorities: Authorities, person: Person):
        self.host, self.authorities, self.person = host, authorities, person

    def generate_keys(self, p1=0) -> None:
        """Keys made on the card, which proves that it has both (SPEC 6.5)."""
        nonce, ephemeral = secrets.token_bytes(16), Key()
        number = tlv("5A", bytes.fromhex(self.person.number))
        answer = self.host.send_apdu(0x80, GENERATE, p1, 0, number + tlv("81", nonce) + tlv("5F49", ephemeral.point))
        agreement, signing, signature, confirmation = read(answer)
        proof = tlv("FF2A", tlv("80", b"\1"), number, tlv("81", nonce), agreement.encoded, signing.encoded)
        verify_bytes(proof, signature.value, point(signing.value))
        shared = ephemeral.secret.exchange(ec.ECDH(), point(agreement.value))
        if cmac(X963KDF(hashes.SHA256(), 16, None).derive(shared), proof) != confirmation.value:
            raise ValueError("the card does not have its agreement key (SPEC 6.5)")
        self.keys = [agreement.value, signing.value]

    def objects(self, version=1, signer: Key | None = None, digests: dict[int, bytes] | None = None, anchor=None,
                groups: dict[int, bytes] | None = None, keys=None) -> list[bytes]:
        """What STORE DATA loads (SPEC 6.6); `digests` are of other groups than those loaded."""
        groups, anchor, keys = groups or self.person.groups(), anchor or self.authorities.anchor, keys or self.keys
        vouched = {0: self.authorities.anchor, **(groups if digests is None else digests)}
        body = tlv("FF21", tlv("80", b"\1"), tlv("81", b"\1"), tlv("42", ISSUER.encode()),
                   tlv("5A", bytes.fromhex(self.person.number)), tlv("82", version.to_bytes(2, "big")),
                   tlv("5F25", date(f"{today():%y%m%d}")), tlv("5F24", date("351231")), tlv("83", keys[0]), tlv("84", keys[1]),
                   tlv("85", self.person.reference), tlv("86", b"\3\3\4"),
                   tlv("87", *(cap.to_bytes(8, "big") for cap in (20_000_000, 50_000_000, 2_000_000))),
                   tlv("A9", *(tlv(f"8{at}", sha256(vouched[at])) for at in sorted(vouched))),
                   tlv("8A", version.to_bytes(8, "big")), tlv("8B", bytes(32)))
        self.cso_hash = sha256(body)
        cso = (signer or self.authorities.issuer).sign("FF20", body)
        return [anchor, self.authorities.certificates[ISSUER], cso, *(groups[number] for number in sorted(groups))]

    def load(self, objects: list[bytes]) -> None:
        """STORE DATA, block by block."""
        data = b"".join(objects)
        for number, at in enumerate(range(0, len(data), BLOCK)):
            last = at + BLOCK >= len(data)
            self.host.send_apdu(0x80, STORE_DATA, 0x80 if last else 0, number, data[at:at + BLOCK])

    def set_pin(self, pin: bytes) -> None:
        self.host.send_apdu(0x80, CHANGE_REFERENCE_DATA, 1, 0x81, pin)

    def activate(self) -> None:
        self.host.send_apdu(0x80, ACTIVATE, 0, 0)
