"""The verifier against a folder made by `fixture.py`: clean it passes, and every single thing bent is found.

    /usr/bin/python3 -m unittest discover --start-directory tests/independent-verifier
"""
import random
import tempfile
import unittest
from pathlib import Path

import encoding
import fixture
from fixture import CARD, TERMINAL, Key, blocked, complete, line_key, ready, sha256, tlv, unblocked
from verify import verify_folder

FIRST = line_key(1), 500_000
JOURNAL = "journals/VNT7900001.journal"


def findings(world: fixture.World) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        world.write(Path(folder))
        return verify_folder(Path(folder), Path(folder) / "root.pem")[0]


def entries(count: int) -> bytes:
    return count.to_bytes(4, "big")


class Finding(unittest.TestCase):
    def assert_found(self, world: fixture.World, part: str) -> None:
        found = findings(world)
        self.assertTrue(any(part in line for line in found), found)


class Folder(Finding):
    def test_a_complete_folder_passes(self):
        self.assertEqual(findings(complete()), [])

    def test_any_byte_changed_in_any_file_is_found(self):
        chosen = random.Random(1)
        with tempfile.TemporaryDirectory() as folder:
            root, trusted = Path(folder), Path(folder) / "trusted.pem"
            complete().write(root)
            trusted.write_bytes((root / "root.pem").read_bytes())
            for path in sorted(path for path in root.rglob("*") if path.is_file() and path != trusted):
                good = path.read_bytes()
                # In a PEM file base64 that is wholly the point; elsewhere any byte.
                places = range(92, 149) if path.suffix == ".pem" else range(len(good))
                for at in chosen.sample(places, 12):
                    bad = bytearray(good)
                    bad[at] ^= 1 << chosen.randrange(8)
                    path.write_bytes(bad)
                    self.assertNotEqual(verify_folder(root, trusted)[0], [], f"{path.name} byte {at}")
                path.write_bytes(good)
            self.assertEqual(verify_folder(root, trusted)[0], [])

    def test_any_missing_file_is_found(self):
        # The last object of a sequence leaves no trace if all that names it goes too; a single file always does.
        for name in complete().files:
            if name == "root.pem":
                continue
            world = complete()
            write = world.write

            def write_without(folder, name=name, write=write):
                write(folder)
                (folder / name).unlink()
            world.write = write_without
            with self.subTest(name):
                self.assertNotEqual(findings(world), [])

    def test_another_root_is_refused(self):
        world = complete()
        world.files["root.pem"] = Key().pem
        self.assert_found(world, "not the root whose key was given")

    def test_copies_of_certificates(self):
        world = complete()
        world.files["certificates/VNTCA00001"] = world.files["certificates/VNTCA00001.cvc"]
        self.assertEqual(findings(world), [])
        world.files["certificates/VNTCA00001"] = world.files["certificates/VNROOT00001.cvc"]
        self.assert_found(world, "differs from the .cvc")

    def test_stranger_file(self):
        world = complete()
        world.files["receipts/note.txt"] = b""
        self.assert_found(world, "no file that DATA 2 names")


class Certificates(Finding):
    def test_faults(self):
        cases = {
            "role 81": ("VNT7900001J00001", "81", "VNTCA00001", "ca", "261101", "261205", None, "80"),
            "authority VNISS7900001": ("VNT7900001J00001", "02", "VNISS7900001", "issuer", "261101", "261205", None, "80"),
            "wrong signature": ("VNT7900001J00001", "02", "VNTCA00001", "root", "261101", "261205", None, "80"),
            "35 days": ("VNT7900001J00001", "02", "VNTCA00001", "ca", "261101", "261206", None, "80"),
            "within its authority's": ("VNT7900001J00001", "02", "VNTCA00001", "ca", "251231", "260105", None, "80"),
            "domain parameters": ("VNT7900001J00001", "02", "VNTCA00001", "ca", "261101", "261205", fixture.DOMAIN, "80"),
            "reserved flags": ("VNT7900001J00001", "02", "VNTCA00001", "ca", "261101", "261205", None, "81"),
            "day is out of range": ("VNT7900001J00001", "02", "VNTCA00001", "ca", "261131", "261205", None, "80"),
            "no valid journal certificate on": ("VNT7900001J00001", "02", "VNTCA00001", "ca", "261001", "261031", None, "80"),
            "not its root's": ("VNT7900001J00001", "02", "VNTCA00001", "ca", "261101", "261205", None, "00"),
        }
        for fault, (holder, role, authority, signer, effective, expiry, domain, flag) in cases.items():
            with self.subTest(fault):
                world = complete()
                world.certificate(holder, role, world.journal, authority, getattr(world, signer), effective, expiry, domain, flag)
                self.assert_found(world, fault)

    def test_flags_other_than_the_root_s(self):
        for flag in ("00", "80"):
            world = complete()
            root = ("VNROOT00001", "C0", world.root, "VNROOT00001", world.root, "260101", "451231", fixture.DOMAIN)
            issuer = ("VNISS7900001", "81", world.issuer, "VNROOT00001", world.root, "260101", "351231", None)
            world.certificate(*root, flag)
            world.certificate(*issuer, "80" if flag == "00" else "00")
            with self.subTest(root=flag):
                self.assert_found(world, "certificates/VNISS7900001.cvc: its flags are not its root's")


