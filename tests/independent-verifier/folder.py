"""The folder of DATA chapter 2 and what is found wrong in it: reading files, PEM keys, certificates and their chains."""
from __future__ import annotations

import datetime
import hashlib
import re
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from objects import CERTIFICATE, check_public_key, der, verify
from tlv import Refused, parse

ROOT, ISSUER, TERMINAL_CA, AGREEMENT, JOURNAL = 0xC0, 0x81, 0x82, 0x01, 0x02
ROLES = {  # SPEC 3.2: form of the CHR, role of the signer
    ROOT: (r"VNROOT\d{5}", ROOT), ISSUER: (r"VNISS\d{7}", ROOT), TERMINAL_CA: (r"VNTCA\d{5}", ROOT),
    AGREEMENT: (r"VNT\d{7}A\d{5}", TERMINAL_CA), JOURNAL: (r"VNT\d{7}J\d{5}", TERMINAL_CA),
}
TERMINAL_DAYS = 35


class Findings:
    """One line for each thing that is wrong; the verification goes on with the next object."""

    def __init__(self):
        self.lines: list[str] = []

    def check(self, holds: bool, where: str, otherwise: str) -> None:
        """A finding at `where` unless the condition holds."""
        if not holds:
            self.lines.append(f"{where}: {otherwise}")

    @contextmanager
    def about(self, where: str):
        """What is refused inside is a finding at `where` and ends the work on this object only."""
        try:
            yield
        except Refused as refused:
            self.lines.append(f"{where}: {refused}")

    def none_in(self, where: str, work: Callable[[], object]) -> bool:
        """Does this work, `about` what is there: is nothing found?"""
        before = len(self.lines)
        with self.about(where):
            work()
        return len(self.lines) == before


class Folder:
    """The files of DATA 2, with findings named by their path in the folder."""

    def __init__(self, path: Path, findings: Findings):
        self.path, self.findings = path, findings

    def read(self, name: str) -> bytes:
        """A file's bytes."""
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            raise Refused(f"cannot be read: {error.strerror} (DATA 2)") from None

    def names(self, directory: str, *suffixes: str) -> list[str]:
        """The names in a directory, each once and without its suffix; one with none of the suffixes is a finding."""
        names = set()
        for path in (self.path / directory).glob("*"):
            suffix = next((suffix for suffix in suffixes if path.name.endswith(suffix)), None)
            self.findings.check(suffix is not None, f"{directory}/{path.name}", "no file that DATA 2 names")
            if suffix is not None:
                names.add(path.name.removesuffix(suffix))
        return sorted(names)

    def versions(self, number: str) -> list[str]:
        """The versions of a card before its newest, each in a directory of its own (DATA 2)."""
        return sorted(path.name for path in (self.path / "cards" / number).iterdir() if path.is_dir())

    def matches_pem(self, name: str, key: ec.EllipticCurvePublicKey) -> None:
        """The PEM file holds this key."""
        self.findings.check(key_bytes(load_key(self.path / name)) == key_bytes(key), name, "is not the certified key")

    def matches_signature(self, stem: str, body: bytes, signature: bytes) -> None:
        """`stem.signed.bin` and the DER signature beside it are this body and this signature (DATA 2)."""
        for name, expected in ((f"{stem}.signed.bin", body), (f"{stem}.sig.der", der(signature))):
            with self.findings.about(name):
                self.findings.check(self.read(name) == expected, name, "not the signed body or its signature's DER form (DATA 2)")


def load_key(path: Path) -> ec.EllipticCurvePublicKey:
    """A P-256 public key from PEM."""
    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise Refused(f"{path.name} is no public key: {error}") from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise Refused(f"{path.name} is no P-256 key (SPEC 2.1)")
    return key


def key_bytes(key: ec.EllipticCurvePublicKey) -> bytes:
    """SPEC 1, type `key`."""
    return key.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


class Certificate:
    """A parsed certificate; only `Certificates` decides whether its chain holds."""

    def __init__(self, record):
        body = record.body
        self.record, self.hash = record, body.hash
        self.holder, self.authority = body.holder, body.authority
        self.role, self.flags = body.authorization.chat
        self.effective, self.expiry = body.effective, body.expiry
        self.key = body.public_key.key
        self.has_domain = check_public_key(body.public_key)

    def covers(self, day: datetime.date) -> bool:
        """Both days are included (SPEC 3.1)."""
        return self.effective <= day <= self.expiry


