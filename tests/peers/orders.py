"""Orders for lines that nobody listed: a card does not see payment lists (SPEC 11.5)."""
from __future__ import annotations

import datetime
import secrets

import encoding
from station import today


def order_for(cso, terminal, entitlement: int, amount=1_000, **changes) -> bytes:
    """A new order (SPEC 9.2) of this terminal for a line of this month, sudden relief, which every card has."""
    month = f"{today():%Y%m}"
    now = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=7)))
    members = {"sequence": 7, "previous": bytes(32), "root": bytes(32), "cso_hash": cso.hash,
               "key": encoding.line_key(cso.person, entitlement, 4, month, b"DXUA"), "amount": amount,
               "time": f"{now:%Y%m%d%H%M%S}", "nonce": secrets.token_bytes(16)}
    return encoding.order(terminal.name.encode(), **(members | changes))