class Operations(Finding):
    """DATA 2.1: the log is chained, and tells of all that was signed."""

    ACTS = [("operator-added", "lan operator"), ("card-begun", CARD), ("payment-list-made", "L1 VNT7900001"),
            ("block-list-made", "1"), ("ledger-copied", "backup")]

    def log(self, acts) -> list[list[str]]:
        head, log = "0" * 64, []
        for position, (action, subject) in enumerate(acts, 1):
            lines = ["ansinh operation 1", str(position), "2026-11-22T08:00:00Z", "lan", action, subject, head]
            head = fixture.sha256("".join(line + "\n" for line in lines).encode()).hex()
            log.append([*lines, head])
        return log

    def of(self, log) -> fixture.World:
        world = complete()
        world.files["operations.log"] = "".join(line + "\n" for operation in log for line in operation).encode()
        return world

    def acts(self):
        names = {name.split("/")[0]: Path(name).stem for name in complete().files if name.startswith(("lists/", "blocklists/"))}
        return [(action, {"payment-list-made": names["lists"] + " VNT7900001", "block-list-made": names["blocklists"]}.get(action, subject))
                for action, subject in self.ACTS]

    def test_a_whole_log_passes(self):
        self.assertEqual(findings(self.of(self.log(self.acts()))), [])

    def test_a_bent_log_is_found(self):
        def taken_out(log): del log[0]
        def swapped(log): log[0], log[1] = log[1], log[0]
        def altered(log): log[0][3] = "minh"
        def rehashed(log):
            log[0][3] = "minh"
            log[0][7] = fixture.sha256("".join(line + "\n" for line in log[0][:7]).encode()).hex()
        def cut(log): del log[3:]
        def stranger(log): log[0][0] = "ansinh operation 2"
        def endless(log): log[0][1] = "1" * 5_000
        for bend, part in ((taken_out, "does not follow"), (swapped, "does not follow"), (altered, "another hash"),
                           (rehashed, "does not follow"), (cut, "nothing of block-list-made"), (stranger, "no operation after 0"),
                           (endless, "no operation after 0")):
            with self.subTest(bend.__name__):
                log = self.log(self.acts())
                bend(log)
                self.assert_found(self.of(log), part)

    def test_a_piece_of_an_operation_is_found(self):
        world = self.of(self.log(self.acts()))
        world.files["operations.log"] = world.files["operations.log"][:-1]
        self.assert_found(world, "not eight lines")


class Lists(Finding):
    def test_faults_of_a_list(self):
        cases = {
            "wrong total": {"total": 1},
            "another terminal": {"terminal": b"VNT7900002"},
            "ends before it begins": {"first": "261130", "last": "261101"},
            "rise by one": {"number": 3},
        }
        for fault, changed in cases.items():
            with self.subTest(fault):
                world = ready()
                world.list(**{"lines": [FIRST], "number": 2} | changed)
                self.assert_found(world, fault)

    def test_line_key_twice(self):
        world = ready()
        world.list([FIRST, FIRST], number=2)
        self.assert_found(world, "line key twice")

    def test_lists_beside_each_other(self):
        def beside(keeps, *more, lines=((line_key(3), 1),)):
            world = ready()
            root = world.list_root
            world.list([*lines], number=2, keeps=keeps)
            for number, kept in enumerate(more, 3):
                world.list([(line_key(3 + number), 1)], number=number, keeps=kept)
            world.list_root = root
            world.paid(world.intent(*FIRST))
            return world
        self.assertEqual(findings(beside([1])), [])
        self.assertEqual(findings(beside([1], [1, 2])), [])
        cases = {
            "that is not there": [beside([]), beside([1], []), beside([1], [2])],
            "keeps a list that is not in force": [beside([1], [2], [1]), beside([2])],
            "no earlier one of its terminal": [beside([2]), beside([1, 7])],
            "which it keeps": [beside([1], lines=[FIRST])],
            "8C (keeps)": [beside([1, 1]), beside([0]), beside([1, 2, 3, 4])],
        }
        for fault, worlds in cases.items():
            for world in worlds:
                with self.subTest(fault):
                    self.assert_found(world, fault)

    def test_line_cut_from_the_file(self):
        world = ready()
        line_size = 2 + 6 + 10 + 28 + 10 + 3 + 1
        world.files["lists/L1.list"] = world.files["lists/L1.list"][:-line_size]
        self.assert_found(world, "1 lines instead of 2")

    def test_gap_in_the_issuers_sequence(self):
        world = ready()
        world.issue("FF25")  # signed, but in no file
        world.block_list(number=2)
        self.assert_found(world, "expected 4 (SPEC 4.3)")

    def test_block_list_not_ascending(self):
        world = ready()
        world.block_list("7900000000000022", CARD, number=2)
        self.assert_found(world, "not ascending")


