"""yubikit, without a card, gives the published SCP03 session of its kind, AES-128 at level 33, in `vectors/scp03.json`."""
import json
import unittest
from pathlib import Path

from yubikey import AUTHENTICATE, KeyRef, Scp03KeyParams, ScpProcessor, ScpState, StaticKeys

VECTORS = Path(__file__).resolve().parents[2] / "card-applet-spec" / "vectors" / "scp03.json"


class Script:
    """Stands for the card: answers what the vectors say, keeps what it was sent."""

    def __init__(self, answers: list[bytes]):
        self.answers, self.sent = answers, []

    def send_apdu(self, cla, ins, p1, p2, data, le):
        self.sent.append(bytes([cla, ins, p1, p2, len(data)]) + data)
        return self.answers.pop(0), 0x9000

    @staticmethod
    def format_apdu(cla, ins, p1, p2, data, le):
        return bytes([cla, ins, p1, p2, len(data)]) + data


class KnownAnswers(unittest.TestCase):
    def test_session(self):
        sessions = json.loads(VECTORS.read_text())["sessions"]
        keys = StaticKeys(*(bytes.fromhex(sessions["keys"]["128"][name]) for name in ("enc", "mac", "dek")))
        session, = (one for one in sessions["sessions"] if (one["keys"], one["security_level"]) == ("128", "33"))
        update, answer, command = (bytes.fromhex(session[name]) for name in (
            "initialize_update", "initialize_update_response", "external_authenticate"))
        state, cryptogram = ScpState.scp03_init(lambda *_: answer, Scp03KeyParams(KeyRef(1, update[2]), keys),
                                                host_challenge=update[5:13])
        first = session["first_response"]
        card = Script([b"", bytes.fromhex(first["protected"])])
        processor = ScpProcessor(card, card, state)
        processor.send_apdu(0x84, AUTHENTICATE, 0x33, 0, cryptogram, 0, encrypt=False)
        plain = bytes.fromhex(session["commands"][0]["plain"])
        data, _ = processor.send_apdu(*plain[:4], plain[5:-1], 0)
        self.assertEqual(card.sent, [command, bytes.fromhex(session["commands"][0]["protected"])[:-1]])
        self.assertEqual(data.hex(), first["plain"])


if __name__ == "__main__":
    unittest.main()
