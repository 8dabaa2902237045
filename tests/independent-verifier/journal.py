"""The terminals' journals, replayed entry by entry (DATA 5), and the receipts of each card in its own order (SPEC 9)."""
from __future__ import annotations

from datetime import datetime
from types import SimpleNamespace
from typing import NamedTuple

import objects as o
from folder import AGREEMENT, JOURNAL, Certificates, Folder, key_bytes, load_key, sha256
from issued import Issued
from tlv import Refused, parse, parse_members, read

PIN = 1  # SPEC 9.2
OPEN_INTENTS = 8  # DATA 5.3
BLOCK_LIST_DAYS = 35
CLOSED = 1  # DATA 5.2: by the operator


class Payment(NamedTuple):
    """An order with the receipt that answers it; of what is paid by hand there is none."""

    where: str
    order: SimpleNamespace
    receipt: SimpleNamespace
    is_proven: bool = True  # order, list, card and receipt agree

    def meant(self) -> tuple[bytes, str]:
        """A card's word is about its own payment of an order, whatever another card says of that order."""
        return self.order.hash, self.receipt.card_number


class NotHanded(NamedTuple):
    """A payment whose money the clerk did not hand over, with the hashes of the reversals announced for it (DATA 5.3)."""

    payment: Payment
    announced: set[bytes]