class Deltas(Finding):
    OTHER, THIRD = "7900000000000022", "7900000000000030"

    def test_deltas_in_a_chain_lead_to_what_was_signed(self):
        world = ready()
        world.block_delta([self.OTHER, self.THIRD], 1, blocked(self.OTHER), blocked(self.THIRD), number=2)
        world.block_delta([self.THIRD], 2, unblocked(self.OTHER), number=3)
        world.block_delta([self.THIRD], 3, number=4)
        world.paid(world.intent(*FIRST))
        self.assertEqual(findings(world), [])

    def test_a_card_blocked_by_a_delta(self):
        world = ready()
        world.block_delta([CARD, self.OTHER], 1, blocked(CARD), blocked(self.OTHER), number=2)
        world.block_delta([CARD], 2, unblocked(self.OTHER), number=3)
        world.intent(*FIRST)
        self.assert_found(world, "card is on the block list")

    def test_changes_that_do_not_lead_to_what_was_signed(self):
        one, other, third = CARD, self.OTHER, self.THIRD
        cases = [
            ("not the list that was signed", [blocked(one)]),
            ("not the list that was signed", [blocked(one), blocked(other, b"\2")]),
            ("not the list that was signed", [blocked(one), blocked(other), blocked(third)]),
            ("not ascending", [blocked(other), blocked(one)]),
            ("a card twice", [blocked(one), blocked(one), blocked(other)]),
            ("changes nothing", [blocked(one), blocked(other), unblocked(third)]),
            ("check digit", [blocked(one), blocked(other[:-1] + "0")]),
            ("FF3B", [blocked(one), tlv("FF3B", tlv("80", b"\1"))]),
        ]
        for fault, changes in cases:
            with self.subTest(fault, changes=len(changes)):
                world = ready()
                world.block_delta([one, other], 1, *changes, number=2)
                self.assert_found(world, fault)

    def test_a_delta_to_another_base(self):
        for named, fault in ((7, "another number"), (None, "is not there")):
            world = ready()
            if named is None:
                world.block_bodies[1] = bytes(32)
            world.block_delta([CARD], 1, blocked(CARD), number=2, named=named)
            self.assert_found(world, fault)

    def test_a_base_that_was_not_the_list_before(self):
        world = ready()
        world.block_list(self.OTHER, number=2)
        world.block_delta([CARD], 1, blocked(CARD), number=3)
        self.assert_found(world, "not the list published before it")

    def test_a_delta_where_a_list_in_full_is_due(self):
        for days in ("20261217", "20261218"), ("20261218", "20261219"):
            world = ready()
            for number, day in enumerate(days, 2):
                world.block_delta([], number - 1, number=number, issued=day + "080000")
            with self.subTest(days[1]):
                if days[1] == "20261218":
                    self.assertEqual(findings(world), [])
                else:
                    self.assert_found(world, "a list in full was due")

    def test_a_delta_as_the_first_list_under_another_key(self):
        world = ready()
        world.rekey()
        world.block_delta([], 1, number=2)
        self.assert_found(world, "first list under another key")

    def test_a_base_that_is_gone_and_a_delta_that_names_none(self):
        world = ready()
        world.block_delta([CARD], 1, blocked(CARD), number=2)
        del world.files["blocklists/1.blocklist"]
        self.assert_found(world, "its base, block list 1, is not there")
        world = ready()
        world.block_delta([], 1, number=2)
        world.files["blocklists/2.blockdelta"] = world.files["blocklists/2.blockdelta"][:-43]
        self.assert_found(world, "names no base")


