"""How numbers are read from and written to guest memory: integers of every width, bit-fields, floating point.

Each function makes a pair of `load(mem, addr)` and `store(mem, addr, value)`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, SupportsIndex

from emukern.ctype import DeclarationError, Float, Int, Member

if TYPE_CHECKING:
    from emukern.ptr import Mem

Load = Callable[[Any, int], Any]
Store = Callable[[Any, int, Any], None]


def float_accessors(type_: Float) -> tuple[Load, Store]:
    """Of a float or double."""
    if type_.size not in (4, 8):
        raise DeclarationError(f"{type_} has no value in Python")
    form = struct.Struct("<f" if type_.size == 4 else "<d")
    return (lambda mem, addr: form.unpack(mem.read(addr, form.size))[0]), (
        lambda mem, addr, value: mem.write(addr, form.pack(value))
    )


def bit_accessors(member: Member) -> tuple[Load, Store]:
    """Of a bit-field: the bytes that hold it are read and written whole."""
    bit, width, size = member.bit, member.width, (member.bit + member.width + 7) // 8
    mask = (1 << width) - 1
    boolean = isinstance(member.type, Int) and member.type.boolean
    sign = isinstance(member.type, Int) and member.type.signed and 1 << (width - 1)

    def load(mem: Mem, addr: int) -> int:
        found = int.from_bytes(mem.read(addr, size), "little") >> bit & mask
        return bool(found) if boolean else found - (found & sign) * 2

    def store(mem: Mem, addr: int, value: SupportsIndex) -> None:
        number = bool(value) if boolean else value.__index__() & mask
        rest = int.from_bytes(mem.read(addr, size), "little") & ~(mask << bit)
        mem.write(addr, (rest | number << bit).to_bytes(size, "little"))

    return load, store


def _wide_accessors(type_: Int) -> tuple[Load, Store]:
    """Of integers that no memory access has the size of, such as __int128."""
    size, convert, mask = type_.size, type_.convert, (1 << type_.size * 8) - 1
    return (lambda mem, addr: convert(int.from_bytes(mem.read(addr, size), "little"))), (
        lambda mem, addr, value: mem.write(addr, (value.__index__() & mask).to_bytes(size, "little"))
    )


def int_accessors(type_: Int) -> tuple[Load, Store]:
    """Of an integer, boolean or enumeration; what is stored is cut to its width."""
    size, convert = type_.size, type_.convert
    if size not in (1, 2, 4, 8):
        return _wide_accessors(type_)
    load: Load = {
        1: lambda mem, addr: mem.u8(addr),
        2: lambda mem, addr: mem.u16(addr),
        4: lambda mem, addr: mem.u32(addr),
        8: lambda mem, addr: mem.u64(addr),
    }[size]
    store: Store = {
        1: lambda mem, addr, value: mem.put_u8(addr, value.__index__()),
        2: lambda mem, addr, value: mem.put_u16(addr, value.__index__()),
        4: lambda mem, addr, value: mem.put_u32(addr, value.__index__()),
        8: lambda mem, addr, value: mem.put_u64(addr, value.__index__()),
    }[size]
    if type_.boolean:
        return (lambda mem, addr: mem.u8(addr) != 0), (lambda mem, addr, value: mem.put_u8(addr, bool(value)))
    if type_.signed:
        return (lambda mem, addr: convert(load(mem, addr))), store
    return load, store
