"""SCP03 between yubikit and a blank card (SPEC 6, 8): what both agree on, and what each of them refuses."""
import unittest

from personalization import put_key_data
from secure_messaging import check_value, derive
from station import station
from yubikey import AID, AUTHENTICATE, GET_DATA, INITIALIZE_UPDATE, ApduError, Host, KeyRef, Scp03KeyParams
from yubikey import ScpProcessor, ScpState, StaticKeys, flipped

BLANK, PERSONALIZING = bytes.fromhex("8A0101800101"), bytes.fromhex("8A0103800102")
NEW_KEYS = [bytes([number]) * 16 for number in (0xE1, 0xA2, 0xD3)]
PUT_KEY = 0xD8


class OnBlankCard(unittest.TestCase):
    """Sessions with a blank card."""

    @classmethod
    def setUpClass(cls):
        cls.card = station().untouched_card()
        cls.keys = station().transport_keys(cls.card)

    def open(self, keys=None, host=None) -> Host:
        """A session."""
        host = host or Host(self.card)
        host.init_scp(Scp03KeyParams(KeyRef(1, 0), StaticKeys(*(keys or self.keys))))
        return host

    def assert_refused(self, statuses, action, *arguments) -> None:
        """The card answers one of the status words."""
        with self.assertRaises(ApduError) as caught:
            action(*arguments)
        self.assertIn(f"{caught.exception.sw:04X}", statuses)


class Session(OnBlankCard):
    def test_protected_command(self):
        host = self.open()
        for _ in range(20):
            data = host.get_data()
            self.assertEqual((data[:2].hex(), data[3:9]), ("ff3f", BLANK))

    def test_every_command_is_protected_at_level_33(self):
        host = self.open()
        data = host.get_data()
        sent, answer, _ = host.between.passed[-1]
        self.assertEqual((sent[0] & 0x04, len(answer) % 16), (0x04, 8))
        self.assertNotIn(data[:16], answer)

    def test_a_blank_card_takes_nothing_else(self):
        for instruction, p1, p2 in ((0x47, 0, 0), (0xE2, 0, 0), (0x24, 1, 0x81), (0x44, 0, 0), (0xB0, 0x9D, 0)):
            with self.subTest(f"{instruction:02X}"):
                self.assert_refused(["6985"], self.open().send_apdu, 0x80, instruction, p1, p2, b"\x5A\x00")

    def test_plain_commands_in_a_session_end_it(self):
        host = self.open()
        host.between.command[GET_DATA] = lambda _: bytes.fromhex("80CAFF3F00")
        self.assert_refused(["6987"], host.get_data)
        host.between.command.clear()
        self.assert_refused(["6982"], host.get_data)

    def test_select_ends_a_session(self):
        for name, select in (("right", b"\0\xA4\4\0\x08" + AID), ("wrong", b"\0\xA4\4\0\x08" + AID[:-1] + b"\2")):
            with self.subTest(name):
                host = self.open()
                status = host.between.send_and_receive(select)[1]
                self.assertEqual(status == 0x9000, name == "right")
                self.assert_refused(["6982"], host.get_data)


