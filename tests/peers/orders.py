"""Orders for lines that nobody listed: a card does not see payment lists (SPEC 11.5)."""
from __future__ import annotations

import datetime
import secrets

import encoding
from encoding import tlv
from folder import sha256
from station import today


def order_for(cso, terminal, entitlement: int, amount=1_000, **changes) -> bytes:
    """A new order (SPEC 9.2) of this terminal for a line of this month, sudden relief, which every card has."""
    month = f"{today():%Y%m}"
    now = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=7)))
    members = {"sequence": 7, "previous": bytes(32), "root": bytes(32), "cso_hash": cso.hash,
               "key": encoding.line_key(cso.person, entitlement, 4, month, b"DXUA"), "amount": amount,
               "time": f"{now:%Y%m%d%H%M%S}", "nonce": secrets.token_bytes(16)}
    return encoding.order(terminal.name.encode(), **(members | changes))


def reversal_of(order: bytes, cso, terminal, **changes) -> bytes:
    """A new reversal (SPEC 9.8) of an order, by its terminal."""
    now = datetime.datetime.now(datetime.timezone(datetime.timedelta(hours=7)))
    members = {"81": terminal.name.encode(), "82": (8).to_bytes(4, "big"), "83": bytes(32), "84": sha256(order),
               "85": cso.hash, "8A": b"\1", "8B": b"LAN", "8D": bytes.fromhex(f"{now:%Y%m%d%H%M%S}"), "8E": b"\2",
               "8F": secrets.token_bytes(16)}
    return tlv("FF2C", *(tlv(tag, value) for tag, value in (members | changes).items()))