class Certificates:
    """The certificates of the folder whose chain up to the given root key holds (SPEC 3.4), by CHR.

    As the dates of each lie within its authority's, a day in a certificate's dates is in those of its whole chain.
    """

    def __init__(self, folder: Folder, root_key: ec.EllipticCurvePublicKey):
        findings = folder.findings
        self.by_holder: dict[str, Certificate] = {}
        found: dict[str, Certificate] = {}
        for holder in folder.names("certificates", ".cvc", ""):
            name = f"certificates/{holder}.cvc"
            with findings.about(name):
                # Without the ending for tools that look an authority up by its name alone, as OpenPACE's cvc-print does.
                copy = f"certificates/{holder}"
                same = not (folder.path / copy).exists() or folder.read(copy) == folder.read(name)
                findings.check(same, copy, "differs from the .cvc")
                found[holder] = Certificate(parse(CERTIFICATE, folder.read(name)))
                findings.check(found[holder].holder == holder, name, f"is of {found[holder].holder} (DATA 2)")
        # Authorities have greater roles than those they sign for, so they come first.
        for holder, certificate in sorted(found.items(), key=lambda item: -item[1].role):
            with findings.about(f"certificates/{holder}.cvc"):
                self._check(certificate, root_key)
                self.by_holder[certificate.holder] = certificate
        findings.check(any(known.role == ROOT for known in self.by_holder.values()), "certificates", "no valid root")

    def _check(self, certificate: Certificate, root_key: ec.EllipticCurvePublicKey) -> None:
        if certificate.role not in ROLES:
            raise Refused(f"unknown role {certificate.role:02X} (SPEC 3.2)")
        form, signer_role = ROLES[certificate.role]
        if not re.fullmatch(form, certificate.holder):
            raise Refused(f"{certificate.holder} does not fit its role {certificate.role:02X} (SPEC 3.2)")
        is_root = certificate.role == ROOT
        if certificate.has_domain != is_root:
            raise Refused("domain parameters belong in the root and only there (SPEC 3.1)")
        if is_root and (certificate.authority != certificate.holder or key_bytes(certificate.key) != key_bytes(root_key)):
            raise Refused("not the root whose key was given")
        authority = certificate if is_root else self.by_holder.get(certificate.authority)
        if authority is None or authority.role != signer_role:
            raise Refused(f"no valid certificate of its authority {certificate.authority} (SPEC 3.4)")
        verify(certificate.record, authority.key)
        if not authority.effective <= certificate.effective <= certificate.expiry <= authority.expiry:
            raise Refused("its dates are not within its authority's (SPEC 3.4)")
        if certificate.role in (AGREEMENT, JOURNAL) and (certificate.expiry - certificate.effective).days >= TERMINAL_DAYS:
            raise Refused(f"spans more than {TERMINAL_DAYS} days (SPEC 3.4)")
        if certificate.flags != self._root_of(authority).flags:
            raise Refused("its flags are not its root's (SPEC 3.3)")

    def _root_of(self, certificate: Certificate) -> Certificate:
        while certificate.role != ROOT:
            certificate = self.by_holder[certificate.authority]
        return certificate

    def issuer(self, holder: str, day: datetime.date) -> Certificate:
        """The issuer that signed an object, valid on the object's day."""
        certificate = self.by_holder.get(holder)
        if certificate is None or certificate.role != ISSUER:
            raise Refused(f"no valid issuer {holder} (SPEC 3.4)")
        if not certificate.covers(day):
            raise Refused(f"{holder} is not valid on {day} (SPEC 3.4)")
        return certificate

    def of_terminal(self, terminal: str, role: int) -> list[Certificate]:
        """A terminal's certificates of a role."""
        return [known for known in self.by_holder.values() if known.role == role and known.holder[:10] == terminal]


def sha256(data: bytes) -> bytes:
    """SPEC 1, type `hash`."""
    return hashlib.sha256(data).digest()