class TheCardRefuses(OnBlankCard):
    def test_a_wrong_host_cryptogram(self):
        """Wrong keys, on a way where somebody makes yubikit believe in the card."""
        for number in (0, 1):
            with self.subTest(("ENC", "MAC")[number]):
                keys = list(self.keys)
                keys[number] = flipped(keys[number], 7)
                host = Host(self.card)
                host.between.response[INITIALIZE_UPDATE] = lambda data, status: (
                    data[:21] + self.cryptogram(keys[1], host.between.passed[-1][0], data), status)
                self.open(keys, host)
                wrong = number == 1  # the ENC key proves itself by the first encrypted command only
                self.assertEqual(host.between.passed[-1][2], 0x6982 if wrong else 0x9000)
                self.assert_refused(["6982"] if wrong else ["6988", "6A80"], host.send_apdu, 0x80, GET_DATA, 0xFF, 0x3F, b"\1")

    @staticmethod
    def cryptogram(mac: bytes, update: bytes, data: bytes) -> bytes:
        """Amendment D, 6.2.2.2, under a static MAC key."""
        context = update[5:13] + data[13:21]
        return derive(derive(mac, 0x06, 128, context), 0x00, 64, context)

    def test_every_flipped_bit_of_external_authenticate(self):
        length = 5 + 16
        for bit in range(8 * length):
            with self.subTest(bit=bit):
                host = Host(self.card)
                host.between.command[AUTHENTICATE] = lambda apdu: flipped(apdu, bit)
                self.open(host=host)
                self.assertIn(f"{host.between.passed[-1][2]:04X}", ("6982", "6985", "6A86", "6700", "6D00", "6E00"))
                self.assert_refused(["6982"], host.get_data)
                self.open().get_data()  # or ten wrong cryptograms in a row would block the card (SPEC 6.3)

    def test_every_flipped_bit_of_a_command(self):
        length = 5 + 16 + 8
        for bit in range(8 * length):
            with self.subTest(bit=bit):
                host = self.open()
                host.between.command[GET_DATA] = lambda apdu: flipped(apdu, bit)
                self.assert_refused(["6988", "6987", "6700", "6E00"], host.get_data)
                host.between.command.clear()
                self.assert_refused(["6982"], host.get_data)

    def test_every_level_but_33(self):
        for level in (0x00, 0x01, 0x03, 0x10, 0x11, 0x13, 0x23, 0x31, 0x32, 0xFF):
            with self.subTest(f"{level:02X}"):
                host = Host(self.card)
                processor, cryptogram = self.handshake(host)
                _, status = processor.send_apdu(0x84, AUTHENTICATE, level, 0, cryptogram, 0, encrypt=False)
                self.assertIn(f"{status:04X}", ("6982", "6A86"))
                self.assertEqual(processor.send_apdu(0x80, GET_DATA, 0xFF, 0x3F, b"", 0), (b"", 0x6982))
                self.open().get_data()

    def handshake(self, host: Host) -> tuple[ScpProcessor, bytes]:
        """yubikit's SCP03 up to the host cryptogram."""
        state, cryptogram = ScpState.scp03_init(host.send_apdu, Scp03KeyParams(KeyRef(1, 0), StaticKeys(*self.keys)))
        base, formatter = host._build_base_processor()
        return ScpProcessor(base, formatter, state), cryptogram

    def test_a_replayed_external_authenticate(self):
        first = self.open()
        recorded = first.between.passed[-1][0]
        first.between.command[AUTHENTICATE] = lambda _: recorded
        with self.subTest("in its own session"):
            self.assert_refused(["6988"], first.send_apdu, 0x80, AUTHENTICATE, 0x33, 0, bytes(8))
        with self.subTest("without INITIALIZE UPDATE"):
            host = Host(self.card)
            self.assertEqual(host.between.send_and_receive(recorded), (b"", 0x6982))
        with self.subTest("in another session"):
            host = Host(self.card)
            host.between.command[AUTHENTICATE] = lambda _: recorded
            self.open(host=host)
            self.assertEqual(host.between.passed[-1][2], 0x6982)
            self.assert_refused(["6982"], host.get_data)
        with self.subTest("after a new INITIALIZE UPDATE with the same host challenge"):
            update = first.between.passed[1][0]
            host = Host(self.card)
            self.assertEqual(host.between.send_and_receive(update)[1], 0x9000)
            self.assertEqual(host.between.send_and_receive(recorded), (b"", 0x6982))

    def test_a_replayed_command(self):
        host = self.open()
        host.get_data()
        self.assertEqual(host.between.send_and_receive(host.between.passed[-1][0]), (b"", 0x6988))
        self.assert_refused(["6982"], host.get_data)

    def test_a_command_of_another_session(self):
        other = self.open()
        other.get_data()
        host = self.open()
        host.between.command[GET_DATA] = lambda _: other.between.passed[-1][0]
        self.assert_refused(["6988"], host.get_data)


