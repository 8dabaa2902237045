"""Issuer scripts, blocking, reversal, PIN change and new roots (SPEC 3.6, 7.8, 9.1, 13, 14), asked for by Python alone."""
import unittest

import issuer
from card import ACTIVE, BLOCKED, TERMINATED, Answered, Card, Terminal
from encoding import tlv
from fixture import Key
from folder import sha256
from issuer import BlockList, another_number, link, script
from objects import BLOCKING, PAYMENT, SCRIPT
from orders import order_for
from station import PIN, station, today
from yubikey import flipped

REASON, WRONG = tlv("80", b"\1"), b"000000"


class OnOneCard(unittest.TestCase):
    """The tests of a class follow one card through its life, in the order of their names."""

    place = 3

    @classmethod
    def setUpClass(cls):
        cls.card = station().issued_cards()[cls.place]
        cls.terminal, cls.certificates = station().terminal(), station().certificates()

    def open(self, pin: bytes | None = None):
        session = Card(self.card.transmit).open(self.terminal, self.certificates, today())
        if pin:
            session.verify_pin(pin, 3, 100_000)
        return session

    def life_cycle(self) -> int:
        return Card(self.card.transmit).life_cycle

    def execute(self, action: int, content: bytes = b"", session=None):
        """A script that is right; the card's receipt for it."""
        session = session or self.open()
        return session.execute(script(session.cso, session.state().counter, action, content))

    def assert_answered(self, status: str, action, *arguments) -> bytes:
        with self.assertRaises(Answered) as caught:
            action(*arguments)
        self.assertEqual(f"{caught.exception.status:04X}", status)
        return caught.exception.data


