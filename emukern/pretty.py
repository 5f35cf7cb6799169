"""Values in guest memory as C text, the way drgn prints them: types in parentheses, members by name, one a line.

`(struct list_head){ .next = (struct list_head *)0xffff…, … }` over several lines, character arrays as strings,
enumerations by name, functions as `name+0x0 = 0x…` where their names are known. Zeros at an array's end are left out.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from emukern.ctype import Array, CType, Enum, Float, Function, Int, Member, Pointer, Record
from emukern.errors import GuestFault

if TYPE_CHECKING:
    from emukern.ptr import Mem

DEEPEST = 32  # records inside one another
LONGEST_STRING = 256  # bytes of what a `char *` points at
WIDTH = 100  # columns of a list of numbers


def pointed(mem: Mem, type_: Pointer, addr: int) -> str:
    """A pointer and what it points at; the pointer alone when that cannot be read."""
    pointer, target = f"({type_}){addr:#x}", type_.target
    if not addr:
        return pointer
    try:
        if is_char(target):
            return f"{pointer} = {quoted(mem.cstr(addr, LONGEST_STRING))}"
        if _has_value(target):
            return f"*{pointer} = {_Printer(mem, mem.read(addr, target.size)).bare(target, 0, 0)}"
    except GuestFault:
        pass
    return pointer


def value(mem: Mem, type_: CType, data: bytes) -> str:
    """An object of `type_` whose bytes are `data`; `mem` is where its strings are looked up."""
    return _Printer(mem, data).typed(type_, 0, 0)


def quoted(data: bytes) -> str:
    """Bytes as a C string."""
    named = {0x22: '\\"', 0x5C: "\\\\", 0x0A: "\\n", 0x09: "\\t", 0x0D: "\\r"}
    return '"' + "".join(named.get(b) or (chr(b) if 32 <= b < 127 else f"\\x{b:02x}") for b in data) + '"'


def is_char(type_: CType) -> bool:
    """Whether arrays of this are text."""
    return isinstance(type_, Int) and type_.size == 1 and type_.name == "char"


def _has_value(type_: CType) -> bool:
    if isinstance(type_, Record):
        return type_.members is not None
    return isinstance(type_, Int | Float | Pointer | Array)


class _Printer:
    """Prints parts of one object, whose bytes have been read."""

    def __init__(self, mem: Mem, data: bytes) -> None:
        self.mem, self.data = mem, data

    def typed(self, type_: CType, at: int, depth: int) -> str:
        """The object at byte `at` with its type before it."""
        if isinstance(type_, Pointer):
            return self._pointer(type_, self._word(at))
        return f"({type_}){self.bare(type_, at, depth)}"

    def bare(self, type_: CType, at: int, depth: int) -> str:
        match type_:
            case Enum():
                number = type_.convert(self._int(at, type_.size))
                return type_.named(number) or str(number)
            case Int():
                return str(type_.convert(self._int(at, type_.size)))
            case Float(size=4 | 8):
                return repr(struct.unpack_from("<f" if type_.size == 4 else "<d", self.data, at)[0])
            case Pointer():
                return f"{self._word(at):#x}"
            case Record():
                return self._record(type_, at, depth)
            case Array():
                return self._array(type_, at, depth)
        return quoted(self.data[at : at + type_.size])

    def _int(self, at: int, size: int) -> int:
        return int.from_bytes(self.data[at : at + size], "little")

    def _word(self, at: int) -> int:
        return self._int(at, 8)

    def _pointer(self, type_: Pointer, addr: int) -> str:
        if addr and isinstance(type_.target, Function):
            name = getattr(self.mem, "symbol_at", lambda _: "")(addr)
            return f"({type_}){name} = {addr:#x}" if name else f"({type_}){addr:#x}"
        if addr and is_char(type_.target):
            return pointed(self.mem, type_, addr)
        return f"({type_}){addr:#x}"

    def _record(self, type_: Record, at: int, depth: int) -> str:
        if depth > DEEPEST or type_.members is None:
            return "{…}"
        lines = self._members(type_, at, depth + 1)
        return "\n".join(["{", *lines, "\t" * depth + "}"]) if lines else "{}"

    def _members(self, type_: Record, at: int, depth: int) -> list[str]:
        lines = []
        for one in type_.fields:
            if not one.name and isinstance(one.type, Record):
                if depth <= DEEPEST:
                    lines += self._members(one.type, at + one.offset, depth)
            elif one.name:
                text = self._bits(one, at) if one.width else self.typed(one.type, at + one.offset, depth)
                lines.append(f"{'	' * depth}.{one.name} = {text},")
        return lines

    def _bits(self, one: Member, at: int) -> str:
        """A bit-field."""
        number = self._int(at + one.offset, (one.bit + one.width + 7) // 8) >> one.bit & (1 << one.width) - 1
        return f"({one.type}){bit_field(one, number)}"

    def _array(self, type_: Array, at: int, depth: int) -> str:
        element, size = type_.element, type_.element.size
        end = min(at + type_.size, len(self.data))
        if is_char(element):
            return quoted(self.data[at:end].split(b"\0")[0])
        while size and end > at and not any(self.data[end - size : end]):
            end -= size
        if depth > DEEPEST or not size or end == at:
            return "{}"
        texts = [self.bare(element, one, depth + 1) for one in range(at, end, size)]
        one_line = "{ " + ", ".join(texts) + " }"
        if len(one_line) <= WIDTH and "\n" not in one_line:
            return one_line
        tabs = "\t" * (depth + 1)
        lines = [tabs + line + "," for line in (texts if isinstance(element, Record | Array) else _filled(texts))]
        return "\n".join(["{", *lines, "\t" * depth + "}"])


def bit_field(one: Member, number: int) -> str:
    """The number in a bit-field as its type shows it."""
    if isinstance(one.type, Int) and one.type.signed and number >> (one.width - 1):
        number -= 1 << one.width
    return (one.type.named(number) if isinstance(one.type, Enum) else "") or str(number)


def _filled(texts: list[str]) -> list[str]:
    """Numbers joined to lines of WIDTH columns."""
    lines = [texts[0]]
    for text in texts[1:]:
        if len(lines[-1]) + len(text) + len(", ,") > WIDTH:
            lines.append(text)
        else:
            lines[-1] += f", {text}"
    return lines


__all__ = ["bit_field", "is_char", "pointed", "quoted", "value"]