class Orders(Finding):
    def test_faults_of_an_order(self):
        cases = {
            "disagree": {"amount": 500_001},
            "not there": {"line": 3},
            "order and list": {"line": 2},
            "list not valid": {"time": "20261201090000"},
            "another place": {"shift": 1},
            "no valid agreement": {"time": "20261206090000"},
            "last 35 days": {"time": "20261226090000"},
            "holder check does not fit": {"method": 2, "check": "0103"},
        }
        for fault, changed in cases.items():
            with self.subTest(fault):
                world = ready()
                check = changed.pop("check", "0103")
                world.paid(world.intent(**{"key": FIRST[0], "amount": FIRST[1]} | changed), check)
                self.assert_found(world, fault)

    def test_amount_0_and_unset_time(self):
        for changed in ({"amount": 0}, {"time": "0" * 14}, {"recipient": 4}, {"method": 0}):
            world = ready()
            world.intent(**{"key": FIRST[0], "amount": FIRST[1]} | changed)
            self.assert_found(world, "FF23: ")

    def test_recipient_the_line_does_not_allow(self):
        world = ready()
        world.list([(line_key(3), 1)], number=2, recipients=1)
        world.intent(line_key(3), 1, recipient=2)
        self.assert_found(world, "recipient")

    def test_recovery_and_another_persons_line(self):
        for key, fault in ((line_key(1, 7), "87 (line_key)"), (line_key(1, person=bytes(16)), "another person")):
            world = ready()
            world.list([(key, 1)], number=2)
            world.intent(key, 1)
            self.assert_found(world, fault)

    def test_blocked_card(self):
        world = ready()
        world.block_list(CARD, number=2)
        world.intent(*FIRST)
        self.assert_found(world, "card is on the block list")

    def test_a_line_paid_twice_by_two_lists(self):
        world = ready()
        world.paid(world.intent(*FIRST))
        world.list([FIRST], number=2)
        world.paid(world.intent(*FIRST))
        self.assert_found(world, "the line was paid before")

    def test_caps(self):
        for amounts in ([2_000_001], [1_600_000, 1_600_000]):
            world = ready()
            lines = [(line_key(10 + at), amount) for at, amount in enumerate(amounts)]
            world.list(lines, number=2)
            for at, line in enumerate(lines, 1):
                world.paid(world.intent(*line, line=at))
            self.assert_found(world, "above the card's caps")

    def test_paid_by_another_kind_of_receipt(self):
        for kind, check, fault in ((2, "0103", "another kind"), (3, "0003", "another kind"), (4, "0103", "needs none")):
            world = ready()
            world.paid(world.intent(*FIRST), kind=kind, check=check)
            self.assert_found(world, fault)

    def test_receipts_of_other_kinds_between_payments(self):
        for kind in (2, 3, 4):
            world = ready()
            world.paid(world.intent(*FIRST))
            stem = world.read_back(kind)
            world.paid(world.intent(line_key(2), 700_000, line=2))
            self.assertEqual(findings(world), [])
            del world.files[f"{stem}.signed.bin"]
            self.assert_found(world, "receipt 3, expected 2")

    def test_a_reversal_lowers_the_months_total(self):
        for kind, fault in ((2, None), (None, "above the card's caps")):
            world = ready()
            lines = [(line_key(10 + at), 1_600_000) for at in (0, 1)]
            world.list(lines, number=2)
            world.paid(world.intent(*lines[0]))
            if kind:
                world.read_back(kind)
            world.paid(world.intent(*lines[1], line=2))
            if fault:
                self.assert_found(world, fault)
            else:
                self.assertEqual(findings(world), [])

    def test_faults_of_receipts_read_back(self):
        world = ready()
        world.read_back(1, check="0103")
        self.assert_found(world, "a payment that no journal shows")
        world = ready()
        world.read_back(3, signer=Key())
        self.assert_found(world, "wrong signature")
        world = ready()
        world.read_back(3, check="0103")
        self.assert_found(world, "needs none")
        world = ready()
        stem = world.read_back(4)
        for suffix in (".signed.bin", ".sig.der"):
            world.files[f"receipts/{CARD}-2{suffix}"] = world.files.pop(stem + suffix)
        self.assert_found(world, "of another card or counter")
        world = ready()
        stem = world.read_back(4)
        for bad in (b"", b"\x30\x00", world.files[f"{stem}.sig.der"] + b"\0"):
            world.files[f"{stem}.sig.der"] = bad
            self.assert_found(world, "in DER")

    def test_a_card_that_blocked_itself(self):
        def tell(listed=CARD, kind=4, check="0003", before=False, signer=None, times=1):
            world = ready()
            world.paid(world.intent(*FIRST))
            world.block_list(listed, number=2)
            shown = world.block_bodies[1 if before else 2]
            body = world.receipt(shown, kind, check)
            for _ in range(times):
                world.entry(17, body, tlv("5F37", (signer or world.signing).plain((signer or world.signing).der(body))))
            return world
        self.assertEqual(findings(tell()), [])
        self.assertEqual(findings(tell(times=3)), [])
        self.assert_found(tell(listed="7900000000000022"), "not on the block list")
        self.assert_found(tell(before=True), "another block list")
        self.assert_found(tell(signer=Key()), "wrong signature")
        self.assert_found(tell(check="0103"), "needs none")
        for kind in (1, 2, 3):
            self.assert_found(tell(kind=kind), "another kind than a block list")

    def test_a_receipt_read_back_that_a_journal_shows_too(self):
        world = ready()
        world.paid(world.intent(*FIRST))
        intent = len(world.entries) - 1
        for suffix in (".signed.bin", ".sig.der"):
            world.files[f"receipts/{CARD}-1{suffix}"] = world.files[f"receipts/{TERMINAL.decode()}-{intent}{suffix}"]
        self.assertEqual(findings(world), [])

    def test_a_new_month_starts_a_new_sum(self):
        world = ready()
        lines = [(line_key(10 + at), 1_600_000) for at in (0, 1)]
        world.list(lines, number=2, last="261231")
        world.paid(world.intent(*lines[0], line=1))
        world.paid(world.intent(*lines[1], line=2, time="20261201090000"))
        self.assertEqual(findings(world), [])