class Journal:
    """One terminal's journal: `entries` by sequence number with the hash of their bodies, `payments` in their order."""

    def __init__(self, terminal: str, folder: Folder, certificates: Certificates, issued: Issued):
        self.terminal, self.folder, self.findings = terminal, folder, folder.findings
        self.certificates, self.issued = certificates, issued
        self.key = load_key(folder.path / f"terminal-{terminal}.pem")
        self.key_hash = sha256(key_bytes(self.key))
        self.entries: dict[int, bytes] = {}
        self.payments: list[Payment] = []
        self.by_hand: list[Payment] = []  # without a receipt
        self.others: list[ReadBack] = []
        self.executed: list[ReadBack] = []  # of scripts that the terminal carried
        self.carried: list[Payment] = []  # at other terminals, as their cards told here
        self.carried_reversals: set[tuple[bytes, str]] = set()  # of an order by a card
        self.told: list[tuple[str, str, int]] = []  # where, and the entry of another terminal that existed
        self.synced: set[bytes] = set()
        self._certificates = [known for known in certificates.of_terminal(terminal, JOURNAL)
                              if key_bytes(known.key) == key_bytes(self.key)]
        self._lists: list[SimpleNamespace] = []  # in force
        self._newest_list = 0
        self._block_list: SimpleNamespace | None = None
        self._open: dict[bytes, SimpleNamespace] = {}
        self._fitting: set[bytes] = set()  # orders that their lists and cards prove
        self._drawer: str | None = None  # whose cash it is
        self._cash = 0
        self._unhanded: dict[int, Payment] = {}
        self.reversals: list[ReadBack] = []
        self.reversed: set[bytes] = set()
        self.not_handed: dict[bytes, str] = {}  # by the order's hash, with its card
        self._not_handed: dict[int, NotHanded] = {}
        self._left: set[int] = set()  # Intents among them that their cards refused to reverse here
        self._operator: str | None = None
        self._operators = 0
        self._newest: datetime | None = None
        where = f"journals/{terminal}.journal"
        self.findings.check(bool(self._certificates), where, "no valid certificate of its key (SPEC 3.4)")
        previous, boot = self.key_hash, 0
        with self.findings.about(where):
            for expected, found in enumerate(read(folder.read(where)), 1):
                where = f"journals/{terminal}.journal entry {expected}"
                with self.findings.about(where):
                    entry = parse(o.ENTRY, found.encoded)
                    self._place(where, entry, expected, previous, boot)
                    previous, boot = entry.body.hash, entry.body.boot
                    self.entries[entry.body.sequence] = entry.body.hash
                    self._content(where, entry.body)

    def _place(self, where: str, entry: SimpleNamespace, expected: int, previous: bytes, boot: int) -> None:
        """DATA 5.1."""
        body, check = entry.body, self.findings.check
        with self.findings.about(where):
            o.verify(entry, self.key)
        check(body.terminal == self.terminal, where, f"is of terminal {body.terminal}")
        check(body.sequence == expected, where, f"has sequence number {body.sequence} (DATA 5.1)")
        check(body.previous == previous, where, "does not follow the entry before it (DATA 5.1)")
        check((body.time is None) == (body.clock_source == 0), where, "time and clock source disagree (DATA 5.1)")
        fits = body.boot > boot if body.kind == o.BOOT else body.boot == boot or expected == 1
        check(fits, where, f"boot count {body.boot} after {boot} (DATA 5.1)")

    def _content(self, where: str, body: SimpleNamespace) -> None:
        content = parse_members(o.CONTENT[body.kind], body.content, 3)
        replay = {
            o.BOOT: self._boot, o.LIST_LOADED: self._list_loaded, o.BLOCK_LIST_LOADED: self._block_list_loaded,
            o.INTENT: self._intent, o.PAID: self._paid, o.HANDED: self._handed, o.REFUSED: self._refused,
            o.SYNCED: self._synced, o.STILL_OPEN: self._still_open, o.OPERATORS_LOADED: self._operators_loaded,
            o.CASH_RECEIVED: self._cash_received, o.CASH_COUNTED: self._cash_counted,
            o.SHIFT_OPENED: self._shift_opened, o.SHIFT_CLOSED: self._shift_closed,
            o.CLOCK_SET_BY_OPERATOR: self._clock_set_by_operator, o.CARD_BLOCKED: self._card_blocked,
            o.CARRIED: self._carried, o.MANUAL_PAID: self._manual_paid, o.EXECUTED: self._executed,
            o.NOT_HANDED: self._not_handed_over, o.REVERSE_INTENT: self._reverse_intent, o.REVERSED: self._reversed,
        }.get(body.kind)
        if replay:
            replay(where, content, body)
        if body.time is not None:
            self._newest = body.time if self._newest is None else max(self._newest, body.time)

    def _boot(self, where: str, content: SimpleNamespace, _) -> None:
        said = all(content.flags & o.TEST == known.flags & o.TEST for known in self._certificates)
        self.findings.check(said, where, "TEST flag differs from the certificate's (DATA 8.3)")
        self._operator = None

    def _operators_loaded(self, where: str, content: SimpleNamespace, _) -> None:
        self.findings.check(content.number > self._operators, where, "loads an older list of operators (DATA 11.1)")
        self._operators = content.number

    def _clock_set_by_operator(self, where: str, _, body: SimpleNamespace) -> None:
        self.findings.check(body.clock_source == 1, where, "another clock source than an operator (DATA 7)")
        behind = body.time is not None and self._newest is not None and body.time < self._newest
        self.findings.check(not behind, where, "a clock set behind an entry (DATA 7)")

    def _shift_opened(self, where: str, content: SimpleNamespace, _) -> None:
        self._operator = content.operator
        if self._drawer != content.operator:
            self._drawer, self._cash = content.operator, 0

    def _shift_closed(self, where: str, content: SimpleNamespace, _) -> None:
        self.findings.check(content.operator == self._operator, where, "closes a shift that is not open (DATA 5.3)")
        self._operator = None
        if content.end == CLOSED:
            self._drawer = None

    def _cash_received(self, where: str, content: SimpleNamespace, _) -> None:
        self.findings.check(content.operator == self._operator, where, "cash of an operator whose shift it is not (DATA 5.3)")
        self._cash += content.amount

    def _cash_counted(self, where: str, content: SimpleNamespace, _) -> None:
        self.findings.check(content.operator == self._operator, where, "cash of an operator whose shift it is not (DATA 5.3)")
        self.findings.check(content.expected == self._cash, where, f"{self._cash} VND of cash should be there (DATA 5.3)")

    def _list_loaded(self, where: str, content: SimpleNamespace, _) -> None:
        loaded = self.issued.lists.get(content.hash)
        if loaded is None:
            raise Refused("loads a payment list that is not there")
        check = self.findings.check
        check(loaded.number == content.number, where, "gives another list number (DATA 5.2)")
        check(loaded.terminal == self.terminal, where, "loads a list for another terminal (DATA 3.4)")
        check(loaded.number > self._newest_list, where, "loads an older list (DATA 3.4)")
        keeps = set(loaded.keeps or ())
        here = {before.number for before in self._lists}
        check(keeps <= here, where, "keeps a list that is not in force (DATA 3.4)")
        self._newest_list = max(self._newest_list, loaded.number)
        self._lists = [before for before in self._lists if before.number in keeps] + [loaded]

    def _block_list_loaded(self, where: str, content: SimpleNamespace, _) -> None:
        loaded = self.issued.block_lists.get(content.hash)
        if loaded is None:
            raise Refused("loads a block list that is not there")
        self.findings.check(loaded.number == content.number, where, "gives another block list number (DATA 5.2)")
        present = self._block_list
        # The same object: the list that was lost comes again.
        takes = present is None or loaded is present or loaded.number > present.number
        self.findings.check(takes, where, "loads an older block list (DATA 4)")
        self._block_list = loaded

    def _intent(self, where: str, content: SimpleNamespace, body: SimpleNamespace) -> None:
        order = content.order
        o.check_order(order)
        self._order_in_place(where, order, body)
        self.findings.check(len(self._open) < OPEN_INTENTS, where, "while as many Intents are open as can be (DATA 5.3)")
        self._open[order.hash] = order
        if self.findings.none_in(where, lambda: self._order_fits_line(where, order)):
            self._fitting.add(order.hash)

    def _manual_paid(self, where: str, content: SimpleNamespace, body: SimpleNamespace) -> None:
        """DATA 5.7."""
        order, check = content.order, self.findings.check
        o.check_manual_order(order)
        check(self._operators > 0, where, "a second operator without a list of operators (DATA 5.7)")
        self._order_in_place(where, order, body)
        check(content.card_number in self.issued.by_number(), where, "a card that is not there (DATA 5.7)")
        is_allowed = self.findings.none_in(where, lambda: self._allowed_by_hand(where, order, content.card_number))
        self._unhanded[order.sequence] = Payment(where, order, None, is_allowed)
        self.by_hand.append(self._unhanded[order.sequence])

    def _allowed_by_hand(self, where: str, order: SimpleNamespace, card_number: str) -> None:
        most = self._line_of_order(where, order, card_number).by_hand_up_to or 0
        self.findings.check(order.amount <= most, where, "by hand what the list does not allow (DATA 5.7)")

    def _order_in_place(self, where: str, order: SimpleNamespace, body: SimpleNamespace) -> None:
        check = self.findings.check
        same = any(order.cso_hash == one.cso_hash or order.line_key.person == one.line_key.person
                   for one in self._open.values())
        check(not same, where, "while another Intent of the same holder is open (DATA 5.3)")
        check(order.terminal == self.terminal, where, "order of another terminal (SPEC 9.2)")
        check(order.operator == self._operator, where, "order of an operator whose shift it is not (DATA 5.3)")
        here = (order.sequence, order.previous) == (body.sequence, body.previous)
        check(here, where, "order for another place in the journal (DATA 5.2)")
        day = order.time.date()
        agreement = self.certificates.of_terminal(self.terminal, AGREEMENT)
        for role, known in (("journal", self._certificates), ("agreement", agreement)):
            check(any(one.covers(day) for one in known), where, f"no valid {role} certificate on {day} (SPEC 9.3)")
        blocked = self._block_list
        check(blocked is not None and (day - blocked.issued.date()).days <= BLOCK_LIST_DAYS, where,
              f"without a block list of the last {BLOCK_LIST_DAYS} days (DATA 4)")

    def _line_of_order(self, where: str, order: SimpleNamespace, card_number: str) -> SimpleNamespace:
        """The list in force whose line for this card the order repeats."""
        payment_list = next((known for known in reversed(self._lists) if known.root == order.list_root), None)
        line = payment_list and payment_list.lines.get(order.line_number)
        if line is None:
            raise Refused("order of a line that is not there (SPEC 9.2)")
        check, day = self.findings.check, order.time.date()
        check(payment_list.first_day <= day <= payment_list.last_day, where, f"list not valid on {day} (DATA 3.1)")
        fits = (order.line_key, order.amount) == (line.line_key, line.amount)
        check(fits, where, "order and list line disagree (DATA 3.2)")
        check(bool(line.recipients & min(order.recipient, 2)), where, "recipient the line does not allow (DATA 3.2)")
        check(card_number == line.card_number, where, "card of another number than the line's (DATA 3.2)")
        blocked = self._block_list.cards if self._block_list else set()
        check(card_number not in blocked, where, "card is on the block list (DATA 4)")
        return payment_list

    def _order_fits_line(self, where: str, order: SimpleNamespace) -> None:
        card, check, day = self.issued.cards.get(order.cso_hash), self.findings.check, order.time.date()
        if card is None:
            raise Refused("order of a card that is not there (SPEC 9.2)")
        self._line_of_order(where, order, card.card_number)
        check(card.person == order.line_key.person, where, "card of another person than the line's (SPEC 9.3)")
        check(card.valid_from <= day <= card.valid_to, where, f"card not valid on {day} (SPEC 9.3)")
        check(bool(card.policy[0] & order.method), where, "holder check the card's policy does not allow (SPEC 4.1)")

    def _paid(self, where: str, content: SimpleNamespace, _) -> None:
        receipt = content.receipt
        order = self._open.pop(receipt.object_hash, None)
        if order is None:
            raise Refused("receipt is not for an open Intent (DATA 5.3)")
        is_answered = self.findings.none_in(where, lambda: self._receipt_fits(where, order, content))
        self.payments.append(Payment(where, order, receipt, is_answered and order.hash in self._fitting))
        self._unhanded[order.sequence] = self.payments[-1]
        self.folder.matches_signature(f"receipts/{self.terminal}-{order.sequence}", receipt.encoded, content.signature)

    def _receipt_fits(self, where: str, order: SimpleNamespace, content: SimpleNamespace) -> None:
        receipt, card = content.receipt, self.issued.cards.get(order.cso_hash)
        if card is None:
            raise Refused("receipt of a card that is not there")
        o.verify_bytes(receipt.encoded, content.signature, card.signing_key)
        check = self.findings.check
        fits = (receipt.card_number, receipt.version) == (card.card_number, card.version)
        check(fits, where, "card number or version of another card security object (SPEC 9.4)")
        o.check_receipt(receipt)
        check(receipt.kind == o.PAYMENT, where, "receipt of another kind than a payment (SPEC 9.4)")
        method, tries = receipt.holder_check
        check((method == PIN) == (order.method == PIN) and tries <= card.policy[1], where, "holder check does not fit order and policy (SPEC 9.4)")

    def _card_blocked(self, where: str, content: SimpleNamespace, _) -> None:
        receipt, blocked, check = content.receipt, self._block_list, self.findings.check
        verify_receipt(receipt, content.signature, self.issued)
        check(receipt.kind == o.BLOCKING, where, "receipt of another kind than a block list (DATA 5.2)")
        shown = blocked is not None and blocked.hash == receipt.object_hash
        check(shown, where, "receipt for another block list than the one in force (DATA 5.2)")
        check(shown and receipt.card_number in blocked.cards, where, "card that is not on the block list (DATA 5.2)")
        self.others.append(ReadBack(where, receipt))

    def _executed(self, where: str, content: SimpleNamespace, _) -> None:
        verify_receipt(content.receipt, content.signature, self.issued)
        if content.receipt.kind != o.SCRIPT:
            raise Refused("receipt of another kind than an issuer script (DATA 5.2)")
        self.executed.append(ReadBack(where, content.receipt))
        self.others.append(self.executed[-1])

    def _carried(self, where: str, content: SimpleNamespace, _) -> None:
        receipt, done, check = content.receipt, o.check_carried(content), self.findings.check
        verify_receipt(receipt, content.signature, self.issued)
        check(done.terminal != self.terminal, where, "carries a receipt of its own (DATA 5.6)")
        self.told.append((where, done.terminal, done.sequence))
        self.others.append(ReadBack(where, receipt))
        if content.order is None:
            return self.carried_reversals.add((done.order_hash, receipt.card_number))
        is_listed = self.findings.none_in(where, lambda: self._carried_fits_line(where, done, receipt.card_number))
        is_own = self.findings.none_in(where, lambda: self._carried_fits_card(where, done, receipt))
        if is_listed:  # whoever has a card's key can have it sign orders for others' lines
            self.carried.append(Payment(where, done, receipt, is_own))

    def _carried_fits_line(self, where: str, done: SimpleNamespace, card_number: str) -> None:
        lists = [known for known in self.issued.lists.values()
                 if (known.root, known.terminal) == (done.list_root, done.terminal)]
        if not lists:
            raise Refused("carried order of a list that is not there (DATA 5.6)")
        line = lists[0].lines.get(done.line_number)
        fits = line is not None and (done.line_key, done.amount, card_number) == (line.line_key, line.amount, line.card_number)
        self.findings.check(fits, where, "carried order and list line disagree (DATA 3.2)")

    def _carried_fits_card(self, where: str, done: SimpleNamespace, receipt: SimpleNamespace) -> None:
        card, check = self.issued.cards.get(done.cso_hash), self.findings.check
        if card is None:
            raise Refused("carried order of a card that is not there (DATA 5.6)")
        own = (receipt.card_number, receipt.version) == (card.card_number, card.version)
        check(own, where, "card number or version of another card security object (SPEC 9.4)")
        check((receipt.holder_check[0] == PIN) == (done.method == PIN), where, "holder check does not fit the order (SPEC 9.4)")

    def _handed(self, where: str, content: SimpleNamespace, _) -> None:
        self.findings.check(content.intent in self._unhanded, where, "no paid Intent, or handed before (DATA 5.2)")
        payment = self._unhanded.pop(content.intent, None)
        self._cash -= payment.order.amount if payment else 0
        if content.intent in self._not_handed:  # the money has left: its card undoes nothing any more (DATA 5.5)
            del self.not_handed[self._not_handed.pop(content.intent).payment.order.hash]

    def _not_handed_over(self, where: str, content: SimpleNamespace, _) -> None:
        if content.order is not None:  # told again (DATA 5.5)
            known = self._waiting(content.intent).payment.order.hash == content.order.hash
            return self.findings.check(known, where, "tells again of another order (DATA 5.5)")
        payment = self._unhanded.pop(content.intent, None)
        if payment is None:
            raise Refused("not handed over, and no paid Intent or handed before (DATA 5.2)")
        if payment.receipt is None:  # paid by hand: nothing is left to undo (DATA 5.7)
            return self.reversed.add(payment.order.hash)
        self._not_handed[content.intent] = NotHanded(payment, set())
        self.not_handed[payment.order.hash] = payment.receipt.card_number

    def _waiting(self, intent: int) -> NotHanded:
        if intent not in self._not_handed or intent in self._left:
            raise Refused("reversal of a payment of which no NotHanded tells (DATA 5.5)")
        return self._not_handed[intent]

    def _reverse_intent(self, where: str, content: SimpleNamespace, body: SimpleNamespace) -> None:
        reversal, check, waiting = content.reversal, self.findings.check, self._waiting(content.intent)
        if reversal.hash in waiting.announced:
            return  # told again (DATA 5.5)
        waiting.announced.add(reversal.hash)
        o.check_order(reversal)
        check(reversal.order_hash == waiting.payment.order.hash, where, "reversal of another order (DATA 5.2)")
        check(reversal.terminal == self.terminal, where, "reversal of another terminal (SPEC 9.8)")
        check(reversal.operator == self._operator, where, "reversal of an operator whose shift it is not (DATA 5.3)")
        here = (reversal.sequence, reversal.previous) == (body.sequence, body.previous)
        check(here, where, "reversal for another place in the journal (DATA 5.2)")

    def _reversed(self, where: str, content: SimpleNamespace, _) -> None:
        is_left = content.intent in self._left
        self.findings.check(not is_left, where, "reversed, and its card had refused that here (DATA 5.5)")
        self._left.discard(content.intent)
        receipt, waiting = content.receipt, self._waiting(content.intent)
        paid = waiting.payment
        if receipt.object_hash not in waiting.announced:
            raise Refused("receipt of a reversal that is not announced (DATA 5.5)")
        card = self.issued.cards.get(paid.order.cso_hash)
        if card is None or receipt.card_number != card.card_number:
            raise Refused("reversed by another card than the one that paid (DATA 5.5)")
        o.verify_bytes(receipt.encoded, content.signature, card.signing_key)
        o.check_receipt(receipt)
        if receipt.kind != o.REVERSAL:
            raise Refused("receipt of another kind than a reversal (SPEC 9.4)")
        del self._not_handed[content.intent]
        self.reversed.add(paid.order.hash)
        self.reversals.append(ReadBack(where, receipt))

    def _refused(self, where: str, content: SimpleNamespace, _) -> None:
        if content.intent is None:
            return
        by_card = content.status is not None and 0x6340 <= int.from_bytes(content.status, "big") <= 0x634F
        waiting = self._not_handed.get(content.intent)
        if by_card and waiting and waiting.announced and content.intent not in self._left:
            return self._left.add(content.intent)  # the card does not reverse it here
        closed = next((one.hash for one in self._open.values() if one.sequence == content.intent), None)
        if closed is None:
            raise Refused("closes an Intent that is not open (DATA 5.3)")
        del self._open[closed]
        self.findings.check(by_card, where, "closes an Intent without a 634X of the card (DATA 5.3)")

    def _still_open(self, where: str, content: SimpleNamespace, _) -> None:
        self.findings.check(content.order.hash in self._open, where, "repeats an order that is not open (DATA 5.3)")

    def _synced(self, where: str, content: SimpleNamespace, body: SimpleNamespace) -> None:
        self.synced.add(content.hash)
        self.findings.check(content.sequence < body.sequence, where, "acknowledges entries to come (DATA 5.2)")


