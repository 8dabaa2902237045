"""SCP11a between yubikit as a terminal and an issued card (SPEC 7): the card's whole reading, a payment, and refusals.

yubikit takes our card-verifiable certificates as bytes. What the session carries is encoded and checked by the modules of
the verifier, which share nothing with yubikit.
"""
import secrets
import unittest

from cryptography.exceptions import InvalidSignature

from card import ACTIVE, Card, check_binding, check_cso, check_group, check_receipt, STATE, whole
from encoding import tlv
from station import PIN, station, today
from orders import order_for
from tlv import Refused, parse, read
from yubikey import ApduError, AUTHENTICATE, Between, GET_DATA, Host, ScpProcessor, ScpState, SessionKeys, flipped, scp11a

CERTIFICATE = 0x2A


class OnIssuedCard(unittest.TestCase):
    """The first issued card, and its CSO as it gives it to a valid terminal."""

    @classmethod
    def setUpClass(cls):
        cls.card, cls.other = station().issued_cards()[:2]
        cls.terminal = station().terminal()
        cls.cso, cls.other_cso = (cls.cso_of(card) for card in (cls.card, cls.other))

    @classmethod
    def cso_of(cls, card):
        plain = Card(card.transmit)
        plain.show_certificates(cls.terminal.authority, cls.terminal.certificate)
        return check_cso(plain.read_cso(), station().certificates(), today())

    def open(self, host=None, terminal=None, **changes) -> Host:
        """A session."""
        host = host or Host(self.card)
        host.init_scp(scp11a(terminal or self.terminal, self.cso.agreement_key, **changes))
        return host

    def assert_answered(self, statuses, action, *arguments) -> None:
        """The card answers one of the status words."""
        with self.assertRaises(ApduError) as caught:
            action(*arguments)
        self.assertIn(f"{caught.exception.sw:04X}", statuses)


class Session(OnIssuedCard):
    def session_receipt(self, host: Host) -> bytes:
        answer = next(data for sent, data, _ in host.between.passed if sent[:2] == b"\x80\x82")
        return list(read(answer))[1].value

    def test_state(self):
        state = parse(STATE, self.open().get_data())
        self.assertEqual((state.life_cycle, state.cso_hash), (ACTIVE, self.cso.hash))

    def test_groups(self):
        host = self.open()
        for number in (1, 3, 5):
            with self.subTest(number):
                group = whole(lambda at: host.send_apdu(0x80, 0xB0, at >> 8 or 0x80 | number, at & 0xFF))
                check_group(self.cso, number, group)
        for number in (4, 6):
            with self.subTest(number):
                self.assert_answered(["6982"], host.send_apdu, 0x80, 0xB0, 0x80 | number, 0)

    def test_binding(self):
        host = self.open()
        answer = host.send_apdu(0x80, 0x88, 0, 0)
        receipt = self.session_receipt(host)
        check_binding(self.cso, receipt, self.terminal, answer)
        other = station().terminal("VNT9000002")
        for name, arguments in {"another session": (self.cso, secrets.token_bytes(16), self.terminal),
                                "another card": (self.other_cso, receipt, self.terminal),
                                "another terminal": (self.cso, receipt, other)}.items():
            with self.subTest(name), self.assertRaisesRegex(Refused, "wrong signature"):
                check_binding(*arguments, answer)

    def test_payment(self):
        host = self.open()
        before = parse(STATE, host.get_data())
        order = order_for(self.cso, self.terminal, entitlement=11)
        self.assert_answered(["6346"], host.send_apdu, 0x80, 0x54, 0, 0, order)
        verify = tlv("80", PIN) + tlv("81", b"\1") + tlv("82", (1_000).to_bytes(8, "big"))
        host.send_apdu(0x80, 0x20, 0, 0x81, verify)
        receipt = host.send_apdu(0x80, 0x54, 0, 0, order)
        self.assertEqual(host.send_apdu(0x80, 0x54, 0, 0, order), receipt, "the same order again")
        after = parse(STATE, host.get_data())
        self.assertEqual(after.counter, before.counter + 1)
        body = check_receipt(self.cso, receipt)
        self.assertEqual((body.counter, body.previous, body.hash), (after.counter, before.head, after.head))
        with self.assertRaises(ApduError) as caught:
            host.send_apdu(0x80, 0x54, 0, 0, order_for(self.cso, self.terminal, entitlement=11))
        self.assertEqual((caught.exception.sw, caught.exception.data), (0x6340, receipt), "another order for the line")

    def test_wrong_pin(self):
        host = self.open()
        verify = tlv("80", b"000000") + tlv("81", b"\1") + tlv("82", bytes(8))
        self.assert_answered(["63C2"], host.send_apdu, 0x80, 0x20, 0, 0x81, verify)
        right = tlv("80", PIN) + tlv("81", b"\1") + tlv("82", bytes(8))
        host.send_apdu(0x80, 0x20, 0, 0x81, right)
        self.assertEqual(parse(STATE, host.get_data()).tries, 3)


