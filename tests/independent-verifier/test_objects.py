"""The vectors of signed objects and files (`card-applet-spec/vectors`): each valid one is read, each other one refused."""
import hashlib
import json
import unicodedata
import unittest
from pathlib import Path

import objects as o
from objects import template
from tlv import Refused, parse, parse_members, read

VECTORS = Path(__file__).resolve().parents[2] / "card-applet-spec" / "vectors"


def name(value: bytes) -> str:
    """UTF-8, NFC, at most 192 bytes (SPEC 5.1)."""
    text = value.decode("utf-8")
    if not 1 <= len(value) <= 192 or unicodedata.normalize("NFC", text) != text or not text.isprintable():
        raise ValueError("no name")
    return text


def birth_date(value: bytes) -> str:
    """`date8`: month and day may be unknown."""
    text = o.digits(o.exactly(4)(value))
    o.time(bytes.fromhex(text[:4] + text[4:].replace("00", "01") + "000000"))
    return text


def digits(count: int):
    """ASCII digits."""
    def decode(value: bytes) -> str:
        if len(value) != count or not value.isdigit():
            raise ValueError(f"not {count} digits")
        return value.decode()
    return decode


def at_most(size: int):
    """Bytes that nobody parses."""
    def decode(value: bytes) -> bytes:
        if len(value) > size:
            raise ValueError(f"more than {size} bytes")
        return value
    return decode


SALT = ("80", "salt", o.exactly(16))
PROGRAMME = template("A1", ("80", "code", o.an(4)), ("81", "from_", o.period), ("82", "to", o.period, True),
                     ("83", "status", o.u(1, 0, 1)))
PERSON = template("A1", ("5F20", "name", name), ("80", "personal_id", o.an(12)), ("81", "relation", digits(2)),
                  ("5F24", "valid_to", o.date), ("82", "document", o.an(30), True))
REQUEST = template("7F21", ("7F4E", "body", template(
    "7F4E", ("5F29", "profile", o.constant("00")), ("7F49", "public_key", o.PUBLIC_KEY), ("5F20", "holder", o.reference))),
    ("5F37", "signature", o.exactly(64)))
KINDS = {  # SPEC 2.2, 3, 4, 5.1, 6.5, 7.6, 9 and DATA 3 to 7
    "certificate": o.CERTIFICATE, "request": REQUEST, "cso": o.CSO, "journal-entry": o.ENTRY, "order": o.ORDER,
    "receipt": o.signed(o.RECEIPT_BODY), "list-header": o.LIST, "list-line": o.LINE, "block-list-header": o.BLOCK_LIST,
    "block-list-entry": o.BLOCKED, "block-delta-base": o.DELTA_BASE, "block-delta-unblocked": o.UNBLOCKED,
    "acknowledgement": o.ACKNOWLEDGEMENT,
    "reversal": o.REVERSAL_ORDER,
    "issuer-script": o.ISSUER_SCRIPT,
    "time-statement": o.signed(template(
        "FF28", ("80", "suite", o.suite), ("42", "issuer", o.reference), ("81", "terminal", o.terminal_name),
        ("82", "nonce", o.exactly(16)), ("83", "time", o.set_time))),
    "session-binding": o.signed(template(
        "FF29", ("80", "suite", o.suite), ("81", "receipt", o.exactly(16)), ("82", "cso_hash", o.hash32),
        ("83", "terminal", o.terminal_name))),
    "key-possession": o.signed(template(
        "FF2A", ("80", "suite", o.suite), ("5A", "card_number", o.card_number), ("81", "nonce", o.exactly(16)),
        ("83", "agreement_key", o.point), ("84", "signing_key", o.point))),
    "holder": template(
        "FF31", SALT, ("5F20", "name", name), ("5F2B", "birth", birth_date), ("5F35", "sex", o.u(1, 0x31, 0x33)),
        ("81", "personal_id", o.an(15)), ("82", "social_security", o.an(15)), ("83", "province", digits(2)),
        ("84", "commune", digits(5))),
    "portrait": template("FF32", SALT, ("5F40", "image", at_most(6_000))),
    "linked-numbers": template(
        "FF34", SALT, ("81", "social", o.an(10), True), ("82", "health", o.an(15), True), ("83", "tax", o.an(13), True)),
    "issuance": template("FF36", SALT, ("81", "agency", o.an(35)), ("82", "issued", o.date), ("83", "pay_point", o.an(12), True)),
}
REPEATED = {"programmes": ("FF33", PROGRAMME, 1, 9), "representatives": ("FF35", PERSON, 0, 2)}


def judge(kind: str, encoded: bytes, key=None):
    """Reads an object as its clause says; Refused for any other."""
    if kind in REPEATED:
        return judge_repeated(encoded, *REPEATED[kind])
    record = parse(KINDS[kind], encoded)
    if kind == "certificate":
        o.check_public_key(record.body.public_key)
    if kind in ("order", "reversal"):
        o.check_order(record)
    if kind == "receipt":
        o.check_receipt(record.body)
    if kind == "journal-entry":
        content = parse_members(o.CONTENT[record.body.kind], record.body.content, 3)
        if record.body.kind == o.MANUAL_PAID:
            o.check_manual_order(content.order)
    if kind == "issuer-script":
        parse_members(o.ACTION[record.body.action], record.body.content, 3)
    if key:
        o.verify(record, key)
    return record


def judge_repeated(encoded: bytes, tag: str, member: o.Template, fewest: int, most: int) -> None:
    """A data group whose members may come several times (SPEC 5.1)."""
    (group,) = read(encoded)
    salt, *members = read(group.value) if group.tag == tag else [None]
    if salt is None or salt.tag != "80" or len(salt.value) != 16 or not fewest <= len(members) <= most:
        raise Refused("no such data group")
    for found in members:
        parse(member, found.encoded, 2)


class Objects(unittest.TestCase):
    def kinds(self):
        found = [kind for path in sorted(VECTORS.glob("*.json")) for kind in json.loads(path.read_text()).get("kinds", [])]
        self.assertTrue(found)
        return found

    def test_valid(self):
        for kind in self.kinds():
            for vector in kind["valid"]:
                with self.subTest(kind["kind"], vector=vector["name"]):
                    encoded, signer = bytes.fromhex(vector["encoding"]), vector.get("signer")
                    judge(kind["kind"], encoded, signer and o.point(bytes.fromhex(signer["public_key"])))
                    body = bytes.fromhex(vector["body"])
                    self.assertIn(body, encoded)
                    self.assertEqual(hashlib.sha256(body).hexdigest(), vector["body_sha256"])

    def test_refused(self):
        for kind in self.kinds():
            keys = {vector["signer"]["public_key"] for vector in kind["valid"] if "signer" in vector}
            for vector in kind["refused"]:
                encoded = bytes.fromhex(vector["encoding"])
                for key in keys or {None}:
                    # Only a vector about the signature may depend on it: the others break before it is looked at.
                    signer = o.point(bytes.fromhex(key)) if key and vector["refusal"] == "signature" else None
                    with self.subTest(kind["kind"], vector=vector["name"]), self.assertRaises((Refused, ValueError)):
                        judge(kind["kind"], encoded, signer)


if __name__ == "__main__":
    unittest.main()