class Carried(Finding):
    OTHER = b"VNT7900002"

    def tell(self, order_changed=None, check="0103", signer=None, kind=1, of=None, terminal=OTHER, times=1, paid_here=False):
        """A card's receipt of a payment at another terminal, which has a list with the line and no journal."""
        world = ready()
        if paid_here:
            world.paid(world.intent(*FIRST))
        entries, head = list(world.entries), world.head
        world.list([FIRST], number=2, terminal=terminal)
        world.entries, world.head = entries, head
        key, amount = FIRST
        given = dict(key=key, amount=amount, line=1) | (order_changed or {})
        order = encoding.order(terminal, 7, bytes(32), world.list_root, world.cso_hash, given["key"], given["amount"],
                               given["line"], 1, 1)
        body = world.receipt(sha256(order) if of is None else of, kind, check)
        signed = tlv("5F37", (signer or world.signing).plain((signer or world.signing).der(body)))
        for _ in range(times):
            world.entry(15, order, body, signed)
        self.order = sha256(order)
        return world

    def undo(self, world: fixture.World, order: bytes) -> fixture.World:
        """The card's receipt of a reversal at the other terminal."""
        reversal = encoding.reversal(self.OTHER, 9, bytes(32), order, world.cso_hash)
        body = world.receipt(sha256(reversal), 2, "0103")
        world.entry(15, reversal, body, tlv("5F37", world.signing.plain(world.signing.der(body))))
        return world

    def test_a_line_that_a_card_tells_of_is_paid(self):
        self.assert_found(self.tell(paid_here=True), "the line was paid before")
        self.assert_found(self.undo(self.tell(paid_here=True), bytes(32)), "the line was paid before")
        for world in (self.tell(times=2), self.undo(self.tell(), self.order), self.undo(self.tell(paid_here=True), self.order)):
            self.assertFalse([line for line in findings(world) if "paid before" in line])

    def test_it_tells_of_a_payment_and_of_a_journal_that_are_not_there(self):
        for times in (1, 2):
            found = findings(self.tell(times=times))
            self.assertEqual(sum("a payment that no journal shows" in line for line in found), 1)
            self.assertEqual(sum("entry 7 of VNT7900002 existed" in line for line in found), times)
            self.assertEqual(len(found), 1 + times)

    def test_what_does_not_belong_together_or_is_not_the_cards(self):
        self.assert_found(self.tell(of=bytes(32)), "carried receipt of something else")
        for kind in (2, 3, 4):
            self.assert_found(self.tell(kind=kind, check="0003"), "without what it is for")
        self.assert_found(self.tell(signer=Key()), "wrong signature")
        self.assert_found(self.tell(terminal=TERMINAL), "of its own")
        self.assert_found(self.tell(check="0003"), "holder check does not fit")
        self.assert_found(self.tell({"amount": 1}), "carried order and list line disagree")
        self.assert_found(self.tell({"line": 2}), "carried order and list line disagree")


class ByHand(Finding):
    """DATA 5.7."""

    def allowed(self, most: int | None = 500_000) -> fixture.World:
        """A terminal whose second list lets a line be paid by hand."""
        world = ready()
        world.list([FIRST, (line_key(2), 500_001)], number=2, by_hand=most)
        world.entry(20, tlv("80", bytes(32)), tlv("81", entries(1)))
        world.entry(5, tlv("80", b"LAN"))
        return world

    def test_paid_by_hand_and_handed_over(self):
        world = self.allowed()
        world.entry(18, tlv("80", b"LAN"), tlv("81", (700_000).to_bytes(8, "big")))
        world.entry(8, tlv("80", entries(world.by_hand(*FIRST))))
        world.entry(19, tlv("80", b"LAN"), tlv("81", (200_000).to_bytes(8, "big")), tlv("82", (200_000).to_bytes(8, "big")))
        self.assertEqual(findings(world), [])

    def test_what_was_not_handed_over_is_unpaid(self):
        world = self.allowed()
        world.entry(12, tlv("80", entries(world.by_hand(*FIRST))))
        world.by_hand(*FIRST)
        self.assertEqual(findings(world), [])
        world.paid(world.intent(*FIRST))
        self.assert_found(world, "the line was paid before")

    def test_by_card_and_by_hand(self):
        world = self.allowed()
        world.paid(world.intent(*FIRST))
        world.by_hand(*FIRST)
        self.assert_found(world, "the line was paid before")

    def test_while_an_order_is_open(self):
        world = self.allowed()
        world.intent(*FIRST)
        world.by_hand(*FIRST)
        self.assert_found(world, "another Intent of the same holder is open")

    def test_more_than_the_list_allows(self):
        for most, amount, line in ((None, FIRST[1], 1), (499_999, FIRST[1], 1), (500_000, 500_001, 2)):
            world = self.allowed(most)
            world.by_hand(line_key(line), amount, line=line)
            self.assert_found(world, "by hand what the list does not allow")

    def test_a_sum_of_nothing(self):
        world = self.allowed(0)
        self.assert_found(world, "8D (by_hand_up_to)")

    def test_no_operators(self):
        world = ready()
        world.list([FIRST], number=2, by_hand=500_000)
        world.by_hand(*FIRST)
        self.assert_found(world, "without a list of operators")

    def test_faults_of_the_order(self):
        no_order = "no order that is paid by hand"
        cases = [({"second": b""}, no_order), ({"second": b"LAN"}, "one operator twice"), ({"method": 1}, no_order),
                 ({"recipient": 2}, no_order), ({"cso_hash": bytes([1]) * 32}, no_order), ({"shift": 1}, "another place"),
                 ({"operator": b"HOA"}, "whose shift it is not"), ({"line": 3}, "of a line that is not there"),
                 ({"card": "7900000000000998"}, "a card that is not there"), ({"time": "20261222090000"}, "list not valid on")]
        for changed, fault in cases:
            with self.subTest(fault, **changed):
                world = self.allowed()
                world.by_hand(*FIRST, **changed)
                self.assert_found(world, fault)

    def test_a_blocked_card(self):
        world = self.allowed()
        world.block_list(CARD, number=2)
        world.by_hand(*FIRST)
        self.assert_found(world, "card is on the block list")


