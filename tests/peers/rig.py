"""Our card in processes behind the virtual readers of `with-readers`, reached by pyscard through the real pcscd."""
from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

from smartcard import scard
from smartcard.CardConnection import CardConnection
from smartcard.Exceptions import CardConnectionException, NoCardException
from smartcard.System import readers

PROGRAMS = Path(__file__).resolve().parents[2] / "target" / "debug"
PATIENCE = 10  # seconds; a card is noticed within half a second

_free = [(name, port) for name, port in zip(os.environ.get("ANSINH_READER_NAMES", "").split(","),
                                            os.environ.get("ANSINH_VPCD_PORTS", "").split(",")) if name and port]


def program(name: str) -> str:
    """A program of this repository."""
    path = PROGRAMS / name
    if not path.exists():
        raise RuntimeError(f"{name} is not built: run cargo build --workspace --bins first")
    return str(path)


class InsertedCard:
    """A card in a reader of its own: the process that is the card, and a connection to it through pcscd."""

    def __init__(self, memory: Path):
        if not _free:
            raise RuntimeError("no reader left: start the tests by tests/peers/run")
        self.reader, port = _free.pop(0)
        self.memory = memory
        self._connection = None
        self._process = subprocess.Popen(
            [program("virtual-card"), "--memory", str(memory), "--vpcd", f"127.0.0.1:{port}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait_until_noticed(self) -> None:
        """Returns when pcscd knows the card, and leaves it to others."""
        if self._connection is None:
            self._connect()
        self.disconnect()

    def transmit(self, command: bytes) -> tuple[bytes, int]:
        """The data and the status word that answer a command."""
        if self._connection is None:
            self._connect()
        data, sw1, sw2 = self._connection.transmit(list(command))
        return bytes(data), sw1 << 8 | sw2

    def cut_power(self) -> None:
        """Takes the card's power until the next command."""
        self.wait_until_noticed()

    def disconnect(self) -> None:
        """Leaves the reader to others."""
        if self._connection is not None:
            self._connection.disconnect()
            self._connection = None

    def end(self) -> None:
        """Takes the card out for good."""
        self.disconnect()
        self._process.kill()
        self._process.communicate()

    def _connect(self) -> None:
        latest = time.monotonic() + PATIENCE
        while True:
            try:
                reader = next(reader for reader in readers() if reader.name == self.reader)
                connection = reader.createConnection()
                connection.connect(CardConnection.T1_protocol, disposition=scard.SCARD_UNPOWER_CARD)
            except (StopIteration, NoCardException, CardConnectionException):
                if time.monotonic() > latest:
                    raise
                time.sleep(0.02)
                continue
            self._connection = connection
            return
