"""Canonical BER-TLV, SPEC clause 1: one encoding for each content, everything else is refused.

A template is described by its tag and its members in order; `parse` gives a record with the members by name.
"""
from __future__ import annotations

import hashlib
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Callable, Iterator, NamedTuple

MAX_DEPTH = 4  # SPEC 1.3


class Refused(ValueError):
    """The bytes or what they say break the specification; the text names the clause."""


class Object(NamedTuple):
    """One data object: its tag, its value and its own bytes as received (SPEC 1.5)."""

    tag: str
    value: bytes
    encoded: bytes


@dataclass(frozen=True)
class Template:
    """A constructed data object and the members it holds, in this order (SPEC 1.2)."""

    tag: str
    members: tuple[Member, ...]


class Member(NamedTuple):
    """A member of a template: `kind` is a template or turns the value's bytes into a Python value."""

    tag: str
    name: str
    kind: Template | Callable[[bytes], Any]
    optional: bool = False


def read(data: bytes) -> Iterator[Object]:
    """The data objects `data` is a concatenation of, without looking into them."""
    while data:
        tag_size = _tag_size(data)
        value_at, length = _length(data, tag_size)
        end = value_at + length
        if end > len(data):
            raise Refused(f"object {data[:tag_size].hex().upper()} is cut short (SPEC 1.1)")
        yield Object(data[:tag_size].hex().upper(), data[value_at:end], data[:end])
        data = data[end:]


def read_one(data: bytes, tag: str) -> Object:
    """The single object `tag` that `data` is."""
    objects = list(read(data))
    if [found.tag for found in objects] != [tag]:
        raise Refused(f"expected one object {tag}, found {[found.tag for found in objects]} (SPEC 1.2)")
    return objects[0]


def parse(template: Template, data: bytes, depth: int = 1) -> SimpleNamespace:
    """The members of the template that `data` is, by name, with its bytes (`encoded`) and their SHA-256 (`hash`)."""
    found = read_one(data, template.tag)
    record = parse_members(template, found.value, depth)
    record.encoded, record.hash = data, hashlib.sha256(data).digest()
    return record


def parse_members(template: Template, value: bytes, depth: int) -> SimpleNamespace:
    """The members held in `value`, the content of a template that is the `depth`th, counting the outermost as 1."""
    if depth > MAX_DEPTH:
        raise Refused(f"template {template.tag} is nested deeper than {MAX_DEPTH} (SPEC 1.3)")
    record = SimpleNamespace()
    waiting = list(read(value))
    for member in template.members:
        if not waiting or waiting[0].tag != member.tag:
            if not member.optional:
                raise Refused(f"{template.tag}: {member.tag} ({member.name}) is missing or out of order (SPEC 1.2)")
            setattr(record, member.name, None)
            continue
        found = waiting.pop(0)
        if isinstance(member.kind, Template):
            setattr(record, member.name, parse(member.kind, found.encoded, depth + 1))
            continue
        try:
            setattr(record, member.name, member.kind(found.value))
        except ValueError as error:
            raise Refused(f"{template.tag}: {member.tag} ({member.name}): {error}") from None
    if waiting:
        raise Refused(f"{template.tag}: {waiting[0].tag} does not belong here (SPEC 1.2)")
    return record


def _tag_size(data: bytes) -> int:
    if data[0] == 0x00:
        raise Refused("padding between objects (SPEC 1.3)")
    if data[0] & 0x1F != 0x1F:
        return 1
    # A second byte with bit 8 announces a third one; a tag number below 31 fits in one byte (8.1.2.4).
    if len(data) < 2 or not 0x1F <= data[1] < 0x80:
        raise Refused(f"tag {data[:2].hex().upper()} is not in the fewest bytes or too long (SPEC 1.1)")
    return 2


def _length(data: bytes, at: int) -> tuple[int, int]:
    """Where the value starts and how long it is."""
    if at >= len(data):
        raise Refused("object without a length (SPEC 1.1)")
    first = data[at]
    if first < 0x80:
        return at + 1, first
    size = first - 0x80
    digits = data[at + 1:at + 1 + size]
    length = int.from_bytes(digits, "big")
    if size == 0 or len(digits) < size or digits[0] == 0 or length < 0x80:
        raise Refused("length is indefinite or not in the fewest bytes (SPEC 1.1)")
    return at + 1 + size, length