class TheCardRefuses(OnIssuedCard):
    def test_a_terminal_without_its_key(self):
        """Whatever the card answers, the host without the key computes other session keys."""
        host = Host(self.card)
        with self.assertRaises(InvalidSignature):
            self.open(host, sk_oce_ecka=station().terminal().key)
        processor, formatter = host._build_base_processor()
        state = ScpState(SessionKeys(*(secrets.token_bytes(16) for _ in range(4))), secrets.token_bytes(16))
        guess = ScpProcessor(processor, formatter, state)
        self.assertEqual(guess.send_apdu(0x80, GET_DATA, 0xFF, 0x3F, b"", 0), (b"", 0x6988))
        self.assertEqual(guess.send_apdu(0x80, GET_DATA, 0xFF, 0x3F, b"", 0), (b"", 0x6982))

    def test_wrong_certificates(self):
        terminal, journal_name = station().terminal, "VNT9000001J00001"
        cases = {
            "signed by another authority": (terminal(signer="issuer"), ["6982"]),
            "unknown authority": (terminal(authority="VNTCA00002"), ["6A88"]),
            "its authority is the root": (terminal(signer="root", authority="VNROOT00001"), ["6A88", "6982"]),
            "expired": (terminal(first_day=-40, days=35), ["6982"]),
            "36 days": (terminal(days=36), ["6982"]),
            "ends before it begins": (terminal(days=-1), ["6982"]),
            "journal role": (terminal(holder=journal_name, role="02"), ["6982"]),
            "journal name": (terminal(holder=journal_name), ["6982"]),
            "issuer role": (terminal(role="81"), ["6982"]),
            "terminal CA role": (terminal(role="82"), ["6982"]),
            "without the flag TEST": (terminal(flag="00"), ["6982"]),
            "unknown flag": (terminal(flag="81"), ["6A80"]),
            "no terminal's name": (terminal(holder="VNX9000001A00001"), ["6982"]),
        }
        for name, (refused, statuses) in cases.items():
            with self.subTest(name):
                host = Host(self.card)
                self.assert_answered_or_incorrect(statuses, self.open, host, refused)
                self.assertEqual(host.between.send_and_receive(bytes.fromhex("00B09D0000"))[1], 0x6982)

    def assert_answered_or_incorrect(self, statuses, action, *arguments) -> None:
        """yubikit turns `6A88` into a ValueError of its own."""
        try:
            self.assert_answered(statuses, action, *arguments)
        except ValueError as error:
            self.assertEqual(str(error), "Incorrect SCP parameters")
            self.assertIn("6A88", statuses)

    def test_flipped_bits_of_a_certificate(self):
        """Both certificates; one in eleven bits, which meets every byte and over eleven bytes every bit of a byte."""
        for which, p2 in enumerate((0x90, 0x10)):
            encoded = (self.terminal.authority, self.terminal.certificate)[which]
            for bit in range(0, 8 * len(encoded), 11):
                with self.subTest(p2=f"{p2:02X}", bit=bit):
                    chain = [self.terminal.authority, self.terminal.certificate]
                    chain[which] = flipped(encoded, bit)
                    host = Host(self.card)
                    answers = [host.between.send_and_receive(bytes([0x80, 0x2A, 1, p2, len(part)]) + part)[1]
                               for p2, part in zip((0x90, 0x10), chain)]
                    self.assertIn(f"{answers[which]:04X}", ("6982", "6A80", "6A88"))
                    self.assertEqual(host.between.send_and_receive(bytes.fromhex("00B09D0000"))[1], 0x6982)

    def test_incomplete_chains(self):
        parts = {"authority alone": [self.terminal.authority], "terminal alone": [self.terminal.certificate], "none": []}
        for name, chain in parts.items():
            with self.subTest(name):
                host = Host(self.card)
                for part in chain:
                    p2 = 0x90 if part is self.terminal.authority else 0x10
                    host.between.send_and_receive(bytes([0x80, 0x2A, 1, p2, len(part)]) + part)
                self.assertEqual(host.between.send_and_receive(bytes.fromhex("00B09D0000"))[1], 0x6982)
                agreement = next(sent for sent, *_ in self.open().between.passed if sent[:2] == b"\x80\x82")
                host = Host(self.card)
                self.assertNotEqual(host.between.send_and_receive(agreement)[1], 0x9000)

    def test_flipped_bits_of_a_command(self):
        """One in five: a session costs two agreements, and the layer is that of SCP03, where every bit is tried."""
        for bit in range(0, 8 * (5 + 16 + 8), 5):
            with self.subTest(bit=bit):
                host = self.open()
                host.between.command[GET_DATA] = lambda apdu: flipped(apdu, bit)
                self.assert_answered(["6988", "6987", "6700", "6E00"], host.get_data)
                host.between.command.clear()
                self.assert_answered(["6982"], host.get_data)

    def test_a_replayed_session(self):
        recorded = self.open()
        recorded.get_data()
        host = Between(self.card)
        for sent, _, _ in recorded.between.passed[:-1]:
            self.assertEqual(host.send_and_receive(sent)[1], 0x9000)
        self.assertEqual(host.send_and_receive(recorded.between.passed[-1][0]), (b"", 0x6988))

    def test_a_blank_card_knows_no_terminals(self):
        host = Host(station().untouched_card())
        self.assert_answered(["6985"], self.open, host)