class Reversals(Finding):
    def paid(self):
        """A payment that is not handed over: its order's hash, its Intent, and the world."""
        world = ready()
        order = world.intent(*FIRST)
        world.paid(order)
        return order, len(world.entries) - 1, world

    def test_a_line_reversed_and_paid_again(self):
        order, intent, world = self.paid()
        world.reversed(world.announce_reversal(order, intent), intent)
        self.assertEqual(findings(world), [])
        world.paid(world.intent(*FIRST))
        self.assertEqual(findings(world), [])
        world.paid(world.intent(*FIRST))
        self.assert_found(world, "the line was paid before")

    def test_not_handed_alone_leaves_the_payment_standing(self):
        order, intent, world = self.paid()
        world.announce_reversal(order, intent)
        self.assertEqual(findings(world), [])
        world.paid(world.intent(*FIRST))
        self.assert_found(world, "the line was paid before")

    def test_a_reversal_is_told_again_and_so_is_its_order(self):
        order, intent, world = self.paid()
        world.entry(12, tlv("80", entries(intent)))
        world.entry(12, tlv("80", entries(intent)), world.last_order)
        reversal = world.announce_reversal(order, intent, told=False)
        world.entry(13, tlv("80", entries(intent)), world.last_reversal)
        self.assertEqual(findings(world), [])
        world.reversed(reversal, intent)
        self.assertEqual(findings(world), [])
        world.entry(12, tlv("80", entries(intent)), world.last_order)
        self.assert_found(world, "no NotHanded tells")

    def test_another_order_told_again(self):
        _, intent, world = self.paid()
        world.entry(12, tlv("80", entries(intent)))
        world.entry(12, tlv("80", entries(intent)), world.last_order.replace(b"LAN", b"MAI"))
        self.assert_found(world, "tells again of another order")

    def test_the_card_refuses_and_nothing_more_is_announced(self):
        order, intent, world = self.paid()
        reversal = world.announce_reversal(order, intent)
        world.entry(9, tlv("80", b"\x0c"), tlv("82", b"\x63\x4b"), tlv("83", entries(intent)))
        self.assertEqual(findings(world), [])
        world.reversed(reversal, intent)
        self.assert_found(world, "its card had refused that here")

    def test_what_the_issuer_has_undone(self):
        for refused in (False, True):
            order, intent, world = self.paid()
            if refused:  # by the card, at the terminal
                world.announce_reversal(order, intent)
                world.entry(9, tlv("80", b"\x0c"), tlv("82", b"\x63\x4b"), tlv("83", entries(intent)))
            else:
                world.entry(12, tlv("80", entries(intent)))
            world.undo_by_issuer(order)
            world.paid(world.intent(*FIRST))
            self.assertEqual(findings(world), [])
            world.paid(world.intent(*FIRST))
            self.assert_found(world, "the line was paid before")

    def test_the_issuer_undoes_nothing_that_was_handed_over(self):
        for told in (8, None):
            order, intent, world = self.paid()
            if told:
                world.entry(told, tlv("80", entries(intent)))
            world.undo_by_issuer(order)
            self.assert_found(world, "no journal says that the money was not handed over")

    def test_scripts_that_undo_nothing(self):
        for changed, fault in (({"signer": Key()}, "wrong signature"), ({"shift": 1}, "not for"), ({"kind": 4}, "not for"),
                               ({"issuer": b"VNISS7900099"}, "no valid issuer"), ({"action": 1, "content": tlv("A3")}, None)):
            order, intent, world = self.paid()
            world.entry(12, tlv("80", entries(intent)))
            world.undo_by_issuer(order, **changed)
            if fault:
                self.assert_found(world, fault)
            world.paid(world.intent(*FIRST))
            self.assert_found(world, "the line was paid before")

    def test_what_a_carried_script_has_undone(self):
        for read_back in (False, True):
            order, intent, world = self.paid()
            world.entry(12, tlv("80", entries(intent)))
            world.undo_by_issuer(order, carried=world.signing)
            if read_back:  # as well: it counts once
                stem, body = f"receipts/{CARD}-{world.counter}", world.last_receipt
                world.files |= {f"{stem}.signed.bin": body, f"{stem}.sig.der": world.signing.der(body)}
            world.paid(world.intent(*FIRST))
            self.assertEqual(findings(world), [])
            world.paid(world.intent(*FIRST))
            self.assert_found(world, "the line was paid before")

    def test_a_carried_script_undoes_nothing_that_was_handed_over(self):
        for told in (8, None):
            order, intent, world = self.paid()
            if told:
                world.entry(told, tlv("80", entries(intent)))
            world.undo_by_issuer(order, carried=world.signing)
            self.assert_found(world, "no journal says that the money was not handed over")

    def test_carried_scripts_that_undo_nothing(self):
        for changed, fault in (({"signer": Key()}, "wrong signature"), ({"shift": 1}, "not for"), ({"kind": 4}, "another kind than an issuer script"),
                               ({"issuer": b"VNISS7900099"}, "no valid issuer"), ({"carried": Key()}, "wrong signature")):
            order, intent, world = self.paid()
            world.entry(12, tlv("80", entries(intent)))
            world.undo_by_issuer(order, **{"carried": world.signing, **changed})
            self.assert_found(world, fault)
            world.paid(world.intent(*FIRST))
            self.assert_found(world, "the line was paid before")

    def test_a_carried_script_that_is_not_there(self):
        order, intent, world = self.paid()
        world.entry(12, tlv("80", entries(intent)))
        world.undo_by_issuer(order, carried=world.signing)
        del world.files[f"receipts/{CARD}-{world.counter}.script"]
        self.assert_found(world, "cannot be read")

    def test_what_a_refusal_does_not_close(self):
        for told in (False, True):
            order, intent, world = self.paid()
            if told:
                world.announce_reversal(order, intent)
            status = b"\x90\x00" if told else b"\x63\x4b"
            world.entry(9, tlv("80", b"\x0c"), tlv("82", status), tlv("83", entries(intent)))
            self.assert_found(world, "closes an Intent that is not open")

    def test_handed_or_not_but_not_both(self):
        for kinds in ((8, 12), (12, 8), (12, 12)):
            _, intent, world = self.paid()
            for kind in kinds:
                world.entry(kind, tlv("80", entries(intent)))
            self.assert_found(world, "no paid Intent" if kinds[1] == 8 else "not handed over, and no paid Intent")

    def test_faults_of_what_is_announced(self):
        order, intent, world = self.paid()
        world.announce_reversal(order, intent, told=False)
        self.assert_found(world, "no NotHanded tells")
        cases = {"another order": {"order_hash": bytes(32)}, "another place": {"shift": 1}, "whose shift it is not": {"operator": b"MAI"}}
        for fault, changed in cases.items():
            with self.subTest(fault):
                order, intent, world = self.paid()
                world.announce_reversal(**{"order_hash": order, "intent": intent, **changed})
                self.assert_found(world, fault)

    def test_faults_of_the_receipt(self):
        cases = {"wrong signature": {"signer": Key()}, "another kind than a reversal": {"kind": 1},
                 "not announced": {"reversal_hash": bytes(32)}}
        for fault, changed in cases.items():
            with self.subTest(fault):
                order, intent, world = self.paid()
                reversal = world.announce_reversal(order, intent)
                world.reversed(**{"reversal_hash": reversal, "intent": intent, **changed})
                self.assert_found(world, fault)


