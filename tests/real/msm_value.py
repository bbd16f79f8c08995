"""Reads what MSM stores, by the tables of docs/msm.md."""

import dataclasses
import struct

AUTH = ("none", "BASIC", "CLIENT_CERT", "DIGEST", "FORM")
FIXED = struct.Struct(">hhqqiccqqh")
VALIDITY = struct.Struct(">iqq")


@dataclasses.dataclass(frozen=True)
class Value:
    """A session's value; times in milliseconds, `idle` in seconds."""

    version: int
    attributes_at: int
    created: int
    last_accessed: int
    idle: int
    is_new: bool
    is_valid: bool
    this_accessed: int
    last_backup: int
    id: str
    auth: str
    principal: bytes
    form_request: bytes
    form_principal: bytes
    attributes: bytes


def read_value(data):
    """A session's value; ValueError if it is none."""
    version, attributes_at, created, last, idle, is_new, is_valid, this, backup, length = FIXED.unpack_from(data)
    at = FIXED.size
    session_id = data[at:at + length].decode()
    at += length
    [auth] = struct.unpack_from(">h", data, at)
    at += 2
    parts = []
    for _ in range({1: 1, 2: 3}[version]):
        [length] = struct.unpack_from(">h", data, at)
        parts.append(data[at + 2:at + 2 + length])
        at += 2 + length
    if at != attributes_at:
        raise ValueError(f"the header ends at {at}, the attributes begin at {attributes_at}")
    parts += [b""] * (3 - len(parts))
    return Value(version, attributes_at, created, last, idle, is_new == b"1", is_valid == b"1", this, backup, session_id,
                 AUTH[auth], *parts, data[attributes_at:])


def read_validity(data):
    """What stands under `validity:`: idle in seconds, last and this access in milliseconds."""
    return VALIDITY.unpack(data)


def count_in(data):
    """What the page of apps/facts has counted, in a value by Java's own serialization."""
    attributes = read_value(data).attributes
    at = attributes.index(b"count") + len(b"count")
    another, the_first = b"sq\0~\0\0", b"q\0~\0\2"
    if attributes.startswith(another, at):
        at += len(another)
    elif attributes.startswith(the_first, at):
        # The same number as that of the attributes, which stands before all: written only once.
        at = attributes.index(b"xp") + len(b"xp")
    else:
        raise ValueError(f"no count in {attributes!r}")
    return int.from_bytes(attributes[at:at + 4], "big")
