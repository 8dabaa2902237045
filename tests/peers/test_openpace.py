"""OpenPACE's `cvc-print` verifies our certificate chains: root to issuer, root to terminal CA to terminal, root to next root.

Its exit code tells nothing; only the words "certificate verified" do. It looks authorities up by their references.
"""
import datetime
import subprocess
import tempfile
import unittest
from pathlib import Path

from encoding import DOMAIN, certificate_body
from fixture import Key
from station import station, today
from yubikey import flipped

ROOT, ISSUER, TERMINAL_CA, TERMINAL, NEXT_ROOT = "VNROOT00001", "VNISS7900001", "VNTCA00001", "VNT9000001A00001", "VNROOT00002"
CHAINS = {ISSUER: [ROOT], TERMINAL_CA: [ROOT], TERMINAL: [TERMINAL_CA, ROOT], NEXT_ROOT: [ROOT], ROOT: [ROOT]}


class OpenPace(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.certificates = {holder: station().certificate_of(holder) for holder in (ROOT, ISSUER, TERMINAL_CA)}
        cls.certificates[TERMINAL] = station().terminal().certificate
        day, key = f"{today():%y%m%d}", Key()
        link = certificate_body(NEXT_ROOT, "C0", key.point, ROOT, day, f"{today() + datetime.timedelta(9000):%y%m%d}", DOMAIN)
        cls.certificates[NEXT_ROOT] = station().authority("root").sign("7F21", link)  # SPEC 3.6

    def setUp(self):
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))

    def verifies(self, certificate: bytes, authorities: dict[str, bytes]) -> bool:
        """Whether cvc-print verifies the certificate with only these authorities to be found."""
        for known in self.folder.iterdir():
            known.unlink()
        for holder, encoded in authorities.items():
            (self.folder / holder).write_bytes(encoded)
        asked = self.folder / "asked"
        asked.write_bytes(certificate)
        # It compares dates with the day in UTC, ours begin with the day in Vietnam.
        said = subprocess.run(["faketime", "-f", "+7h", "cvc-print", f"--cvc-dir={self.folder}", "-c", asked], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, timeout=30).stdout
        return b"certificate verified" in said.splitlines()

    def above(self, holder: str) -> dict[str, bytes]:
        return {authority: self.certificates[authority] for authority in CHAINS[holder]}

    def test_chains(self):
        for holder in CHAINS:
            with self.subTest(holder):
                self.assertTrue(self.verifies(self.certificates[holder], self.above(holder)))

    def test_flipped_bits(self):
        """One in 29 bits of each."""
        for holder in CHAINS:
            encoded = self.certificates[holder]
            for bit in range(0, 8 * len(encoded), 29):
                with self.subTest(holder, bit=bit):
                    self.assertFalse(self.verifies(flipped(encoded, bit), self.above(holder)))

    def test_missing_authority(self):
        for holder, authorities in CHAINS.items():
            for missing in authorities:
                with self.subTest(holder, missing=missing):
                    known = {name: encoded for name, encoded in self.above(holder).items() if name != missing}
                    self.assertFalse(self.verifies(self.certificates[holder], known))

    def test_wrong_authority(self):
        """Signed by the right one and naming another, signed by another and naming the right one, an authority exchanged."""
        station_of, everything = station().terminal, dict(self.certificates)
        self.assertFalse(self.verifies(station_of(authority=ISSUER).certificate, everything))
        self.assertFalse(self.verifies(station_of(signer="issuer").certificate, everything))
        self.assertFalse(self.verifies(station_of(authority="VNTCA00002").certificate, everything))
        self.assertFalse(self.verifies(self.certificates[TERMINAL], everything | {TERMINAL_CA: self.certificates[ISSUER]}))

    def test_another_root(self):
        day = f"{today():%y%m%d}"
        stranger = Key()
        body = certificate_body(ROOT, "C0", stranger.point, ROOT, day, f"{today() + datetime.timedelta(9000):%y%m%d}", DOMAIN)
        root = stranger.sign("7F21", body)
        self.assertTrue(self.verifies(root, {ROOT: root}), "a root of its own")
        for holder in (ISSUER, TERMINAL_CA, NEXT_ROOT):
            with self.subTest(holder):
                self.assertFalse(self.verifies(self.certificates[holder], self.above(holder) | {ROOT: root}))


if __name__ == "__main__":
    unittest.main()