class TheHostRefuses(OnIssuedCard):
    def test_another_card(self):
        for name, host, key in (("card exchanged", Host(self.other), self.cso),
                                ("CSO exchanged", Host(self.card), self.other_cso)):
            with self.subTest(name), self.assertRaises(InvalidSignature):
                host.init_scp(scp11a(self.terminal, key.agreement_key))

    def test_flipped_bits_of_key_and_receipt(self):
        """One in three of the answer to MUTUAL AUTHENTICATE; a key that left the curve is a ValueError."""
        length = 3 + 65 + 2 + 16
        for bit in range(0, 8 * length, 3):
            with self.subTest(bit=bit):
                host = Host(self.card)
                host.between.response[AUTHENTICATE] = lambda data, status: (flipped(data, bit), status)
                with self.assertRaises((InvalidSignature, ValueError)):
                    self.open(host)

    def test_flipped_bits_of_what_it_asked(self):
        """One in three. The receipt covers the command, too: somebody between them cannot choose the parameters."""
        for bit in range(8 * 5, 8 * (5 + 15 + 3 + 65), 3):
            with self.subTest(bit=bit):
                host = Host(self.card)
                host.between.command[AUTHENTICATE] = lambda apdu: flipped(apdu, bit)
                with self.assertRaises((InvalidSignature, ApduError, ValueError)):
                    self.open(host)

    def test_flipped_bits_of_a_response(self):
        """One in seven."""
        host = self.open()
        host.get_data()
        for bit in range(0, 8 * len(host.between.passed[-1][1]), 7):
            with self.subTest(bit=bit):
                host = self.open()
                host.between.response[GET_DATA] = lambda data, status: (flipped(data, bit), status)
                with self.assertRaisesRegex(Exception, "Wrong MAC"):
                    host.get_data()


if __name__ == "__main__":
    unittest.main()
