"""BTF sections made in memory, for tests of what reads them."""

from __future__ import annotations

import struct

from emukern.linux.btf_format import Kind


class BtfWriter:
    """Collects types; each method returns the number of the type it adds, `build` the section."""

    def __init__(self, base: BtfWriter | None = None) -> None:
        self.first = base.next if base else 1
        self.next = self.first
        self.strings = b"" if base else b"\0"
        self.string_base = base.string_base + len(base.strings) if base else 0
        self.known: dict[str, int] = dict(base.known) if base else {"": 0}
        self.types = b""

    def string(self, text: str) -> int:
        if text not in self.known:
            self.known[text] = self.string_base + len(self.strings)
            self.strings += text.encode() + b"\0"
        return self.known[text]

    def add(self, kind: int, name: str, third: int, *words: int, vlen: int = 0, flag: bool = False) -> int:
        info = flag << 31 | kind << 24 | vlen
        self.types += struct.pack(
            f"<{3 + len(words)}I", self.string(name), info, third, *(w & 0xFFFFFFFF for w in words)
        )
        self.next += 1
        return self.next - 1

    def int(self, name: str, size: int, *, signed: bool = False, boolean: bool = False, bits: int = 0) -> int:
        return self.add(Kind.INT, name, size, (signed | boolean << 2) << 24 | (bits or size * 8))

    def ptr(self, target: int) -> int:
        return self.add(Kind.PTR, "", target)

    def array(self, element: int, count: int) -> int:
        return self.add(Kind.ARRAY, "", 0, element, element, count)

    def record(self, kind: int, name: str, size: int, *members: tuple, flag: bool = True) -> int:
        """Members: (name, type, byte offset) or (name, type, bit offset, width)."""
        words = []
        for member, type_, at, *width in members:
            words += [self.string(member), type_, width[0] << 24 | at if width else at * 8]
        return self.add(kind, name, size, *words, vlen=len(members), flag=flag)

    def struct(self, name: str, size: int, *members: tuple, flag: bool = True) -> int:
        return self.record(Kind.STRUCT, name, size, *members, flag=flag)

    def union(self, name: str, size: int, *members: tuple) -> int:
        return self.record(Kind.UNION, name, size, *members)

    def enum(self, name: str, size: int = 4, *, signed: bool = False, **values: int) -> int:
        words = [word for key, value in values.items() for word in (self.string(key), value)]
        return self.add(Kind.ENUM, name, size, *words, vlen=len(values), flag=signed)

    def enum64(self, name: str, *, signed: bool = False, **values: int) -> int:
        words = [word for key, value in values.items() for word in (self.string(key), value, value >> 32)]
        return self.add(Kind.ENUM64, name, 8, *words, vlen=len(values), flag=signed)

    def forward(self, name: str, *, union: bool = False) -> int:
        return self.add(Kind.FWD, name, 0, flag=union)

    def typedef(self, name: str, target: int) -> int:
        return self.add(Kind.TYPEDEF, name, target)

    def const(self, target: int) -> int:
        return self.add(Kind.CONST, "", target)

    def volatile(self, target: int) -> int:
        return self.add(Kind.VOLATILE, "", target)

    def proto(self, result: int, *params: tuple[str, int], variadic: bool = False) -> int:
        listed = [*params, ("", 0)] if variadic else list(params)
        words = [word for name, type_ in listed for word in (self.string(name), type_)]
        return self.add(Kind.FUNC_PROTO, "", result, *words, vlen=len(listed))

    def func(self, name: str, result: int, *params: tuple[str, int], variadic: bool = False) -> int:
        return self.add(Kind.FUNC, name, self.proto(result, *params, variadic=variadic), vlen=1)

    def var(self, name: str, type_: int) -> int:
        return self.add(Kind.VAR, name, type_, 1)

    def datasec(self, name: str, *variables: tuple[int, int, int]) -> int:
        """Variables: (VAR, offset, size)."""
        return self.add(Kind.DATASEC, name, 0, *(word for one in variables for word in one), vlen=len(variables))

    def build(self, layout: bytes = b"") -> bytes:
        """The section; with a `layout` its header is that of Linux 7.1."""
        spans = [0, len(self.types), len(self.types), len(self.strings)]
        if layout:
            spans += [len(self.types) + len(self.strings), len(layout)]
        header = struct.pack(f"<HBBI{len(spans)}I", 0xEB9F, 1, 0, 8 + 4 * len(spans), *spans)
        return header + self.types + self.strings + layout
