"""SPEC clause 1: the one canonical form, its types, and the tree of RFC 6962."""
import unittest

import fixture
import objects
from objects import template
from tlv import Refused, parse, read

PAIR = template("A1", ("80", "first", objects.u(1)), ("5F20", "second", objects.an(3), True), ("81", "third", objects.u(2)))


class Encoding(unittest.TestCase):
    def assert_refused(self, encoded: str) -> None:
        with self.assertRaises(Refused, msg=encoded):
            list(read(bytes.fromhex(encoded)))

    def test_lengths_in_the_fewest_bytes(self):
        for size in (0, 1, 127, 128, 255, 256, 65535, 65536):
            digits = (size.bit_length() + 7) // 8
            length = bytes([size]) if size < 128 else bytes([0x80 + digits]) + size.to_bytes(digits, "big")
            (found,) = read(b"\x80" + length + bytes(size))
            self.assertEqual(len(found.value), size)
        for longer in ("80 81 01 00", "80 81 7F" + "00" * 127, "80 82 0001 00", "80 82 00FF" + "00" * 255, "80 83 000100" + "00" * 256):
            self.assert_refused(longer)

    def test_indefinite_or_reserved_length(self):
        self.assert_refused("A1 80 80 00 00 00")
        self.assert_refused("80 FF" + "00" * 200)

    def test_cut_short(self):
        for cut in ("80", "5F", "5F20", "80 02 00", "80 81", "80 82 01", "80 81 80 00"):
            self.assert_refused(cut)

    def test_padding(self):
        for padded in ("00 80 01 00", "80 01 00 00", "80 01 00 FF", "FF FF 80 01 00", "00 00"):
            self.assert_refused(padded)

    def test_tags_in_the_fewest_bytes(self):
        for tag in ("5F1E 00", "7F00 00", "5F80 00", "5F8120 00", "DF8101 00"):
            self.assert_refused(tag)
        self.assertEqual([found.tag for found in read(bytes.fromhex("5F1F00 7F7F00 9E00"))], ["5F1F", "7F7F", "9E"])


class Templates(unittest.TestCase):
    def test_members_in_order(self):
        record = parse(PAIR, bytes.fromhex("A1 0C 800107 5F20024142 81020102"))
        self.assertEqual((record.first, record.second, record.third), (7, "AB", 0x0102))
        self.assertIsNone(parse(PAIR, bytes.fromhex("A1 07 800107 81020102")).second)

    def test_anything_else_is_refused(self):
        for wrong in (
            "A1 04 81020102",  # the first is missing
            "A1 03 800107",  # the last is missing
            "A1 07 81020102 800107",  # order
            "A1 0A 800107 800107 81020102",  # twice
            "A1 09 800107 81020102 8200",  # unknown
            "A1 07 800107 81020102 00",  # trailing byte outside
            "A1 08 800107 81020102 00",  # and inside
            "A2 07 800107 81020102",  # another template
            "A1 08 80020007 81020102",  # width of an integer
            "",
        ):
            with self.assertRaises(Refused, msg=wrong):
                parse(PAIR, bytes.fromhex(wrong))

    def test_at_most_four_deep(self):
        inner = template("A4", ("80", "value", objects.raw))
        for tag in ("A3", "A2", "A1"):
            inner = template(tag, (inner.tag, "inner", inner))
        four = bytes.fromhex("A1 08 A2 06 A3 04 A4 02 80 00")
        parse(inner, four)
        with self.assertRaises(Refused):
            parse(template("A0", ("A1", "inner", inner)), b"\xA0\x0A" + four)


class Types(unittest.TestCase):
    def test_values(self):
        good = [
            (objects.amount, "000000E8D4A50FFF"), (objects.date, "020601020209"), (objects.time, "20261122235959"),
            (objects.time, "00" * 7), (objects.period, "202612"), (objects.card_number, "7900000000000014"),
            (objects.reference, b"VNROOT00001".hex()), (objects.terminal_name, b"VNT7900001".hex()),
            (objects.line_key, fixture.line_key().hex()), (objects.point, fixture.DOMAIN["84"]),
        ]
        bad = [
            (objects.amount, "000000E8D4A51000"), (objects.amount, "01"), (objects.date, "020600000209"),
            (objects.date, "02060A010101"), (objects.date, "260101"), (objects.time, "20261122240000"),
            (objects.time, "2026112223595A"), (objects.set_time, "00" * 7), (objects.period, "202613"),
            (objects.period, "202600"), (objects.card_number, "7900000000000015"), (objects.card_number, "790000000000001A"),
            (objects.reference, b"VN00001".hex()), (objects.reference, b"VNroot00001".hex()),
            (objects.reference, b"VNABCDEFGHIJ00001".hex()), (objects.terminal_name, b"VNT790000A".hex()),
            (objects.line_key, fixture.line_key(programme=b"XXXX").hex()), (objects.line_key, fixture.line_key(0).hex()),
            (objects.line_key, fixture.line_key(1, 8).hex()), (objects.point, fixture.DOMAIN["84"][:-2] + "F6"),
            (objects.point, "02" + fixture.DOMAIN["84"][2:66]), (objects.an(3), ""), (objects.an(3), "41424344"),
            (objects.an(3), "7F"), (objects.an(3), "C3A9"), (objects.flags, "40"),
        ]
        for decode, value in good:
            decode(bytes.fromhex(value))
        for decode, value in bad:
            with self.assertRaises(ValueError, msg=value):
                decode(bytes.fromhex(value))


class Tree(unittest.TestCase):
    # The known answers that certificate-transparency implementations test with (RFC 6962 reference implementation).
    LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
    ROOTS = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ]

    def test_known_answers(self):
        leaves = [bytes.fromhex(leaf) for leaf in self.LEAVES]
        for count, root in enumerate(self.ROOTS):
            self.assertEqual(objects.merkle_root(leaves[:count]).hex(), root)

    def test_agrees_with_building_it_level_by_level(self):
        leaves = [bytes([number]) * 5 for number in range(130)]
        for count in range(131):
            self.assertEqual(objects.merkle_root(leaves[:count]), fixture.tree(leaves[:count]))

    def test_order_and_number_of_leaves_count(self):
        roots = {objects.merkle_root(leaves) for leaves in ([b"a", b"b"], [b"b", b"a"], [b"a", b"b", b"b"], [b"ab"], [])}
        self.assertEqual(len(roots), 5)


if __name__ == "__main__":
    unittest.main()
