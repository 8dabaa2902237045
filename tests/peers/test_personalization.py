"""A blank card made a person's by a Python issuer over yubikit's SCP03, then used, updated, given a new PIN (SPEC 6, 13)."""
import unittest

import issuer
from card import ACTIVE, PERSONALIZING, STATE, Answered, Card, signed_body
from encoding import tlv
from fixture import Key
from folder import sha256
from issuer import script
from objects import PAYMENT, SCRIPT
from orders import order_for
from personalization import PORTRAIT, PUT_KEY, STORE_DATA, Authorities, Person, Personalizer, put_key_data
from station import PIN, station, today
from tlv import parse
from yubikey import ApduError, Host, KeyRef, Scp03KeyParams, StaticKeys, flipped

KEYS = [bytes([number]) * 16 for number in (0x51, 0x52, 0x53)]
GENERATED, LOADED, PIN_SET, UPDATE_LOADED, PIN_PERMITTED = 1, 2, 4, 8, 16  # SPEC 6.10


class Personalization(unittest.TestCase):
    """The tests follow one card, in the order of their names."""

    @classmethod
    def setUpClass(cls):
        cls.card = station().blank_card()
        cls.addClassCleanup(cls.card.end)
        cls.authorities, cls.person = Authorities(), Person()
        cls.made = Personalizer(None, cls.authorities, cls.person)

    def setUp(self):
        """Each test has an SCP03 session of its own; the first one replaces the transport keys."""
        keys = KEYS if self._testMethodName[5:7] > "01" else station().transport_keys(self.card)
        self.host = self.made.host = Host(self.card)
        self.host.init_scp(Scp03KeyParams(KeyRef(0, 0), StaticKeys(*keys)))

    def state(self):
        return parse(STATE, self.host.get_data())

    def assert_refused(self, status: str, action, *arguments, **named) -> None:
        with self.assertRaises(ApduError) as caught:
            action(*arguments, **named)
        self.assertEqual(f"{caught.exception.sw:04X}", status)

    def open(self, terminal=None):
        session = Card(self.card.transmit).open(terminal or self.authorities.terminal(), self.authorities.known(), today())
        return session

    def test_01_transport_keys_replaced(self):
        self.host.send_apdu(0x80, PUT_KEY, 0, 0x81, put_key_data(2, KEYS, station().transport_keys(self.card)[2]))
        self.assertEqual((self.state().life_cycle, self.state().flags), (PERSONALIZING, 0))

    def test_02_keys_on_the_card(self):
        self.assert_refused("6A88", self.made.generate_keys, 1)
        self.made.generate_keys()
        first = self.made.keys
        self.made.generate_keys(1)
        self.assertEqual(self.made.keys, first, "proven again, not made anew")
        self.made.generate_keys()
        self.assertFalse(set(first) & set(self.made.keys))
        self.assertEqual(self.state().flags, GENERATED)

    def test_03_refused_loadings(self):
        made, groups = self.made, self.person.groups()
        self.assert_refused("6985", made.activate)
        objects = made.objects()
        self.assert_refused("6A86", self.host.send_apdu, 0x80, STORE_DATA, 0, 1, objects[0])
        self.assert_refused("6A80", self.host.send_apdu, 0x80, STORE_DATA, 0x80, 0, objects[0])
        self.assert_refused("6A84", made.load, made.objects() + [bytes(9_000)])
        made.set_pin(PIN)
        for pin in (b"27182", b"2718281", b"27182A", b""):
            with self.subTest(pin=pin), self.assertRaises(ApduError):
                made.set_pin(pin)
        programme = tlv("A1", tlv("80", b"BTXH"), tlv("81", b"\x20\x26\x01"), tlv("83", b"\1"))
        without_relief = tlv("FF33", tlv("80", bytes(16)), programme)
        stranger = Authorities()
        cases = {
            "a stranger's signature": made.objects(signer=Key()),
            "the root's signature": made.objects(signer=self.authorities.root),
            "other keys than the card's": made.objects(keys=[Key().point, Key().point]),
            "keys exchanged": made.objects(keys=made.keys[::-1]),
            "a trust anchor without its digest": made.objects(anchor=stranger.anchor),
            "a group other than signed": made.objects(groups=groups, digests=self.person.groups()),
            "a group less than signed": made.objects(groups={n: g for n, g in groups.items() if n != 2}, digests=groups),
            "a group more than signed": made.objects(groups=groups, digests={n: g for n, g in groups.items() if n != 2}),
            "no sudden relief": made.objects(groups=groups | {3: without_relief}),
            "a certificate flipped": [objects[0], flipped(objects[1], 700), *objects[2:]],
        }
        for name, refused in cases.items():
            with self.subTest(name), self.assertRaises(ApduError) as caught:
                made.load(refused)
                made.activate()
            self.assertIn(f"{caught.exception.sw:04X}", ("6985", "6A80"))
            self.assertEqual(self.state().life_cycle, PERSONALIZING)

    def test_04_activated(self):
        self.made.load(self.made.objects())
        self.made.set_pin(PIN)
        self.assert_refused("6985", self.made.generate_keys)
        self.assertEqual(self.state().flags, GENERATED | LOADED | PIN_SET)
        self.made.activate()
        self.made.activate()
        state = self.state()
        self.assertEqual((state.life_cycle, state.counter, state.head, state.cso_hash, state.date),
                         (ACTIVE, 0, self.made.cso_hash, self.made.cso_hash, today()))
        for action in (self.made.generate_keys, lambda: self.made.set_pin(PIN)):
            self.assert_refused("6985", action)

    def test_05_used(self):
        session = self.open()
        self.assertIn("Nguyễn Thị An".encode(), session.read_group(1))
        self.assertTrue(session.read_group(2).endswith(PORTRAIT))
        session.verify_pin(PIN, 1, 1_000)
        self.assertEqual(session.disburse(order_for(session.cso, session.terminal, 81)).counter, 1)
        with self.assertRaisesRegex(Answered, "6982"):
            Card(self.card.transmit).open(station().terminal(), station().certificates(), today())

    def test_06_an_update_waits_for_the_issuer(self):
        self.person.name = "Nguyễn Thị An Bình"
        before = self.state()
        self.made.load(self.made.objects(version=2))
        state = self.state()
        self.assertEqual((state.flags & UPDATE_LOADED, state.cso_hash), (UPDATE_LOADED, before.cso_hash))
        session = self.open()
        self.assertNotIn(self.person.name.encode(), session.read_group(1))
        signer = self.authorities.issuer
        wrong = script(session.cso, state.counter, issuer.PUT_IN_FORCE, tlv("80", bytes(32)), signer=signer)
        with self.assertRaisesRegex(Exception, "634E"):
            session.execute(wrong)
        update = script(session.cso, state.counter, issuer.PUT_IN_FORCE, tlv("80", self.made.cso_hash), signer=signer)
        receipt = session.execute(update)
        self.assertEqual((receipt.kind, receipt.version, receipt.counter), (SCRIPT, 2, state.counter + 1))
        session = self.open()
        self.assertEqual((session.cso.version, session.cso.hash), (2, self.made.cso_hash))
        self.assertIn(self.person.name.encode(), session.read_group(1))
        session.verify_pin(PIN, 1, 1_000)
        session.disburse(order_for(session.cso, session.terminal, 82))
        self.assertEqual([body.kind for body, _ in session.history()], [PAYMENT, SCRIPT, PAYMENT])

    def test_07_updates_that_are_none(self):
        signer = self.authorities.issuer
        stranger = Person()
        stranger.number = self.person.number
        for name, maker, changes in (("version of today", self.made, {"version": 2}),
                                     ("lower version", self.made, {"version": 1}),
                                     ("other keys", self.made, {"version": 3, "keys": [Key().point, Key().point]}),
                                     ("another person", self.of(stranger), {"version": 3}),
                                     ("another number", self.of(Person()), {"version": 3}),
                                     ("by a stranger", self.made, {"version": 3, "signer": Key()})):
            with self.subTest(name):
                self.setUp()
                maker.host = self.host
                maker.load(maker.objects(**changes))
                session = self.open()
                content, counter = tlv("80", maker.cso_hash), session.state().counter
                put = script(session.cso, counter, issuer.PUT_IN_FORCE, content, signer=signer)
                with self.assertRaisesRegex(Exception, "634E"):
                    session.execute(put)

    def of(self, person: Person) -> Personalizer:
        """The same chip's personalizer with somebody else's data."""
        other = Personalizer(self.host, self.authorities, person)
        other.keys = self.made.keys
        return other

    def test_08_a_new_pin_by_permission_once(self):
        session, new = self.open(), b"314159"
        permit = script(session.cso, session.state().counter, issuer.PERMIT_PIN, signer=self.authorities.issuer)
        session.execute(permit)
        session.verify_pin(PIN, 1, 0)
        self.setUp()
        self.assertEqual(self.state().flags & PIN_PERMITTED, PIN_PERMITTED)
        self.made.set_pin(new)
        self.assert_refused("6985", self.made.set_pin, PIN)
        self.assertEqual(self.state().flags & PIN_PERMITTED, 0)
        session = self.open()
        with self.assertRaisesRegex(Exception, "63C2"):
            session.verify_pin(PIN, 1, 0)
        session.verify_pin(new, 1, 0)

    def test_09_the_issuer_reads_the_whole_card(self):
        for number, tag in ((1, "ff31"), (2, "ff32"), (3, "ff33"), (4, "ff34"), (5, "ff35"), (6, "ff36"), (0x1D, "ff20")):
            with self.subTest(tag):
                self.assertEqual(self.host.send_apdu(0x80, 0xB0, 0x80 | number, 0)[:2].hex(), tag)
        newest = self.host.send_apdu(0x80, 0xB2, 1, 0xDC)
        self.assertEqual(sha256(signed_body(newest)), self.state().head)


if __name__ == "__main__":
    unittest.main()
