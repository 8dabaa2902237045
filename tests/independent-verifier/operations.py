"""The operations log of DATA 2.1: who did what, each operation naming the one before."""
from __future__ import annotations

import hashlib
import re

from folder import Folder

HASH, POSITION = re.compile(rb"[0-9a-f]{64}"), re.compile(rb"[1-9][0-9]{0,18}")


def check_operations(folder: Folder, csos: list[str], lists: list[str], block_lists: list[str]) -> int:
    """The number of operations. Every card, payment list and block list was made by one; without a log nothing is said."""
    if not (folder.path / "operations.log").exists():
        return 0
    findings, told, head = folder.findings, set(), (0, b"0" * 64)
    *lines, rest = folder.read("operations.log").split(b"\n")
    findings.check(not rest and len(lines) % 8 == 0, "operations.log", "not eight lines to an operation (DATA 2.1)")
    for operation in zip(*[iter(lines)] * 8):
        kind, position, _time, _operator, action, subject, previous, stated = operation
        if kind != b"ansinh operation 1" or not POSITION.fullmatch(position) or not HASH.fullmatch(previous):
            findings.check(False, "operations.log", f"no operation after {head[0]} (DATA 2.1)")
            continue
        where = f"operations.log, operation {int(position)}"
        hashed = b"".join(line + b"\n" for line in operation[:7])
        findings.check(hashlib.sha256(hashed).hexdigest().encode() == stated, where, "has another hash (DATA 2.1)")
        findings.check((int(position), previous) == (head[0] + 1, head[1]), where, "does not follow the one before (DATA 2.1)")
        head = (int(position), stated)
        told.add((action.decode(errors="replace"), subject.decode(errors="replace").split(" ")[0]))
    for action, names in (("card-begun", csos), ("payment-list-made", lists), ("block-list-made", block_lists)):
        for name in names:
            findings.check((action, name) in told, "operations.log", f"nothing of {action} {name} (DATA 2.1)")
    return head[0]
