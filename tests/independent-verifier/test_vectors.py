"""The known answers of `card-applet-spec/vectors` against secure messaging written from SPEC 6 to 8 alone.

They are sessions of other makers' programs; a terminal or card that holds to the text must give the same bytes.
"""
import json
import unittest
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec

from objects import point
from secure_messaging import Channel, agree, check_value, cmac, derive, diversify
from tlv import read

VECTORS = Path(__file__).resolve().parents[2] / "card-applet-spec" / "vectors"


def load(name: str):
    """A file of vectors; byte strings are hexadecimal."""
    return json.loads((VECTORS / name).read_text())


class Scp03(unittest.TestCase):
    def test_sessions(self):
        vectors = load("scp03.json")["sessions"]
        self.assertTrue(vectors["sessions"])
        for session in vectors["sessions"]:
            keys = {name: bytes.fromhex(key) for name, key in vectors["keys"][session["keys"]].items()}
            with self.subTest(keys=session["keys"], level=session["security_level"]):
                self.check(session, keys)

    def check(self, session, keys):
        update = bytes.fromhex(session["initialize_update"])
        answer = bytes.fromhex(session["initialize_update_response"])
        # Chip serial 10, key version, 03, i, card challenge 8, card cryptogram 8 (SPEC 6.2).
        self.assertEqual(answer[11], 0x03)
        context = update[5:13] + answer[13:21]
        bits = 8 * len(keys["enc"])
        enc, mac, rmac = (derive(keys[name], constant, bits, context)
                          for name, constant in (("enc", 0x04), ("mac", 0x06), ("mac", 0x07)))
        self.assertEqual(derive(mac, 0x00, 64, context), answer[21:29])
        authenticate = bytes.fromhex(session["external_authenticate"])
        level = int(session["security_level"], 16)
        self.assertEqual(authenticate[2], level)
        self.assertEqual(authenticate[5:13], derive(mac, 0x01, 64, context))
        chaining = cmac(mac, bytes(16) + authenticate[:13])
        self.assertEqual(authenticate[13:], chaining[:8])
        channel = Channel(enc, mac, rmac, chaining, level)
        for number, command in enumerate(session["commands"]):
            self.assertEqual(channel.protect(bytes.fromhex(command["plain"])).hex(), command["protected"])
            if number == 0:
                first = session["first_response"]
                plain = channel.open(bytes.fromhex(first["protected"]), b"\x90\x00")
                self.assertEqual(plain.hex(), first["plain"])

    def test_check_value(self):
        vector = load("scp03.json")["check_value"]
        self.assertEqual(check_value(bytes.fromhex(vector["key"])).hex(), vector["value"])

    def test_diversification(self):
        """KDF3 of GlobalPlatformPro: how a host makes a card's static keys is outside SPEC."""
        vectors = load("scp03.json")["diversification"]
        for case in vectors["cases"] + [vectors["whole_key"]]:
            master, serial = bytes.fromhex(case["master"]), bytes.fromhex(case["chip_serial"])
            for number, name in enumerate(("enc", "mac", "dek"), 1):
                if name not in case:
                    continue
                key = diversify(master, number, serial)
                self.assertIn(case[name], (check_value(key).hex(), key.hex()))


class Scp11(unittest.TestCase):
    def setUp(self):
        self.vector = load("scp11.json")
        terminal, card = self.vector["terminal"], self.vector["card"]
        static, ephemeral = (self.private(terminal[name]) for name in ("static_secret", "ephemeral_secret"))
        card_static = self.private(card["static_secret"]).public_key()
        self.command = bytes.fromhex(self.vector["command_data"])
        self.answer = bytes.fromhex(self.vector["response_data"])
        key, receipt = read(self.answer)
        self.assertEqual((key.tag, receipt.tag), ("5F49", "86"))
        self.receipt, self.key_object = receipt.value, key.encoded
        self.keys = agree(ephemeral, static, point(key.value), card_static)

    @staticmethod
    def private(secret: str) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(int(secret, 16), ec.SECP256R1())

    def test_command_is_the_text(self):
        control, key = read(self.command)
        self.assertEqual(control.encoded.hex(), "a60d" + "90021101" + "95013c" + "800188" + "810110")
        self.assertEqual(key.tag, "5F49")

    def test_receipt_and_commands(self):
        receipt_key, enc, mac, rmac, _ = self.keys
        self.assertEqual(cmac(receipt_key, self.command + self.key_object), self.receipt)
        self.assertEqual(self.vector["receipt"], self.receipt.hex())
        channel = Channel(enc, mac, rmac, self.receipt, 0x33)
        for command in self.vector["commands"]:
            self.assertEqual(channel.protect(bytes.fromhex(command["plain"])).hex(), command["protected"])
            answer = bytes.fromhex(command["protected_response"])
            self.assertEqual(channel.open(answer[:-2], answer[-2:]).hex(), command["response_data"])

    def test_a_changed_response_is_refused(self):
        _, enc, mac, rmac, _ = self.keys
        channel = Channel(enc, mac, rmac, self.receipt, 0x33)
        channel.protect(bytes.fromhex(self.vector["commands"][0]["plain"]))
        answer = bytes.fromhex(self.vector["commands"][0]["protected_response"])
        for at in range(len(answer)):
            bad = bytearray(answer)
            bad[at] ^= 1
            with self.assertRaises(ValueError):
                channel.open(bytes(bad[:-2]), bytes(bad[-2:]))


if __name__ == "__main__":
    unittest.main()