class TheHostRefuses(OnBlankCard):
    def test_a_card_with_other_keys(self):
        with self.assertRaisesRegex(ValueError, "Incorrect SCP parameters"):
            self.open([NEW_KEYS[0], NEW_KEYS[1], NEW_KEYS[2]])

    def test_every_flipped_bit_of_challenge_and_cryptogram(self):
        for bit in range(8 * 13, 8 * 29):
            with self.subTest(bit=bit):
                host = Host(self.card)
                host.between.response[INITIALIZE_UPDATE] = lambda data, status: (flipped(data, bit), status)
                with self.assertRaisesRegex(ValueError, "Incorrect SCP parameters"):
                    self.open(host=host)

    def test_every_flipped_bit_of_a_response(self):
        length = len(self.answer(self.open()))
        for bit in range(8 * length):
            with self.subTest(bit=bit):
                host = self.open()
                host.between.response[GET_DATA] = lambda data, status: (flipped(data, bit), status)
                with self.assertRaisesRegex(Exception, "Wrong MAC"):
                    host.get_data()

    def test_another_status_word(self):
        host = self.open()
        host.between.response[GET_DATA] = lambda data, status: (data, 0x6283)
        with self.assertRaisesRegex(Exception, "Wrong MAC"):
            host.get_data()

    def test_an_answer_that_belongs_elsewhere(self):
        other = self.answer(self.open())
        for name, before in (("to another session", 0), ("to the command before", 1)):
            with self.subTest(name):
                host = self.open()
                recorded = self.answer(host) if before else other
                host.between.response[GET_DATA] = lambda data, status: (recorded, status)
                with self.assertRaisesRegex(Exception, "Wrong MAC"):
                    host.get_data()

    @staticmethod
    def answer(host: Host) -> bytes:
        """The protected bytes that answer GET DATA."""
        host.get_data()
        return host.between.passed[-1][1]


class PutKey(OnBlankCard):
    """yubikit's own put_key leaves out the length of the key inside its data object, so the data are made here (SPEC 6.4)."""

    @classmethod
    def setUpClass(cls):
        cls.card = station().blank_card()
        cls.addClassCleanup(cls.card.end)
        cls.keys = station().transport_keys(cls.card)

    def data(self, version=2, keys=NEW_KEYS, dek=None, **changes) -> bytes:
        return put_key_data(version, keys, dek or self.keys[2], **changes)

    def test_1_refused(self):
        yubikit_style = bytes([2]) + b"".join(b"\x88\x10" + bytes(16) + b"\x03" + bytes(3) for _ in range(3))
        cases = {
            "wrong check value": self.data(check=lambda key: flipped(check_value(key), 0)),
            "encrypted under another key": self.data(dek=bytes(16)),
            "version skipped": self.data(version=3),
            "version of today": self.data(version=1),
            "two keys": self.data(keys=NEW_KEYS[:2]),
            "without the inner length": yubikit_style,
            "a byte too many": self.data() + b"\0",
            "a byte too few": self.data()[:-1],
            "no data": b"",
        }
        for name, data in cases.items():
            with self.subTest(name):
                self.assert_refused(["6A80", "6700"], self.open().send_apdu, 0x80, PUT_KEY, 0, 0x81, data)
                self.assertIn(BLANK, self.open().get_data())
        for p1, p2 in ((1, 0x81), (0, 0x01), (0, 0x82)):
            with self.subTest(p1=p1, p2=p2):
                self.assert_refused(["6A86"], self.open().send_apdu, 0x80, PUT_KEY, p1, p2, self.data())

    def test_2_new_keys(self):
        host = self.open()
        answer = host.send_apdu(0x80, PUT_KEY, 0, 0x81, self.data())
        self.assertEqual(answer, b"\2" + b"".join(map(check_value, NEW_KEYS)))
        self.assertIn(PERSONALIZING, host.get_data(), "the open session stays valid")
        with self.assertRaisesRegex(ValueError, "Incorrect SCP parameters"):
            self.open()
        self.assertIn(PERSONALIZING, self.open(NEW_KEYS).get_data())

    def test_3_next_keys_come_under_the_new_ones(self):
        host = self.open(NEW_KEYS)
        self.assert_refused(["6A80"], host.send_apdu, 0x80, PUT_KEY, 0, 0x81, self.data(version=3, keys=self.keys))
        self.open(NEW_KEYS).send_apdu(0x80, PUT_KEY, 0, 0x81, self.data(version=3, keys=self.keys, dek=NEW_KEYS[2]))
        self.assertIn(bytes.fromhex("8A0103800103"), self.open(self.keys).get_data())


class WrongAttempts(OnBlankCard):
    def attempt(self) -> int:
        """Answers INITIALIZE UPDATE with a wrong cryptogram."""
        host = Host(self.card)
        host.between.command[AUTHENTICATE] = lambda apdu: flipped(apdu, 8 * 5)
        self.open(host=host)
        return host.between.passed[-1][2]

    def test_ten_block_until_power_off(self):
        for _ in range(9):
            self.assertEqual(self.attempt(), 0x6982)
        self.open().get_data()
        for _ in range(10):
            self.assertEqual(self.attempt(), 0x6982)
        for _ in range(2):
            self.assert_refused(["6983"], self.open)
        self.card.cut_power()
        self.open().get_data()


if __name__ == "__main__":
    unittest.main()