class Receipts(Finding):
    def test_faults(self):
        cases = {"wrong signature": {"signer": Key()}, "expected 1 (SPEC 9.4)": {"step": 2}, "holder check": {"check": "0003"},
                 "order and policy": {"check": "0104"}}
        for fault, changed in cases.items():
            with self.subTest(fault):
                world = ready()
                world.paid(world.intent(*FIRST), **changed)
                self.assert_found(world, fault)

    def test_receipt_for_another_order(self):
        world = ready()
        world.intent(*FIRST)
        world.paid(bytes(32))
        self.assert_found(world, "not for an open Intent")

    def test_receipt_outside_the_cards_chain(self):
        world = ready()
        world.card_head = bytes(32)
        world.paid(world.intent(*FIRST))
        self.assert_found(world, "does not follow the card's receipt before it")

    def test_the_other_der_signature_is_found(self):
        # (r, n - s) verifies as well (SPEC 2.3), but it is not the journal's.
        world = complete()
        body = next(name for name in world.files if name.endswith(".signed.bin") and name.startswith("receipts"))
        world.files[body.replace(".signed.bin", ".sig.der")] = world.signing.der(world.files[body])
        self.assert_found(world, "DER form")


class Journals(Finding):
    def test_an_open_intent_excludes_another_of_its_holder(self):
        world = ready()
        world.intent(*FIRST)
        world.intent(line_key(2), 700_000, line=2)
        self.assert_found(world, "another Intent of the same holder is open")

    def test_an_order_is_told_again_while_it_is_open(self):
        world = ready()
        order = world.intent(*FIRST)
        world.entry(11, world.last_order)
        self.assertEqual(findings(world), [])
        world.paid(order, intent=6)
        self.assertEqual(findings(world), [])
        world.entry(11, world.last_order)
        self.assert_found(world, "repeats an order that is not open")

    def test_handed_without_or_twice(self):
        for numbers in ([5], [6, 6]):
            world = ready()
            world.paid(world.intent(*FIRST))
            for number in numbers:
                world.entry(8, tlv("80", entries(number)))
            self.assert_found(world, "no paid Intent, or handed before")

    def test_what_closes_an_intent(self):
        cases = [("6344", 6, None), ("9000", 6, "without a 634X"), (None, 6, "without a 634X"), ("6344", 5, "not open")]
        for status, number, fault in cases:
            world = ready()
            world.intent(*FIRST)
            members = [tlv("80", b"\x0c")] + ([tlv("82", bytes.fromhex(status))] if status else [])
            world.entry(9, *members, tlv("83", entries(number)))
            if fault is None:
                self.assertEqual(findings(world), [])
            else:
                self.assert_found(world, fault)

    def test_faults_of_an_entry(self):
        for fault, changed in {"wrong signature": {"signer": Key()}, "boot count": {"boot": 2}}.items():
            world = ready()
            world.entry(5, tlv("80", b"LAN"), **changed)
            self.assert_found(world, fault)

    def test_entries_removed_swapped_repeated(self):
        for order in ([0, 1, 3, 4], [0, 2, 1, 3, 4], [0, 1, 1, 2, 3, 4]):
            world = ready()
            world.entries = [world.entries[at] for at in order]
            self.assert_found(world, "does not follow the entry before it")

    def test_shifts(self):
        def closed(operator: bytes, end=b"\1"):
            return 22, tlv("80", operator), tlv("81", end)
        boot = 1, tlv("80", bytes(32)), tlv("81", b"\x80")
        other_shift, not_open = "whose shift it is not", "shift that is not open"
        cases = [([], None), ([closed(b"LAN")], other_shift), ([(5, tlv("80", b"MINH"))], other_shift),
                 ([closed(b"MINH")], not_open), ([closed(b"LAN"), closed(b"LAN")], not_open),
                 ([closed(b"LAN"), (5, tlv("80", b"LAN"))], None), ([boot], other_shift), ([closed(b"LAN", b"\4")], "out of range"),
                 ([(21, tlv("80", b"LAN"), tlv("81", entries(3)))], None)]
        for before, fault in cases:
            with self.subTest(before=before):
                world = ready()
                for kind, *content in before:
                    world.entry(kind, *content, boot=2 if kind == 1 else 1)
                world.intent(*FIRST)
                if fault is None:
                    self.assertEqual(findings(world), [])
                else:
                    self.assert_found(world, fault)

    def test_cash(self):
        def received(amount: int, operator=b"LAN"):
            return 18, tlv("80", operator), tlv("81", amount.to_bytes(8))
        def counted(expected: int, there: int, operator=b"LAN"):
            return 19, tlv("80", operator), tlv("81", expected.to_bytes(8)), tlv("82", there.to_bytes(8))
        def opened(operator): return 5, tlv("80", operator)
        def closed(end): return 22, tlv("80", b"LAN"), tlv("81", end)
        boot = 1, tlv("80", bytes(32)), tlv("81", b"\x80")
        other, should = "whose shift it is not", "of cash should be there"
        left = 1_000_000 - FIRST[1]
        cases = [([counted(left, 0), counted(left, left + 1)], None), ([counted(left + 1, left + 1)], should),
                 ([received(5), counted(left + 5, 1)], None), ([received(0)], "out of range"),
                 ([closed(b"\2"), opened(b"LAN"), counted(left, left)], None), ([boot, opened(b"LAN"), counted(left, left)], None),
                 ([closed(b"\1"), opened(b"LAN"), counted(left, left)], should), ([closed(b"\1"), opened(b"LAN"), counted(0, 0)], None),
                 ([opened(b"MINH"), counted(left, left, b"MINH")], should), ([counted(left, left, b"MINH")], other),
                 ([received(5, b"MINH")], other), ([boot, received(5)], other)]
        for after, fault in cases:
            with self.subTest(after=after):
                world = ready()
                world.entry(18, tlv("80", b"LAN"), tlv("81", (1_000_000).to_bytes(8)))
                world.paid(world.intent(*FIRST))
                world.entry(8, tlv("80", entries(len(world.entries) - 1)))
                boots = 1
                for kind, *content in after:
                    boots += kind == 1
                    world.entry(kind, *content, boot=boots)
                if fault is None:
                    self.assertEqual(findings(world), [])
                else:
                    self.assert_found(world, fault)

    def test_a_clock_set_by_an_operator(self):
        cases = [("20261122090000", b"\1", None), ("20261122090001", b"\1", None), ("20261122085959", b"\1", "set behind an entry"),
                 ("20261122090000", b"\2", "another clock source"), ("0" * 14, b"\0", "another clock source")]
        for time, source, fault in cases:
            with self.subTest(time=time, source=source):
                world = ready()
                world.entry(23, tlv("80", bytes(7)), tlv("81", b"HOA"), time=time, source=source)
                if fault is None:
                    self.assertEqual(findings(world), [])
                else:
                    self.assert_found(world, fault)

    def test_a_block_list_that_was_lost_is_loaded_again_and_no_other_in_its_place(self):
        def again(world, number):
            world.entry(4, tlv("80", world.block_bodies[number]), tlv("81", entries(number)))
        def lost(world): again(world, 1)
        def older(world):
            world.block_list(number=2)
            again(world, 1)
        def another(world):
            world.block_list(number=2)
            world.block_delta([CARD], 1, blocked(CARD), number=2)
        for change, fault in ((lost, None), (older, "older block list"), (another, "older block list")):
            with self.subTest(change.__name__):
                world = ready()
                change(world)
                if fault is None:
                    world.paid(world.intent(*FIRST))
                    self.assertEqual(findings(world), [])
                else:
                    self.assert_found(world, fault)

    def test_lists_of_operators_rise(self):
        for numbers, fault in (((1, 2, 4), None), ((2, 2), "older list of operators"), ((2, 1), "older list of operators")):
            world = ready()
            for number in numbers:
                world.entry(20, tlv("80", bytes([number]) * 32), tlv("81", entries(number)))
            if fault is None:
                self.assertEqual(findings(world), [])
            else:
                self.assert_found(world, fault)

    def test_a_boot_that_hides_the_flag(self):
        world = complete()
        world.entry(1, tlv("80", bytes(32)), tlv("81", b"\0"), boot=2)
        self.assert_found(world, "TEST flag differs from the certificate's")

    def test_unknown_kind_and_content(self):
        for kind, content in ((12, tlv("80", b"x")), (19, tlv("80", b"x")), (24, tlv("80", b"x")), (5, tlv("81", b"x")), (5, tlv("80", b"x") * 2), (8, b"")):
            world = ready()
            world.entry(kind, content)
            self.assertNotEqual(findings(world), [])

    def test_journal_cut_after_its_acknowledgement(self):
        world = complete()
        world.entries = world.entries[:-2]
        self.assert_found(world, "is another one or missing")


if __name__ == "__main__":
    unittest.main()