class Scripts(OnOneCard):
    def test_01_refused(self):
        session = self.open()
        before = session.state()
        cso, counter = session.cso, before.counter
        key, stranger, terminal_ca = Key(), Key(), station().authority("terminal-ca")
        root = station().authority("root")

        def certified(holder="VNISS7900002", role="81", signer=root, authority=issuer.ROOT, days=3_000):
            return issuer.certificate(holder, role, key, authority, signer, days)
        by_next = script(cso, counter, issuer.FILL_TRIES, issuer="VNISS7900002", signer=key)
        good = script(cso, counter, issuer.FILL_TRIES)
        cases = {
            "counter too high": ("634D", script(cso, counter + 1, issuer.FILL_TRIES)),
            "another card": ("6349", script(cso, counter, issuer.FILL_TRIES, number=another_number())),
            "a stranger's signature": ("6982", script(cso, counter, issuer.FILL_TRIES, signer=stranger)),
            "the terminal CA's signature": ("6982", script(cso, counter, issuer.FILL_TRIES, signer=terminal_ca)),
            "an issuer without certificate": ("6A88", by_next),
            "certificate by a stranger": ("6982", certified(signer=stranger) + by_next),
            "certificate of a terminal CA": ("6982", certified(role="82") + by_next),
            "certificate of another issuer": ("6982", certified() + good),
            "certificate of another province": ("6982", certified("VNISS7800002") + script(
                cso, counter, issuer.FILL_TRIES, issuer="VNISS7800002", signer=key)),
            "unknown action": ("6A80", script(cso, counter, 10)),
            "action 0": ("6A80", script(cso, counter, 0)),
            "content missing": ("6A80", script(cso, counter, issuer.BLOCK)),
            "content where none belongs": ("6A80", script(cso, counter, issuer.FILL_TRIES, REASON)),
            "unblock an active card": ("634E", script(cso, counter, issuer.UNBLOCK, tlv("80", bytes(4)))),
            "reverse nothing": ("634E", script(cso, counter, issuer.REVERSE, tlv("80", bytes(32)))),
            "an update that is not there": ("634E", script(cso, counter, issuer.PUT_IN_FORCE, tlv("80", bytes(32)))),
            "a floor in the future": ("634E", script(cso, counter, issuer.PRUNE, tlv("80", b"\x20\x99\x01"))),
            "cut": ("6A80", good[:-1]),
            "twice": ("6A80", good + good),
            "nothing": ("6A80", b""),
        }
        for name, (status, data) in cases.items():
            with self.subTest(name):
                self.assert_answered(status, session.command, 0x5A, 0, 0, data)
        for bit in range(0, 8 * len(good), 17):
            with self.subTest(bit=bit), self.assertRaises(Answered):
                session.command(0x5A, data=flipped(good, bit))
        after = self.open().state()
        self.assertEqual((after.counter, after.head, after.tries), (before.counter, before.head, before.tries))

    def test_02_blocked_pin_and_its_tries_filled(self):
        session = self.open()
        for left in "210":
            self.assert_answered(f"63C{left}", session.verify_pin, WRONG, 1, 0)
        for pin in (WRONG, PIN):
            self.assert_answered("6983", session.verify_pin, pin, 1, 0)
        self.assert_answered("6983", session.command, 0x20, 0, 0x81)
        self.assert_answered("6346", session.disburse, order_for(session.cso, self.terminal, 71, method=2))
        over = order_for(session.cso, self.terminal, 71, method=2, second=b"TRAN", amount=session.cso.caps[2] + 1)
        self.assert_answered("6343", session.disburse, over)
        paid = session.disburse(order_for(session.cso, self.terminal, 71, method=2, second=b"TRAN"))
        self.assertEqual(paid.holder_check, (0, 0), "a check that the card did not see, no tries left")
        fill = script(session.cso, session.state().counter, issuer.FILL_TRIES)
        filled = session.execute(fill)
        self.assertEqual((filled.kind, filled.holder_check), (SCRIPT, (0, 3)))
        session.verify_pin(PIN, 1, 0)
        self.assert_answered("63C2", session.verify_pin, WRONG, 1, 0)
        self.assertEqual(session.execute(fill).hash, filled.hash, "once only: the same script gives the same receipt")
        self.assertEqual(self.open().state().tries, 2)
        session = self.open(PIN)
        session.disburse(order_for(session.cso, self.terminal, 72))
        late = script(session.cso, filled.counter, issuer.FILL_TRIES, REASON)
        self.assert_answered("6A80", session.command, 0x5A, 0, 0, late)
        late = script(session.cso, filled.counter, issuer.BLOCK, REASON)
        self.assert_answered("634D", session.command, 0x5A, 0, 0, late)

    def test_03_the_issuer_reverses_for_any_terminal(self):
        session = self.open(PIN)
        order = order_for(session.cso, self.terminal, 73)
        session.disburse(order)
        session.disburse(order_for(session.cso, self.terminal, 74))
        undo = script(session.cso, session.state().counter, issuer.REVERSE, tlv("80", sha256(order)))
        receipt = session.execute(undo)
        self.assert_answered("634A", session.disburse, order)
        again = script(session.cso, session.state().counter, issuer.REVERSE, tlv("80", sha256(order)))
        self.assert_answered("634E", session.command, 0x5A, 0, 0, again)
        session = self.open(PIN)
        session.disburse(order_for(session.cso, self.terminal, 73))
        history = session.history()
        self.assertEqual([body.kind for body, _ in history][-4:], [PAYMENT, PAYMENT, SCRIPT, PAYMENT])
        self.assertEqual(history[-2][1], undo)
        self.assertEqual(history[-2][0].hash, receipt.hash)

    def test_04_a_new_key_of_the_same_province(self):
        session, key = self.open(), Key()
        shown = issuer.certificate("VNISS7900002", "81", key, issuer.ROOT, station().authority("root"), 3_000)
        signed = script(session.cso, session.state().counter, issuer.FILL_TRIES, issuer="VNISS7900002", signer=key)
        self.assertEqual(session.execute(signed, shown).kind, SCRIPT)

    def test_05_the_holder_changes_the_pin(self):
        session, new = self.open(), b"314159"
        self.assert_answered("63C2", session.command, 0x24, 0, 0x81, WRONG + new)
        for data in (PIN, PIN + b"31415", PIN + b"3141592", PIN + b"31415A", b""):
            with self.subTest(data):
                self.assert_answered("6A80", session.command, 0x24, 0, 0x81, data)
        session.command(0x24, 0, 0x81, PIN + new)
        self.assertEqual(session.state().tries, 3)
        self.assert_answered("63C2", session.verify_pin, PIN, 1, 0)
        session.command(0x24, 0, 0x81, new + PIN)
        self.open(PIN)

    def test_06_date_and_floor(self):
        session = self.open(PIN)
        month = f"{today():%Y%m}"
        self.execute(issuer.PRUNE, tlv("80", bytes.fromhex(month)), session)
        before = f"{today().year - 1}12"
        key = session.cso.person + b"DXUA" + b"\0\x4B\4" + bytes.fromhex(before)
        self.assert_answered("6342", session.disburse, order_for(session.cso, self.terminal, 75, key=key))
        lower = script(session.cso, session.state().counter, issuer.PRUNE, tlv("80", bytes.fromhex(before)))
        self.assert_answered("634E", session.command, 0x5A, 0, 0, lower)
        session.disburse(order_for(session.cso, self.terminal, 75))
        day = bytes(int(digit) for digit in f"{today():%y%m%d}")
        self.execute(issuer.SET_DATE, tlv("5F25", day), session)
        self.assertEqual(session.state().date, today())

    def test_07_blocked_by_a_block_list(self):
        session = self.open(PIN)
        order, cso = order_for(session.cso, self.terminal, 76), session.cso
        session.disburse(order)
        listed = BlockList(cso.card_number, 7)
        self.assert_answered("6A88", session.command, 0x04, 1, 0, listed.proof())
        for name, status, header in (
                ("a stranger's list", "6982", BlockList(cso.card_number, 7, signer=Key()).header),
                ("number 0", "634D", BlockList(cso.card_number, 0).header), ("cut", "6A80", listed.header[:-1])):
            with self.subTest(name):
                self.assert_answered(status, session.command, 0x04, 0, 0, header)
        self.assertEqual(session.command(0x04, 0, 0, listed.header), b"")
        absent = BlockList(another_number(), 7)
        for name, status, proof in (
                ("entry of another card", "6349", absent.proof()), ("another place", "6982", listed.proof(listed.index ^ 1)),
                ("path cut", "6982", listed.proof(path=listed.path[:-1])), ("path flipped", "6982", listed.proof(
                    path=[flipped(listed.path[0], 9), *listed.path[1:]])), ("path of half hashes", "6A80", listed.proof()[:-1]),
                ("longer than a path may be", "6A80", listed.proof(path=[bytes(32)] * 15))):
            with self.subTest(name):
                self.assert_answered(status, session.command, 0x04, 1, 0, proof)
        self.assertEqual(self.life_cycle(), ACTIVE)
        session = self.open()
        receipt = session.block(listed.header, listed.proof())
        self.assertEqual((receipt.kind, receipt.holder_check[0], session.state().life_cycle), (BLOCKING, 0, BLOCKED))
        self.assertEqual(self.life_cycle(), BLOCKED)
        self.assert_closed(order)

    def assert_closed(self, executed: bytes) -> None:
        """What SPEC 14.2 and 14.3 leave of a blocked or terminated card."""
        session = self.open()
        self.assertEqual(session.disburse(executed).kind, PAYMENT, "an order that was executed is still settled")
        self.assert_answered("634C", session.disburse, order_for(session.cso, self.terminal, 77))
        for number in (1, 3, 5):
            self.assert_answered("6982", session.read_group, number)
        self.assert_answered("6985", session.verify_pin, PIN, 1, 0)
        self.assert_answered("6985", session.command, 0x24, 0, 0x81, PIN + PIN)
        self.assert_answered("6985", session.command, 0x04, 0, 0, BlockList(session.cso.card_number, 99).header)
        session.history()

    def test_08_unblocked(self):
        session = self.open()
        cso = session.cso
        self.assert_answered("634E", session.command, 0x5A, 0, 0, script(cso, session.state().counter, issuer.FILL_TRIES))
        self.execute(issuer.UNBLOCK, tlv("80", (6).to_bytes(4, "big")), session)
        self.assertEqual(self.life_cycle(), ACTIVE)
        session = self.open()
        listed = BlockList(cso.card_number, 7)
        session.block(listed.header, listed.proof())
        self.assertEqual(self.life_cycle(), BLOCKED, "a list above the number of the unblocking blocks again")
        session = self.open()
        lower = script(cso, session.state().counter, issuer.UNBLOCK, tlv("80", (5).to_bytes(4, "big")))
        self.assert_answered("634E", session.command, 0x5A, 0, 0, lower)
        self.execute(issuer.UNBLOCK, tlv("80", (9).to_bytes(4, "big")), session)
        self.assertEqual(self.life_cycle(), ACTIVE)
        session = self.open(PIN)
        for number in (7, 9):
            self.assert_answered("634D", session.command, 0x04, 0, 0, BlockList(cso.card_number, number).header)
        session.disburse(order_for(cso, self.terminal, 78))

    def test_09_blocked_by_a_script(self):
        session = self.open(PIN)
        self.execute(issuer.BLOCK, REASON, session)
        self.assert_answered("6985", session.command, 0x20, 0, 0x81)
        self.assertEqual(self.life_cycle(), BLOCKED)

    def test_10_terminated(self):
        session = self.open()
        order = next(cause for body, cause in reversed(session.history()) if body.kind == PAYMENT)
        self.execute(issuer.TERMINATE, REASON, session)
        self.assertEqual(self.life_cycle(), TERMINATED)
        self.assert_closed(order)
        session = self.open()
        unblock = script(session.cso, session.state().counter, issuer.UNBLOCK, tlv("80", (99).to_bytes(4, "big")))
        self.assert_answered("6985", session.command, 0x5A, 0, 0, unblock)


