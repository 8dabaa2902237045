"""The verifier of `card.py` at issued cards: genuine ones pass with all they say, everything else is found out."""
import secrets
import unittest
from types import SimpleNamespace

import card as verifier
from card import ACTIVE, RECEIPTS, Answered, Card
from card import check_binding, check_cause, check_chain, check_cso, check_group, check_receipt
from encoding import tlv
from fixture import Key
from folder import sha256
from impostor import Impostor
from issuer import another_number
from orders import order_for, reversal_of
from station import PIN, station, today
from tlv import Refused, read
from yubikey import flipped


class OnIssuedCard(unittest.TestCase):
    """Sessions with the second issued card; the third is there to be mistaken for it."""

    @classmethod
    def setUpClass(cls):
        _, cls.card, cls.other, *_ = station().issued_cards()
        cls.terminal, cls.certificates = station().terminal(), station().certificates()

    def open(self, transmit=None, terminal=None):
        return Card(transmit or self.card.transmit).open(terminal or self.terminal, self.certificates, today())

    def paying(self, orders=3, total=100_000):
        session = self.open()
        session.verify_pin(PIN, orders, total)
        return session

    def assert_answered(self, status, action, *arguments) -> bytes:
        """The card answers this status word; what came with it."""
        with self.assertRaises(Answered) as caught:
            action(*arguments)
        self.assertEqual(f"{caught.exception.status:04X}", status)
        return caught.exception.data


class Genuine(OnIssuedCard):
    def test_reading(self):
        session = self.open()
        state = session.state()
        self.assertEqual((state.life_cycle, state.key_version, state.flags & 7), (ACTIVE, 2, 7))
        for number in (1, 3, 5):
            session.read_group(number)
        self.assert_answered("6B00", session.command, 0xB0, 0x7F, 0xFF)
        for number in (4, 6):
            self.assert_answered("6982", session.read_group, number)
        for number in (2, 7, 9):
            self.assert_answered("6A82", session.read_group, number)

    def test_payment_and_reversal_stand_in_the_history(self):
        session = self.paying()
        before = session.state()
        paid = order_for(session.cso, self.terminal, 21, operator=b"NGUYEN THI LAN 00001")
        first = session.disburse(paid)
        self.assertEqual((first.counter, first.previous, first.holder_check), (before.counter + 1, before.head, (1, 3)))
        self.assertEqual(session.disburse(paid).hash, first.hash, "the same order again")
        standing = self.assert_answered("6340", session.disburse, order_for(session.cso, self.terminal, 21))
        self.assertEqual(check_receipt(session.cso, standing).hash, first.hash)
        undo = reversal_of(paid, session.cso, self.terminal)
        second = session.reverse(undo)
        self.assertEqual(session.reverse(undo).hash, second.hash, "the same reversal again")
        self.assert_answered("634A", session.disburse, paid)
        again = order_for(session.cso, self.terminal, 21)
        session.disburse(again)
        for reopen in (lambda: session, self.open):
            history = reopen().history()
            self.assertEqual([cause for _, cause in history][-3:], [paid, undo, again])
            self.assertEqual([receipt.kind for receipt, _ in history][-3:], [1, 2, 1])

    def test_an_order_in_two_commands(self):
        session = self.paying()
        long = order_for(session.cso, self.terminal, 22, operator=b"NGUYEN THI LAN 00001", second=b"TRAN VAN 01")
        self.assertGreater(len(long), verifier.COMMAND_PART)
        session.disburse(long)
        self.assertEqual(session.history()[-1][1], long)

    def test_what_the_card_refuses(self):
        session = self.paying(orders=2, total=5_000)
        cso, terminal = session.cso, self.terminal
        cases = {
            "6346": order_for(cso, terminal, 31, amount=5_001),
            "6343": order_for(cso, terminal, 31, amount=cso.caps[0] + 1),
            "6341": order_for(cso, terminal, 31, key=cso.person + b"NGCX" + b"\0\1\1" + b"\x20\x26\x11"),
            "6342": order_for(cso, terminal, 31, key=cso.person + b"DXUA" + b"\0\1\1" + b"\x20\x20\x11"),
            "6345": order_for(cso, terminal, 31, time="20990101000000"),
            "6349": order_for(cso, terminal, 31, cso_hash=bytes(32)),
            "6982": order_for(cso, station().terminal("VNT9000002"), 31),
            "6A80": order_for(cso, terminal, 31, amount=0),
            "634B": None,
        }
        before = session.state()
        for status, order in cases.items():
            with self.subTest(status):
                if order is None:
                    self.assert_answered(status, session.reverse, reversal_of(bytes(10), cso, terminal))
                else:
                    self.assert_answered(status, session.disburse, order)
        after = session.state()
        self.assertEqual((after.counter, after.head), (before.counter, before.head))

    def test_wrong_pins(self):
        session = self.open()
        self.assert_answered("63C2", session.verify_pin, b"000000", 1, 0)
        for pin in (b"", b"27182", b"2718281", b"27182A"):
            self.assert_answered("6A80", session.verify_pin, pin, 1, 0)
        self.assert_answered("63C2", session.command, 0x20, 0, 0x81)
        session.verify_pin(PIN, 1, 0)
        self.assertEqual(session.state().tries, 3)
        self.assert_answered("6346", self.open().disburse, order_for(session.cso, self.terminal, 32))


