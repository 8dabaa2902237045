"""What the issuer signed: card security objects, payment lists, block lists; their one sequence (SPEC 4, DATA 3, 4)."""
from __future__ import annotations

import datetime
from types import SimpleNamespace
from typing import NamedTuple

from folder import Certificates, Folder, key_bytes
from objects import BLOCK_LIST, BLOCKED, CSO, DELTA_BASE, LINE, LIST, UNBLOCKED, merkle_root, verify
from tlv import Object, Refused, parse, read


FULL_EVERY_DAYS = 28


class Link(NamedTuple):
    """The place of one body in its issuer's sequence (SPEC 4.3)."""

    issuer: str
    number: int
    where: str
    body: SimpleNamespace


class Issued:
    """Verified objects by the hash of their body; a list's body has `lines`, a block list's `cards`."""

    def __init__(self, folder: Folder, certificates: Certificates):
        self.folder, self.findings, self.certificates = folder, folder.findings, certificates
        self.cards: dict[bytes, SimpleNamespace] = {}
        self.lists: dict[bytes, SimpleNamespace] = {}
        self.block_lists: dict[bytes, SimpleNamespace] = {}
        self._links: list[Link] = []
        for number in folder.names("cards", ""):
            with self.findings.about(f"cards/{number}/cso.tlv"):
                self._card(number)
            for version in folder.versions(number):
                with self.findings.about(f"cards/{number}/{version}/cso.tlv"):
                    self._card(number, version)
        self._versions()
        for list_id in folder.names("lists", ".list"):
            with self.findings.about(f"lists/{list_id}.list"):
                self._list(list_id)
        self._kept_lists()
        # A delta's base is an earlier list, in full or a delta itself (DATA 4.2).
        numbers = sorted(folder.names("blocklists", ".blocklist", ".blockdelta"), key=lambda number: (len(number), number))
        for suffix, read_list in ((".blocklist", self._block_list), (".blockdelta", self._block_delta)):
            for number in numbers:
                where = f"blocklists/{number}{suffix}"
                if (folder.path / where).exists():
                    with self.findings.about(where):
                        read_list(number)
        for issuer in sorted({link.issuer for link in self._links}):
            self._sequence(issuer)

    def _accept(self, record: SimpleNamespace, day: datetime.date, where: str) -> SimpleNamespace:
        """The body of an object that its issuer signed while its certificate was valid."""
        body = record.body
        verify(record, self.certificates.issuer(body.issuer, day).key)
        self._links.append(Link(body.issuer, body.issuer_sequence, where, body))
        return body

    def _split(self, where: str) -> tuple[Object, list[Object]]:
        """A signed header and what follows it."""
        objects = list(read(self.folder.read(where)))
        if not objects:
            raise Refused("the file is empty (DATA 2)")
        return objects[0], objects[1:]

    def _card(self, number: str, version: str | None = None) -> None:
        place = f"cards/{number}/{version}" if version else f"cards/{number}"
        where = f"{place}/cso.tlv"
        record = parse(CSO, self.folder.read(where))
        body = self._accept(record, record.body.valid_from, where)
        self.cards[body.hash] = body
        check = self.findings.check
        check(body.card_number == number, where, f"is of card {body.card_number} (DATA 2)")
        check(version in (None, str(body.version)), where, f"is version {body.version} (DATA 2)")
        check(body.valid_from <= body.valid_to, where, "ends before it begins (SPEC 4.1)")
        self.folder.matches_signature(f"{place}/cso", body.encoded, record.signature)
        with self.findings.about(f"{place}/card-signing.pem"):
            self.folder.matches_pem(f"{place}/card-signing.pem", body.signing_key)

    def by_number(self) -> dict[str, list[SimpleNamespace]]:
        """The versions of each card, ascending."""
        cards: dict[str, list[SimpleNamespace]] = {}
        for body in sorted(self.cards.values(), key=lambda body: body.version):
            cards.setdefault(body.card_number, []).append(body)
        return cards

    def _versions(self) -> None:
        """SPEC 13.6: keys and person stay, the version rises, and a later version is later in the issuer's sequence."""
        for number, versions in self.by_number().items():
            for before, after in zip(versions, versions[1:]):
                kept = all(
                    key_bytes(getattr(before, key)) == key_bytes(getattr(after, key))
                    for key in ("agreement_key", "signing_key")
                )
                rises = (before.version, before.issuer, before.issuer_sequence) < (after.version, after.issuer, after.issuer_sequence)
                self.findings.check(
                    kept and before.person == after.person and rises,
                    f"cards/{number}/cso.tlv",
                    f"versions {before.version} and {after.version} are not of one card (SPEC 13.6)",
                )

    def _list(self, list_id: str) -> None:
        where = f"lists/{list_id}.list"
        header, lines = self._split(where)
        record = parse(LIST, header.encoded)
        body = self._accept(record, record.body.first_day, where)
        body.lines = {line.number: line for line in (parse(LINE, line.encoded) for line in lines)}
        self.lists[body.hash] = body
        check = self.findings.check
        check(body.list_id == list_id, where, f"is list {body.list_id} (DATA 2)")
        check(body.first_day <= body.last_day, where, "ends before it begins (DATA 3.1)")
        check(len(lines) == body.count, where, f"{len(lines)} lines instead of {body.count} (DATA 3.1)")
        check(list(body.lines) == list(range(1, len(lines) + 1)), where, "lines not numbered from 1 (DATA 3.2)")
        check(merkle_root([line.encoded for line in lines]) == body.root, where, "Merkle root of other lines (DATA 3.3)")
        check(sum(line.amount for line in body.lines.values()) == body.total, where, "wrong total (DATA 3.1)")
        check(len({line.line_key for line in body.lines.values()}) == len(lines), where, "names a line key twice")

    def _kept_lists(self) -> None:
        """DATA 3.1, 3.4: a list keeps earlier ones of its terminal, and no line is in two that are in force together."""
        # Numbers rise per issuer, whose reference ends with its key's five digits.
        by_number = {(known.issuer[:-5], known.number): known for known in self.lists.values()}
        for known in self.lists.values():
            where, keys = f"lists/{known.list_id}.list", {line.line_key for line in known.lines.values()}
            for number in known.keeps or ():
                kept = by_number.get((known.issuer[:-5], number))
                earlier = number < known.number and (kept is None or kept.terminal == known.terminal)
                self.findings.check(earlier, where, f"keeps list {number}, no earlier one of its terminal (DATA 3.1)")
                apart = kept is None or kept is known or keys.isdisjoint(line.line_key for line in kept.lines.values())
                self.findings.check(apart, where, f"has a line of list {number}, which it keeps (DATA 3.4)")

    def _block_list(self, number: str) -> None:
        where = f"blocklists/{number}.blocklist"
        header, entries = self._split(where)
        record = parse(BLOCK_LIST, header.encoded)
        body = self._accept(record, record.body.issued.date(), where)
        cards = [parse(BLOCKED, entry.encoded).card_number for entry in entries]
        body.cards, body.full = set(cards), body.issued.date()
        body.entries = dict(zip(cards, (entry.encoded for entry in entries)))
        self.block_lists[body.hash] = body
        check = self.findings.check
        check(str(body.number) == number, where, f"is number {body.number} (DATA 2)")
        check(len(entries) == body.count, where, f"{len(entries)} entries instead of {body.count} (DATA 4)")
        check(cards == sorted(body.cards), where, "entries not ascending, or one twice (DATA 4)")
        check(merkle_root([entry.encoded for entry in entries]) == body.root, where, "Merkle root of other entries (DATA 4)")

    def _block_delta(self, number: str) -> None:
        """DATA 4.2: a list as the changes to an earlier one."""
        where = f"blocklists/{number}.blockdelta"
        header, objects = self._split(where)
        record = parse(BLOCK_LIST, header.encoded)
        body = self._accept(record, record.body.issued.date(), where)
        if not objects:
            raise Refused("names no base (DATA 4.2)")
        named, changes = parse(DELTA_BASE, objects[0].encoded), objects[1:]
        base = self.block_lists.get(named.hash_of_base)
        if base is None:
            raise Refused(f"its base, block list {named.number}, is not there (DATA 4.2)")
        check = self.findings.check
        check(str(body.number) == number, where, f"is number {body.number} (DATA 2)")
        check(base.number == named.number < body.number, where, "its base has another number, or no lower one (DATA 4.2)")
        before = [known.number for known in self.block_lists.values() if known.number < body.number]
        check(base.number == max(before, default=0), where, "its base is not the list published before it (DATA 4.2)")
        check(base.issuer == body.issuer, where, "the first list under another key is not in full (DATA 4.2)")
        check((body.issued.date() - base.full).days <= FULL_EVERY_DAYS, where, "a list in full was due (DATA 4.2)")
        body.entries, body.full, last = dict(base.entries), base.full, ""
        for change in changes:
            card = parse(UNBLOCKED if change.tag == "FF3B" else BLOCKED, change.encoded).card_number
            before = body.entries.pop(card, None)
            if change.tag != "FF3B":
                body.entries[card] = change.encoded
            check(last < card, where, "changes not ascending, or a card twice (DATA 4.2)")
            check(before != body.entries.get(card), where, f"changes nothing about card {card} (DATA 4.2)")
            last = card
        body.cards = set(body.entries)
        self.block_lists.setdefault(body.hash, body)
        entries = [body.entries[card] for card in sorted(body.entries)]
        fits = (len(entries), merkle_root(entries)) == (body.count, body.root)
        check(fits, where, "base and changes are not the list that was signed (DATA 4.2)")

    def _sequence(self, issuer: str) -> None:
        """SPEC 4.3: a removed object shows as a gap. Lists and block lists rise in it."""
        expected, previous = 1, self.certificates.by_holder[issuer].hash
        newest = {"lists": None, "blocklists": 0}
        links = [link for link in self._links if link.issuer == issuer]
        for _, number, where, body in sorted(links, key=lambda link: link.number):
            self.findings.check(number == expected, where, f"is number {number} of {issuer}, expected {expected} (SPEC 4.3)")
            self.findings.check(body.issuer_previous == previous, where, "does not follow the object before it (SPEC 4.3)")
            expected, previous = number + 1, body.hash
            kind = where.split("/")[0]
            if kind == "lists":
                rises_by_one = newest[kind] in (None, body.number - 1)
                self.findings.check(rises_by_one, where, "list number does not rise by one (DATA 3.1)")
            elif kind == "blocklists":
                self.findings.check(body.number > newest[kind], where, "block list number does not rise (DATA 4)")
            if kind in newest:
                newest[kind] = body.number
