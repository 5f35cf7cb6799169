"""The bytes of a BTF section: its header, the kinds of types, how long each type is."""

from __future__ import annotations

import struct

from emukern.errors import ImageError

MAGIC = 0xEB9F


class Kind:
    """What a type is: the numbers of uapi/linux/btf.h."""

    VOID, INT, PTR, ARRAY, STRUCT, UNION, ENUM, FWD, TYPEDEF, VOLATILE, CONST, RESTRICT = range(12)
    FUNC, FUNC_PROTO, VAR, DATASEC, FLOAT, DECL_TAG, TYPE_TAG, ENUM64 = range(12, 20)


# Words after the three that every type has: once, and for each of its `vlen` parts.
_ONCE = {Kind.INT: 1, Kind.ARRAY: 3, Kind.VAR: 1, Kind.DECL_TAG: 1}
_EACH = {Kind.STRUCT: 3, Kind.UNION: 3, Kind.ENUM: 2, Kind.FUNC_PROTO: 2, Kind.DATASEC: 3, Kind.ENUM64: 3}


class Steps(dict[int, int]):
    """Words that a type takes, by its info word."""

    def __init__(self, layout: bytes) -> None:
        super().__init__()
        self.once, self.each = dict.fromkeys(range(1, 20), 0) | _ONCE, dict(_EACH)
        for kind in range(20, len(layout) // 4):  # kinds newer than this file: (bytes once, bytes each, flags)
            once, each, _ = struct.unpack_from("<BBH", layout, kind * 4)
            self.once[kind], self.each[kind] = once // 4, each // 4

    def __missing__(self, info: int) -> int:
        kind = info >> 24 & 0x7F
        if kind not in self.once:
            raise ImageError(f"the type information has a type of kind {kind}, which nobody knows")
        step = self[info] = 3 + self.once[kind] + self.each.get(kind, 0) * (info & 0xFFFFFF)
        return step


def sections(data: bytes) -> tuple[memoryview, bytes, bytes]:
    """Types, strings and the layout of newer kinds. Raises ImageError for what is no BTF."""
    if len(data) < 24:
        raise ImageError("the type information is too short for its header")
    magic, version, _, header, *spans = struct.unpack_from("<HBBIIIII", data)
    if magic != MAGIC or version != 1 or header < 24:
        raise ImageError("the type information is not BTF version 1")
    if header >= 32:  # since Linux 7.1
        spans += struct.unpack_from("<II", data.ljust(32, b"\0"), 24)
    found = []
    whole = memoryview(data)
    for at, length in zip(spans[::2], spans[1::2], strict=True):
        if header + at + length > len(data):
            raise ImageError("the type information is cut off")
        found.append(whole[header + at : header + at + length])
    types, strings, *layout = found
    if len(types) % 4 or (strings and strings[-1]):
        raise ImageError("the type information is damaged: its sections do not end where they should")
    return types, bytes(strings), bytes(layout[0]) if layout else b""
