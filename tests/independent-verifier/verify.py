#!/usr/bin/python3
"""Verifies a folder of DATA chapter 2 without any of the project's code: from SPEC.md and DATA.md alone.

    verify.py FOLDER --root FOLDER/root.pem

Prints a line for each finding and a last line with counts; exits 0 only without findings. Give the root key from a place
you trust rather than from the folder. What was cut from the end of a journal or of the issuer's sequence, together with all
that refers to it, leaves no trace in the folder.

Needs Python 3.11 and Debian's package python3-cryptography.
"""
from __future__ import annotations

import argparse
import sys
from pathlib import Path

from folder import ISSUER, JOURNAL, ROOT, TERMINAL_CA, Certificates, Findings, Folder, key_bytes, load_key
from issued import Issued
from journal import Journal, check_receipts, only_carried, read_back, undone_by_issuer, undone_by_reversal
from objects import ACKNOWLEDGEMENT, verify
from operations import check_operations
from tlv import Refused, parse


def check_keys(folder: Folder, certificates: Certificates) -> None:
    """Each PEM file holds a key that is certified for its role."""
    roles = {"root.pem": (ROOT, ""), "issuer.pem": (ISSUER, ""), "terminal-ca.pem": (TERMINAL_CA, "")}
    for path in sorted(folder.path.glob("terminal-VNT*.pem")):
        roles[path.name] = (JOURNAL, path.stem.removeprefix("terminal-"))
    for name, (role, terminal) in roles.items():
        with folder.findings.about(name):
            key = key_bytes(load_key(folder.path / name))
            certified = any(known.role == role and known.holder.startswith(terminal) and key_bytes(known.key) == key
                            for known in certificates.by_holder.values())
            folder.findings.check(certified, name, "no valid certificate of this key (SPEC 3.4)")


def check_acknowledgement(name: str, folder: Folder, certificates: Certificates, journals: dict[str, Journal]) -> bytes:
    """DATA 6; the hash of the acknowledgement's body."""
    where = f"acks/{name}.ack"
    record = parse(ACKNOWLEDGEMENT, folder.read(where))
    body = record.body
    verify(record, certificates.issuer(body.issuer, body.time.date()).key)
    folder.findings.check(name == f"{body.terminal}-{body.sequence}", where, "its name does not fit (DATA 2)")
    journal = journals.get(body.terminal)
    if journal is None:
        raise Refused(f"no journal of {body.terminal}")
    entry = journal.entries.get(body.sequence)
    folder.findings.check(entry == body.entry_hash, where, f"entry {body.sequence} is another one or missing (DATA 6)")
    folder.findings.check(body.journal_key_hash == journal.key_hash, where, "of another journal key (DATA 6)")
    return body.hash


def verify_folder(path: Path, root: Path) -> tuple[list[str], str]:
    """The findings, and the counts of what was looked at."""
    findings = Findings()
    folder = Folder(path, findings)
    certificates = Certificates(folder, load_key(root))
    check_keys(folder, certificates)
    issued = Issued(folder, certificates)

    journals: dict[str, Journal] = {}
    for terminal in folder.names("journals", ".journal"):
        with findings.about(f"journals/{terminal}.journal"):
            journals[terminal] = Journal(terminal, folder, certificates, issued)
    payments = [payment for journal in journals.values() for payment in journal.payments]

    paid = {f"{payment.order.terminal}-{payment.order.sequence}" for payment in payments}
    others = [receipt for journal in journals.values() for receipt in journal.others]
    scripts = {path.name.removesuffix(".script") for path in path.glob("receipts/*.script")}
    executed = {f"{told.receipt.card_number}-{told.receipt.counter}": told for journal in journals.values() for told in journal.executed}
    reversals = {path.name.removesuffix(".reversal") for path in path.glob("receipts/*.reversal")}
    by_issuer, by_card = set(), set().union(*(journal.carried_reversals for journal in journals.values()))
    for name in folder.names("receipts", ".signed.bin", ".sig.der", ".script", ".reversal"):
        if not name[:1].isdigit():
            findings.check(name in paid and name not in scripts | reversals, f"receipts/{name}", "no Paid entry in a journal (DATA 2)")
        elif name not in executed or (path / f"receipts/{name}.signed.bin").exists():
            with findings.about(f"receipts/{name}"):
                others.append(read_back(name, folder, issued))
                if name in scripts:
                    by_issuer |= undone_by_issuer(name, others[-1].receipt, folder, certificates)
                if name in reversals:
                    by_card.add(undone_by_reversal(name, others[-1].receipt, folder))
    for name, (where, receipt) in executed.items():
        with findings.about(where):
            by_issuer |= undone_by_issuer(name, receipt, folder, certificates)
    others += [reversal for journal in journals.values() for reversal in journal.reversals]
    beside = [payment for journal in journals.values() for payment in journal.by_hand] + only_carried(list(journals.values()), by_card)
    undone = set().union(*(journal.reversed for journal in journals.values()))
    not_handed = {told for journal in journals.values() for told in journal.not_handed.items()}
    for order, card in sorted(by_issuer):
        known = (order, card) in not_handed
        findings.check(known, f"card {card}", "undone by the issuer, and no journal says that the money was not handed over (SPEC 13.7)")
        undone |= {order} if known else set()
    undone |= {order for order, _ in by_card & not_handed}  # DATA 5.6
    check_receipts(payments, beside, undone, others, issued, findings)

    for where, terminal, sequence in (told for journal in journals.values() for told in journal.told):
        there = terminal in journals and sequence in journals[terminal].entries
        findings.check(there, where, f"entry {sequence} of {terminal} existed and is not there (DATA 5.6)")

    acknowledged = set()
    for name in folder.names("acks", ".ack"):
        with findings.about(f"acks/{name}.ack"):
            acknowledged.add(check_acknowledgement(name, folder, certificates, journals))
    for terminal, journal in journals.items():
        missing = len(journal.synced - acknowledged)
        findings.check(not missing, f"journals/{terminal}.journal", f"{missing} Synced entries without their acknowledgement")

    def stems(pattern: str) -> list[str]:
        return [found.name.removesuffix(found.suffix) for found in sorted(path.glob(pattern))]
    operations = 0
    with findings.about("operations.log"):
        operations = check_operations(folder, stems("cards/*"), stems("lists/*.list"), stems("blocklists/*.block*"))

    entries = sum(len(journal.entries) for journal in journals.values())
    return findings.lines, (
        f"{len(certificates.by_holder)} certificates, {len(issued.cards)} cards, {len(issued.lists)} payment lists, "
        f"{len(issued.block_lists)} block lists, {len(journals)} journals with {entries} entries, {len(payments)} payments, "
        f"{len(acknowledged)} acknowledgements, {operations} operations")


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("folder", type=Path, help="a folder as in DATA.md, chapter 2")
    arguments.add_argument("--root", type=Path, required=True, help="the national root's public key, PEM")
    given = arguments.parse_args()
    try:
        findings, counts = verify_folder(given.folder, given.root)
    except Refused as refused:
        findings, counts = [str(refused)], "nothing verified"
    for finding in findings:
        print(finding)
    print(f"{counts}: {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
