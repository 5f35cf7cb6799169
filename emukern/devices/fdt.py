"""Flattened devicetrees: a tree of nodes → the bytes a kernel is given (Devicetree Specification 0.4, chapter 5)."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from emukern.errors import UsageError

MAGIC, VERSION, LAST_COMPATIBLE = 0xD00D_FEED, 17, 16
BEGIN_NODE, END_NODE, PROP, END = 1, 2, 3, 9
HEADER = struct.Struct(">10I")
RESERVATIONS_END = bytes(16)

Value = bool | int | str | bytes | Sequence[int] | Sequence[str]


@dataclass
class Node:
    """A node: `name` with its unit address, properties in order, children in order.

    A property is True (present, empty), an int (one 32-bit cell), a sequence of ints (cells), a str, a sequence of
    strs (a string list) or bytes (as they are).
    """

    name: str
    properties: Mapping[str, Value] = field(default_factory=dict)
    children: Sequence[Node] = ()


def cells(*numbers: int) -> tuple[int, ...]:
    """Each 64-bit number as two cells, high one first: addresses and sizes where #address-cells is 2."""
    return tuple(half for number in numbers for half in (number >> 32, number & 0xFFFF_FFFF))


def encode(value: Value) -> bytes:
    """A property's value as bytes; raises UsageError for a number that is no 32-bit cell."""
    if value is True:
        return b""
    if isinstance(value, (bytes, bytearray)):
        return bytes(value)
    if isinstance(value, str):
        return value.encode() + b"\0"
    try:
        if isinstance(value, int):
            return struct.pack(">I", value)
        if all(isinstance(item, str) for item in value):
            return b"".join(str(item).encode() + b"\0" for item in value)
        return struct.pack(f">{len(value)}I", *value)
    except struct.error:
        raise UsageError(f"{value!r} does not fit into the cells of a devicetree property") from None


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


class _Writer:
    """The two blocks that grow: structure and strings, each property name once."""

    def __init__(self) -> None:
        self.structure = bytearray()
        self.strings = bytearray()
        self._offsets: dict[str, int] = {}

    def _name(self, name: str) -> int:
        if name not in self._offsets:
            self._offsets[name] = len(self.strings)
            self.strings += name.encode() + b"\0"
        return self._offsets[name]

    def node(self, node: Node) -> None:
        """Append `node` and all below it."""
        self.structure += struct.pack(">I", BEGIN_NODE) + _padded(node.name.encode() + b"\0")
        for name, value in node.properties.items():
            if value is False:
                continue
            data = encode(value)
            self.structure += struct.pack(">III", PROP, len(data), self._name(name)) + _padded(data)
        for child in node.children:
            self.node(child)
        self.structure += struct.pack(">I", END_NODE)


def flatten(root: Node, boot_cpu: int = 0) -> bytes:
    """The whole devicetree as bytes, without memory reservations; place it 8-byte aligned."""
    writer = _Writer()
    writer.node(root)
    writer.structure += struct.pack(">I", END)
    reservations = HEADER.size
    structure = reservations + len(RESERVATIONS_END)
    strings = structure + len(writer.structure)
    total = strings + len(writer.strings)
    header = HEADER.pack(
        MAGIC,
        total,
        structure,
        strings,
        reservations,
        VERSION,
        LAST_COMPATIBLE,
        boot_cpu,
        len(writer.strings),
        len(writer.structure),
    )
    return header + RESERVATIONS_END + bytes(writer.structure) + bytes(writer.strings)