class Roots(OnOneCard):
    place = 4

    def test_1_refused(self):
        root, key = station().authority("root"), Key()
        cases = {
            "by a stranger": link("VNROOT00002", key, issuer.ROOT, Key()),
            "by the terminal CA": link("VNROOT00002", key, "VNTCA00001", station().authority("terminal-ca")),
            "no higher sequence": link("VNROOT00001", key, issuer.ROOT, root),
            "another mnemonic": link("VNROOX00002", key, issuer.ROOT, root),
            "unknown authority": link("VNROOT00003", key, "VNROOT00002", root),
            "without domain parameters": issuer.certificate("VNROOT00002", "C0", key, issuer.ROOT, root, 9_000),
        }
        for name, certificate in cases.items():
            with self.subTest(name), self.assertRaises(Answered) as caught:
                self.show(certificate)
            self.assertIn(f"{caught.exception.status:04X}", ("6982", "6A88", "6A80"))
        with self.assertRaises(Answered) as caught:
            Card(self.card.transmit).open(self.under("VNROOT00002", key), self.certificates, today())
        self.assertEqual(caught.exception.status, 0x6A88)

    def test_2_handed_on_twice(self):
        first, second, root = Key(), Key(), station().authority("root")
        to_first = link("VNROOT00002", first, issuer.ROOT, root)
        self.show(to_first)
        self.show(to_first)
        for terminal in (self.terminal, self.under("VNROOT00002", first)):
            Card(self.card.transmit).open(terminal, self.certificates, today()).history()
        with self.assertRaises(Answered):
            self.show(link("VNROOT00003", second, issuer.ROOT, root))  # not under the newest
        self.show(link("VNROOT00003", second, "VNROOT00002", first))
        newest = self.under("VNROOT00003", second)
        for terminal in (self.under("VNROOT00002", first), newest):
            Card(self.card.transmit).open(terminal, self.certificates, today())
        self.assert_answered("6A88", Card(self.card.transmit).open, self.terminal, self.certificates, today())
        session = Card(self.card.transmit).open(newest, self.certificates, today())
        orphan = script(session.cso, session.state().counter, issuer.FILL_TRIES)
        self.assert_answered("6982", session.command, 0x5A, 0, 0, orphan)

    def show(self, certificate: bytes) -> None:
        """SPEC 7.8."""
        Card(self.card.transmit).show_link(certificate)

    @staticmethod
    def under(root: str, key: Key) -> Terminal:
        """A terminal whose CA this root has certified."""
        authority, own, name = Key(), Key(), "VNT9000003"
        return Terminal(name, own.secret, issuer.certificate("VNTCA00002", "82", authority, root, key, 3_000),
                        issuer.certificate(f"{name}A00001", "01", own, "VNTCA00002", authority, 35))


if __name__ == "__main__":
    unittest.main()