def verify_receipt(receipt: SimpleNamespace, signature: bytes, issued: Issued) -> None:
    """Refused unless a card that is there has signed the receipt."""
    o.check_receipt(receipt)
    card = next((card for card in issued.cards.values() if card.card_number == receipt.card_number), None)
    if card is None:
        raise Refused("receipt of a card that is not there")
    o.verify_bytes(receipt.encoded, signature, card.signing_key)


class ReadBack(NamedTuple):
    """A receipt that a card showed to somebody else than its terminal (DATA 2, 5.2), with where that is told."""

    where: str
    receipt: SimpleNamespace


def read_back(name: str, folder: Folder, issued: Issued) -> ReadBack:
    """The receipt in `receipts/name`, `name` being card number and counter; Refused if its card did not sign it."""
    where = f"receipts/{name}.signed.bin"
    receipt = parse(o.RECEIPT_BODY, folder.read(where))
    o.check_receipt(receipt)
    folder.findings.check(name == f"{receipt.card_number}-{receipt.counter}", where, "of another card or counter (DATA 2)")
    card = next((card for card in issued.cards.values() if card.card_number == receipt.card_number), None)
    if card is None:
        raise Refused("receipt of a card that is not there")
    o.verify_der(receipt.encoded, folder.read(f"receipts/{name}.sig.der"), card.signing_key)
    return ReadBack(where, receipt)


