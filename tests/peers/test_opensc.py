"""OpenSC's `opensc-tool` at our cards through the real pcscd: it finds them, resets them, selects our application."""
import re
import subprocess
import unittest

from station import station

SELECT = "00:A4:04:00:08:F0:41:4E:53:49:4E:48:01:00"
CONTROL = "6f128408f0414e53494e48018a01{}a503800101"  # SPEC 6.1


def opensc_tool(*arguments: str) -> str:
    """What the tool says. Its exit code tells nothing about status words."""
    done = subprocess.run(["opensc-tool", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=30)
    if done.returncode:
        raise AssertionError(f"opensc-tool {arguments}: {done.stdout}")
    return done.stdout


def answers(card, *commands: str) -> list[tuple[str, str]]:
    """Status word and data for each command, in one connection."""
    said = opensc_tool("--reader", card.reader, *(word for command in commands for word in ("--send-apdu", command)))
    parts = re.split(r"Received \(SW1=0x(..), SW2=0x(..)\)", said)[1:]
    # After each status word comes a dump: up to 16 bytes in hexadecimal a line, then the same as text.
    return [(sw1 + sw2, "".join(re.sub("[^0-9A-F]", "", line[:48]) for line in dump.splitlines()
                                if re.match("[0-9A-F]{2} ", line)).lower())
            for sw1, sw2, dump in zip(parts[0::3], parts[1::3], parts[2::3])]


class OpenSc(unittest.TestCase):
    def setUp(self):
        self.blank, self.issued = station().untouched_card(), station().issued_cards()[0]
        for card in (self.blank, self.issued):
            card.wait_until_noticed()

    def test_readers_are_listed_with_their_cards(self):
        listed = opensc_tool("--list-readers")
        for card in (self.blank, self.issued):
            self.assertRegex(listed, rf"(?m)^\d+ +Yes .*{re.escape(card.reader)}$")
        self.assertRegex(listed, r"(?m)^\d+ +No .*ansinh virtual reader")

    def test_answer_to_reset(self):
        # T=1, no historical bytes: nothing that tells one card from another.
        self.assertEqual(opensc_tool("--reader", self.blank.reader, "--atr").strip(), "3b:80:01:81")

    def test_select(self):
        for card, life_cycle in ((self.blank, "01"), (self.issued, "05")):
            with self.subTest(life_cycle):
                self.assertEqual(answers(card, SELECT), [("9000", CONTROL.format(life_cycle))])

    def test_refusals(self):
        other = SELECT[:-5] + "02:00"
        cases = [(other, "6A82"), ("00:A4:04:00:00", "6A82"), (SELECT.replace("A4:04", "A4:00"), "6A86"),
                 ("80:CA:FF:3F:00", "6982")]
        for command, status in cases:
            with self.subTest(command):
                self.assertEqual(answers(self.blank, command), [(status, "")])

    def test_nothing_more_without_a_session(self):
        commands = {"00:B0:9D:00:00": "6982", "80:CA:FF:3F:00": "6D00", "84:88:00:00:00": "6982", "00:20:00:81:00": "6D00",
                    "84:20:00:81:00": "6982", "84:54:00:00:00": "6982", "C0:B0:9D:00:00": "6E00"}
        for command, status in commands.items():
            with self.subTest(command):
                self.assertEqual(answers(self.issued, SELECT, command)[1], (status, ""))


if __name__ == "__main__":
    unittest.main()