class Copies(OnIssuedCard):
    def test_another_card_shows_this_card_s_cso(self):
        """Somebody has read the CSO and gives it to a chip of his own, itself genuine."""
        copied = self.parts(self.card)

        def transmit(command):
            return copied[command] if command in copied else self.other.transmit(command)
        with self.assertRaisesRegex(Refused, "not the card of this CSO"):
            self.open(transmit)

    def parts(self, card) -> dict:
        """What the card answers to those who read its CSO."""
        Card(card.transmit).show_certificates(self.terminal.authority, self.terminal.certificate)
        reads = [bytes.fromhex("00B09D0000")] + [b"\0\xB0" + at.to_bytes(2, "big") + b"\0" for at in range(239, 2_000, 239)]
        return {command: card.transmit(command) for command in reads}

    def test_an_impostor_with_keys_of_his_own(self):
        impostor = Impostor(self.cso_bytes(), Key(), Key())
        with self.assertRaisesRegex(Refused, "not the card of this CSO"):
            self.open(impostor.transmit)

    def test_an_impostor_with_the_terminal_s_key(self):
        """He computes what the card would: only the signature of SPEC 7.6 gives him away."""
        impostor = Impostor(self.cso_bytes(), Key(), Key(self.terminal.key), knows_terminal=True)
        with self.assertRaisesRegex(Refused, "wrong signature"):
            self.open(impostor.transmit)
        self.assertEqual(impostor.instructions[-1], 0x88, "and he has seen neither PIN nor order")

    def cso_bytes(self) -> bytes:
        plain = Card(self.card.transmit)
        plain.show_certificates(self.terminal.authority, self.terminal.certificate)
        return plain.read_cso()

    def test_altered_cso(self):
        encoded = self.cso_bytes()
        for bit in range(0, 8 * len(encoded), 5):
            with self.subTest(bit=bit), self.assertRaises(Refused):
                check_cso(flipped(encoded, bit), self.certificates, today())
        for name, bad in {"cut": encoded[:-1], "longer": encoded + b"\0", "none": b""}.items():
            with self.subTest(name), self.assertRaises(Refused):
                check_cso(bad, self.certificates, today())

    def test_cso_of_somebody_else(self):
        body = next(read(next(read(self.cso_bytes())).value)).encoded
        for name, key in {"a stranger": Key(), "the terminal CA": station().authority("terminal-ca"),
                          "the root": station().authority("root")}.items():
            with self.subTest(name), self.assertRaisesRegex(Refused, "wrong signature"):
                check_cso(key.sign("FF20", body), self.certificates, today())

    def test_a_card_out_of_its_dates(self):
        cso = check_cso(self.cso_bytes(), self.certificates, today())
        for day in (cso.valid_from.replace(year=cso.valid_from.year - 1), cso.valid_to.replace(year=cso.valid_to.year + 1)):
            with self.subTest(day), self.assertRaisesRegex(Refused, "the card is valid from"):
                check_cso(self.cso_bytes(), self.certificates, day)