def undone_by_issuer(name: str, receipt: SimpleNamespace, folder: Folder, certificates: Certificates) -> set[tuple[bytes, str]]:
    """Order and card of the payment that the script of a receipt has undone, if it has (SPEC 13.7); Refused if it is not its script."""
    record = parse(o.ISSUER_SCRIPT, folder.read(f"receipts/{name}.script"))
    script = record.body
    content = parse_members(o.ACTION[script.action], script.content, 3)
    place = (o.SCRIPT, script.hash, script.card_number, script.counter + 1)
    if place != (receipt.kind, receipt.object_hash, receipt.card_number, receipt.counter):
        raise Refused("a script that its receipt is not for (SPEC 13.1)")
    o.verify(record, certificates.issuer(script.issuer, script.issued.date()).key)
    return {(content.hash, script.card_number)} if script.action == o.REVERSE else set()


def undone_by_reversal(name: str, receipt: SimpleNamespace, folder: Folder) -> tuple[bytes, str]:
    """Order and card of the payment that the reversal beside a receipt has undone (DATA 5.6); Refused if it is not its reversal."""
    reversal = parse(o.REVERSAL_ORDER, folder.read(f"receipts/{name}.reversal"))
    if (receipt.kind, receipt.object_hash) != (o.REVERSAL, reversal.hash):
        raise Refused("a reversal that its receipt is not for (SPEC 9.8)")
    return reversal.order_hash, receipt.card_number


