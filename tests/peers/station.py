"""A TEST station made by the real `ansinh`: blank cards, issued cards, and what a terminal needs, as files.

The keys of the authorities are the station's own sealed files, which `cryptography` opens as openssl does; terminals are
certified here, in Python, so that no code of ours makes what the card then has to judge.
"""
from __future__ import annotations

import atexit
import datetime
import functools
import json
import os
import secrets
import shutil
import subprocess
import tempfile
from pathlib import Path

from cryptography.hazmat.primitives.serialization import load_pem_private_key

from card import Terminal
from encoding import certificate_body
from fixture import Key
from folder import Certificates, Findings, Folder, load_key
from rig import InsertedCard, program
from secure_messaging import diversify

PIN = b"271828"
BLANK_CARDS, ISSUED_CARDS = 10, 5


@functools.cache
def station() -> Station:
    """The station of this run of tests."""
    return Station()


class Station:
    """`ansinh init`, `delivery add`, `import`, `batch`, `issue`, by two officers: one drafts, the other approves."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="ansinh-peers-"))
        atexit.register(shutil.rmtree, self.folder)
        self.home, self._passphrase = self.folder / "station", secrets.token_hex(16)
        delivery, cards, people = (self.folder / name for name in ("delivery.json", "cards", "list.csv"))
        subprocess.run([program("virtual-card"), "blank", "--delivery", delivery, "--out", cards,
                        "--count", str(BLANK_CARDS)], check=True)
        people.write_bytes(subprocess.run([program("beneficiary-list"), "--people", str(ISSUED_CARDS), "--period", "202611"],
                                          check=True, stdout=subprocess.PIPE).stdout)
        self._ansinh("init", "--province", "79", "--test", "--operator", "lan", "--new-token-file", self._token("lan"))
        self._ansinh("operator", "add", "minh", "--role", "approver", "--new-token-file", self._token("minh"))
        self._ansinh("delivery", "add", delivery)
        self._ansinh("import", "--accept-warnings", people)
        self._ansinh("batch", "draft", "--everybody", "--title", "peers", "--quota", str(ISSUED_CARDS))
        self._ansinh("batch", "approve", "1", operator="minh")
        self._transport = json.loads(delivery.read_text())["keys"]
        self._blanks = sorted(cards.iterdir())

    def blank_card(self) -> InsertedCard:
        """A card as the vendor delivers it, in a reader."""
        return InsertedCard(self._blanks.pop())

    @functools.cache
    def untouched_card(self) -> InsertedCard:
        """A blank card that every test leaves blank."""
        card = self.blank_card()
        atexit.register(card.end)
        return card

    def transport_keys(self, card: InsertedCard) -> list[bytes]:
        """ENC, MAC and DEK of a blank card (SPEC 6.2)."""
        serial = bytes.fromhex(card.memory.stem)
        return [diversify(bytes.fromhex(self._transport[name]["key"]), number, serial)
                for number, name in enumerate(("enc", "mac", "dek"), 1)]

    @functools.cache
    def issued_cards(self) -> list[InsertedCard]:
        """Active cards, in their readers."""
        cards = [self.blank_card() for _ in range(ISSUED_CARDS)]
        atexit.register(lambda: [card.end() for card in cards])
        for card in cards:
            card.wait_until_noticed()
        chosen = [word for card in cards for word in ("--reader", card.reader)]
        self._ansinh("issue", "--pin-command", f"printf {PIN.decode()}", "--limit", str(ISSUED_CARDS), *chosen)
        return cards

    def authority(self, name: str) -> Key:
        """The key of `root`, `issuer` or `terminal-ca`."""
        sealed = (self.home / "keys" / f"{name}.key").read_bytes()
        return Key(load_pem_private_key(sealed, self._passphrase.encode()))

    def certificate_of(self, holder: str) -> bytes:
        """A certificate that the station made."""
        return (self.home / "certificates" / f"{holder}.cvc").read_bytes()

    def certificates(self) -> Certificates:
        """The certificates that hold under the root key."""
        findings = Findings()
        certificates = Certificates(Folder(self.home, findings), load_key(self.home / "root.pem"))
        if findings.lines:
            raise RuntimeError("\n".join(findings.lines))
        return certificates

    def terminal(self, name="VNT9000001", *, holder: str | None = None, role="01", signer="terminal-ca",
                 authority="VNTCA00001", first_day=0, days=35, flag="80") -> Terminal:
        """A terminal with a new key. Its certificate starts `first_day` days from today and spans `days`."""
        key = Key()
        effective = today() + datetime.timedelta(first_day)
        expiry = effective + datetime.timedelta(days - 1)
        body = certificate_body(holder or f"{name}A00001", role, key.point, authority, f"{effective:%y%m%d}",
                                f"{expiry:%y%m%d}", flag=flag)
        return Terminal(name, key.secret, self.certificate_of("VNTCA00001"), self.authority(signer).sign("7F21", body))

    def _token(self, operator: str) -> Path:
        return self.folder / f"{operator}.token"

    def _ansinh(self, *arguments, operator="lan") -> None:
        environment = dict(os.environ, ANSINH_PASSPHRASE=self._passphrase)
        station = ["--store", self.home, "--token-file", self._token(operator)]
        done = subprocess.run([program("ansinh"), *station, *arguments], env=environment, text=True,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise RuntimeError(f"ansinh {' '.join(map(str, arguments))}: {done.stdout}")


def today() -> datetime.date:
    """The day in Vietnam (SPEC 1, `time`)."""
    return (datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=7)).date()