class OnTheWay(OnIssuedCard):
    """Somebody between terminal and card changes an answer."""

    def through(self, instruction: int, change):
        """The card's `transmit` with every answer to an instruction changed."""
        def transmit(command):
            answer = self.card.transmit(command)
            return change(*answer) if command[1] == instruction else answer
        return transmit

    def test_agreement(self):
        for bit in range(0, 8 * (3 + 65 + 2 + 16), 7):
            with self.subTest(bit=bit), self.assertRaises(Refused):
                self.open(self.through(0x82, lambda data, status: (flipped(data, bit), status)))

    def test_binding(self):
        for bit in range(0, 8 * (80 + 8), 7):
            with self.subTest(bit=bit), self.assertRaisesRegex(Refused, "R-MAC"):
                self.open(self.through(0x88, lambda data, status: (flipped(data, bit), status)))

    def test_an_answer_without_protection(self):
        """yubikit takes an empty answer for a good one; SPEC 8.3 does not."""
        for name, data in {"none": b"", "plain": tlv("5F37", bytes(64)), "short": b"\1\2\3"}.items():
            with self.subTest(name), self.assertRaisesRegex(Refused, "R-MAC"):
                self.open(self.through(0x88, lambda _, status: (data, status)))

    def test_a_refusal_that_the_card_never_made(self):
        session = self.paying()
        order = order_for(session.cso, self.terminal, 41)
        session._transmit = self.through(0x54, lambda data, _: (data, 0x6340))
        with self.assertRaisesRegex(Refused, "R-MAC"):
            session.disburse(order)
        session = self.paying()
        session.disburse(order)
        self.assertEqual(session.history()[-1][1], order, "it was paid, and the same order settles it")

    def test_shorter_parts(self):
        part = verifier.ANSWER_PART
        for name, change in {"first": lambda data: data[:-1], "one byte": lambda data: data[:1], "empty": lambda _: b"",
                             "longer": lambda data: data + b"\0"}.items():
            with self.subTest(name), self.assertRaises(Refused):
                self.open(self.through(0xB0, lambda data, status: (change(data) if len(data) == part else data, status)))


class WhatWasSigned(OnIssuedCard):
    def test_binding(self):
        plain = Card(self.card.transmit)
        plain.show_certificates(self.terminal.authority, self.terminal.certificate)
        cso = check_cso(plain.read_cso(), self.certificates, today())
        channel, receipt = plain.agree(self.terminal, cso.agreement_key)
        answer = verifier.Session(self.card.transmit, channel, cso, self.terminal).command(0x88)
        check_binding(cso, receipt, self.terminal, answer)
        for bit in range(0, 8 * len(answer), 3):
            with self.subTest(bit=bit), self.assertRaises(ValueError):
                check_binding(cso, receipt, self.terminal, flipped(answer, bit))
        other = self.open(self.other.transmit).cso
        for name, arguments in {"session": (cso, secrets.token_bytes(16), self.terminal),
                                "card": (other, receipt, self.terminal),
                                "terminal": (cso, receipt, station().terminal("VNT9000002"))}.items():
            with self.subTest(name), self.assertRaisesRegex(Refused, "wrong signature"):
                check_binding(*arguments, answer)

    def test_groups(self):
        session, other = self.open(), self.open(self.other.transmit)
        for number in (1, 3, 5):
            group = self.open().read_group(number)
            with self.subTest(number, of="another card"), self.assertRaisesRegex(Refused, "not the one that was signed"):
                check_group(other.cso, number, group)
            with self.subTest(number, of="another number"), self.assertRaises(Refused):
                check_group(session.cso, 6, group)
            for bit in range(0, 8 * len(group), 5):
                with self.subTest(number, bit=bit), self.assertRaises(Refused):
                    check_group(session.cso, number, flipped(group, bit))

    def test_receipts(self):
        session = self.paying()
        for entitlement in (51, 52, 53):
            session.disburse(order_for(session.cso, self.terminal, entitlement))
        state, receipts = session.state(), session.records(RECEIPTS)
        check_chain(session.cso, receipts, state.counter, state.head)
        newest = receipts[-1]
        for bit in range(0, 8 * len(newest), 5):
            with self.subTest(bit=bit), self.assertRaises(Refused):
                check_receipt(session.cso, flipped(newest, bit))
        with self.assertRaisesRegex(Refused, "wrong signature"):
            check_receipt(self.open(self.other.transmit).cso, newest)
        swapped = receipts[:-2] + [receipts[-1], receipts[-2]]
        for name, chain in {"newest missing": receipts[:-1], "one missing": receipts[:-2] + receipts[-1:], "swapped": swapped,
                            "oldest missing": receipts[1:], "twice": receipts + [newest], "none": []}.items():
            with self.subTest(name), self.assertRaises(Refused):
                check_chain(session.cso, chain, state.counter, state.head)
        for name, counter, head in (("counter", state.counter + 1, state.head), ("head", state.counter, bytes(32))):
            with self.subTest(name), self.assertRaises(Refused):
                check_chain(session.cso, receipts, counter, head)

    def test_what_receipts_are_for(self):
        session = self.paying()
        order = order_for(session.cso, self.terminal, 54)
        receipt = session.disburse(order)
        check_cause(receipt, order)
        for name, cause in {"another order": order_for(session.cso, self.terminal, 54), "cut": order[:-1],
                            "longer": order + b"\0", "reversal": reversal_of(order, session.cso, self.terminal)}.items():
            with self.subTest(name), self.assertRaises(Refused):
                check_cause(receipt, cause)

    def test_more_payments_than_a_card_remembers(self):
        session = self.open()
        for entitlement in range(60, 60 + verifier.REMEMBERED + 2):
            if entitlement % 3 == 0:
                session.verify_pin(PIN, 3, 3_000)
            session.disburse(order_for(session.cso, self.terminal, 60, key=self.month(session.cso, entitlement - 60)))
        history = session.history()
        self.assertEqual(len(history), verifier.REMEMBERED)
        self.assertEqual(history[-1][0].counter, session.state().counter)

    @staticmethod
    def month(cso, back: int) -> bytes:
        """A line of an earlier month, so that no row of paid lines is used up (SPEC 9.6)."""
        months = 12 * today().year + today().month - 1 - back
        period = f"{months // 12}{months % 12 + 1:02d}"
        return cso.person + b"DXUA" + b"\0\x3C\4" + bytes.fromhex(period)