def only_carried(journals: list[Journal], undone: set[tuple[bytes, str]]) -> list[Payment]:
    """Payments of listed lines of which only their cards tell, each once, but for those that they tell undone (DATA 5.6)."""
    known = {payment.meant() for journal in journals for payment in journal.payments}
    carried: dict[tuple[bytes, str], Payment] = {}
    for journal in journals:
        for payment in journal.carried:
            carried.setdefault(payment.meant(), payment)
    return [payment for meant, payment in carried.items() if meant not in known | undone]


def check_receipts(payments: list[Payment], beside: list[Payment], reversed_orders: set[bytes], others: list[ReadBack], issued: Issued, findings) -> None:
    """No line paid twice, also by those `beside` (by hand, and told by cards alone), but for what was reversed (SPEC 9.8); each card's receipts in one chain (SPEC 9.4) and under its caps (SPEC 9.5)."""
    paid: dict[o.LineKey, str] = {}
    for payment in sorted(payments + beside, key=lambda payment: not payment.is_proven):  # what is not proven accuses nobody
        if payment.order.hash in reversed_orders:
            continue
        first = paid.setdefault(payment.order.line_key, payment.where)
        findings.check(first is payment.where, payment.where, f"the line was paid before, {first} (SPEC 9.3)")
    for number, versions in issued.by_number().items():
        own = [payment for payment in payments if payment.receipt.card_number == number]
        known = {payment.receipt.hash for payment in own}
        for where, receipt in others:  # a reversal may be read back from its card, too
            if receipt.card_number == number and receipt.hash not in known:
                known.add(receipt.hash)
                own.append(Payment(where, None, receipt))
        previous, month, spent = versions[0].hash, "", 0
        for expected, (where, order, receipt, _) in enumerate(sorted(own, key=lambda one: one.receipt.counter), 1):
            findings.check(receipt.counter == expected, where, f"receipt {receipt.counter}, expected {expected} (SPEC 9.4)")
            findings.check(receipt.previous == previous, where, "does not follow the card's receipt before it (SPEC 9.4)")
            previous = receipt.hash
            if order is None:
                findings.check(receipt.kind != o.PAYMENT, where, "a payment that no journal shows (DATA 2)")
                spent = 0  # a reversal lowers the total (SPEC 9.8), and so may a script
                continue
            ordered = order.time.strftime("%Y%m")
            month, spent = (ordered, 0) if ordered > month else (month, spent)
            spent += order.amount
            card = next((card for card in versions if card.version == receipt.version), versions[-1])
            findings.check(order.amount <= card.caps[0] and spent <= card.caps[1], where, "above the card's caps (SPEC 9.3)")