class Lies(OnIssuedCard):
    """A chip that has the card's keys and still does not say what it should: nothing it says inside a session is believed."""

    def lying(self, lies: dict[int, bytes]):
        """A session in which some instructions are answered by these data."""
        session = self.open()
        truth = session.command
        session.command = lambda instruction, *rest, **named: (
            lies[instruction] if instruction in lies else truth(instruction, *rest, **named))
        return session

    def test_state(self):
        true = self.open().state()
        for name, lie in {"of another CSO": true.encoded.replace(true.cso_hash, bytes(32), 1), "cut": true.encoded[:-1],
                          "none": b""}.items():
            with self.subTest(name), self.assertRaises(Refused):
                self.lying({0xCA: lie}).state()

    def test_group(self):
        other = self.open(self.other.transmit).read_group(1)
        for name, lie in {"of another card": other, "two objects": other + other, "too short": other[:3]}.items():
            with self.subTest(name), self.assertRaises(Refused):
                self.lying({0xB0: lie}).read_group(1)

    def test_receipt(self):
        session = self.paying()
        order, old = (order_for(session.cso, self.terminal, entitlement) for entitlement in (55, 56))
        session.disburse(old)
        stale = session.records(RECEIPTS)[-1]
        for name, ask in {"payment": lambda liar: liar.disburse(order), "of another kind": lambda liar: liar.reverse(old),
                          "script": lambda liar: liar.execute(tlv("FF20", tlv("FF2B")))}.items():
            with self.subTest(name), self.assertRaisesRegex(Refused, "not for what was asked"):
                ask(self.lying(dict.fromkeys((0x54, 0x56, 0x5A), stale)))
        with self.assertRaisesRegex(Refused, "where none belongs"):
            self.lying({0x04: stale}).block(tlv("FF20", tlv("FF25")), b"")

    def test_history(self):
        session = self.paying()
        for entitlement in (57, 58):
            session.disburse(order_for(session.cso, self.terminal, entitlement))
        causes, receipts = session.records(verifier.RECEIPT_OBJECTS), session.records(RECEIPTS)
        for name, lie in {"one missing": causes[1:], "swapped": causes[:-2] + [causes[-1], causes[-2]], "none": []}.items():
            session.records = lambda file: receipts if file == RECEIPTS else lie
            with self.subTest(name), self.assertRaises(Refused):
                session.history()

    def test_first_receipt(self):
        """A chain of one receipt that starts elsewhere than from the CSO."""
        key, cso, start = Key(), self.open().cso, bytes(32)
        mine = SimpleNamespace(**vars(cso) | {"signing_key": key.secret.public_key()})
        for name, number, previous, kind, check in (
                ("right", cso.card_number, cso.hash, 1, b"\1\3"), ("starts elsewhere", cso.card_number, start, 1, b"\1\3"),
                ("another card", another_number(), cso.hash, 1, b"\1\3"),
                ("a script that rests on a PIN", cso.card_number, cso.hash, 3, b"\1\3")):
            receipt = key.sign("FF20", tlv(
                "FF24", tlv("80", b"\1"), tlv("5A", bytes.fromhex(number)), tlv("81", b"\0\1"), tlv("82", b"\0\0\0\1"),
                tlv("83", previous), tlv("84", bytes(32)), tlv("85", check), tlv("86", bytes([kind]))))
            head = sha256(next(read(next(read(receipt)).value)).encoded)
            with self.subTest(name):
                if name == "right":
                    check_chain(mine, [receipt], 1, head)
                    continue
                with self.assertRaises(Refused):
                    check_chain(mine, [receipt], 1, head)

    def test_salt(self):
        for salt in (bytes(15), bytes(17), b""):
            group = tlv("FF31", tlv("80", salt))
            signed = SimpleNamespace(digests=SimpleNamespace(group_1=sha256(group)))
            with self.subTest(len(salt)), self.assertRaisesRegex(Refused, "salt"):
                check_group(signed, 1, group)


if __name__ == "__main__":
    unittest.main()
