"""`...` and `va_list` as Python sees them: one argument after the other, as the format string asks for them.

Both psABIs pass variadic integers and pointers as a fixed sequence of 8-byte words: through the argument
registers that the named parameters left over, then the stack. A `va_list` is that sequence's cursor in guest
memory: System V x86-64 §3.5.7 keeps two areas and an offset, RISC-V a plain pointer. Reading one here does
not move the guest's own cursor; C leaves its value indeterminate after the call anyway.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Protocol, SupportsIndex

from emukern.cdecl import abi
from emukern.ctype import DeclarationError, Int, Pointer
from emukern.ptr import Mem, Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

_MASK = 0xFFFF_FFFF_FFFF_FFFF
Integer = int  # VarArgs has a method of that name
_COMMON_INTS = {
    t.name: t
    for t in (
        Int("int", 4, True),
        Int("unsigned int", 4, False),
        Int("long", 8, True),
        Int("unsigned long", 8, False),
        Int("long long", 8, True),
        Int("unsigned long long", 8, False),
        Int("size_t", 8, False),
    )
}


class ArgWords(Protocol):
    """The argument words of the call that trapped: `nregs` registers, then 8-byte stack slots."""

    @property
    def nregs(self) -> int: ...
    def reg(self, i: int, /) -> int: ...
    def stack(self, i: int, /) -> int: ...


class VarArgs:
    """Arguments that C code passed without telling their types; each call takes the next one."""

    __slots__ = ("mem",)

    def __init__(self, mem: Mem) -> None:
        self.mem = mem

    def word(self) -> Integer:
        """The next argument as an unsigned 64-bit word."""
        raise NotImplementedError

    def int(self, ctype: str = "int") -> Integer:
        """The next argument as an integer of type `ctype`; those narrower than int were promoted to it."""
        return (_COMMON_INTS.get(ctype) or _int_type(ctype)).convert(self.word())

    def ptr(self, ctype: Pointer | str = "void *") -> Ptr:
        """The next argument as a pointer of type `ctype`."""
        return Ptr(self.mem, self.word(), ctype)


class CallArgs(VarArgs):
    """The arguments of the trapped call itself, from word number `next` on."""

    __slots__ = ("next", "words")

    def __init__(self, mem: Mem, words: ArgWords, first: int) -> None:
        super().__init__(mem)
        self.words, self.next = words, first

    def word(self) -> int:
        i, registers = self.next, self.words.nregs
        self.next = i + 1
        return self.words.reg(i) if i < registers else self.words.stack(i - registers)


class SysvVaList(VarArgs):
    """A `__va_list_tag`: u32 gp_offset, u32 fp_offset, void *overflow_arg_area, void *reg_save_area."""

    __slots__ = ("gp_offset", "overflow", "saved")

    def __init__(self, mem: Mem, tag: SupportsIndex) -> None:
        super().__init__(mem)
        at = tag.__index__()
        self.gp_offset, self.overflow, self.saved = mem.u32(at), mem.u64(at + 8), mem.u64(at + 16)

    def word(self) -> int:
        if self.gp_offset < 48:  # six integer registers of 8 bytes
            self.gp_offset += 8
            return self.mem.u64(self.saved + self.gp_offset - 8)
        self.overflow += 8
        return self.mem.u64(self.overflow - 8)


class PointerVaList(VarArgs):
    """A `va_list` that is the address of the next word."""

    __slots__ = ("at",)

    def __init__(self, mem: Mem, at: SupportsIndex) -> None:
        super().__init__(mem)
        self.at = at.__index__()

    def word(self) -> int:
        self.at += 8
        return self.mem.u64(self.at - 8)


class HostArgs(VarArgs):
    """Arguments that Python has at hand: integers and pointers."""

    __slots__ = ("values",)

    def __init__(self, mem: Mem, values: Iterable[SupportsIndex] = ()) -> None:
        super().__init__(mem)
        self.values = iter(values)

    def word(self) -> int:
        return next(self.values).__index__() & _MASK


def va_list(k: Kernel, passed: SupportsIndex) -> VarArgs:
    """The `va_list` that a function got as its parameter `passed`."""
    return SysvVaList(k.mem, passed) if k.arch.va_list == "sysv" else PointerVaList(k.mem, passed)


def va_list_at(k: Kernel, address: SupportsIndex) -> VarArgs:
    """The `va_list` object at `address`, as in `struct va_format`, whose `va` is a `va_list *`."""
    if k.arch.va_list == "sysv":  # an array type there, so its address is what a function would get too
        return SysvVaList(k.mem, address)
    return PointerVaList(k.mem, k.mem.u64(address.__index__()))


@cache
def _int_type(ctype: str) -> Int:
    type_ = abi().type(ctype)
    if not isinstance(type_, Int):
        raise DeclarationError(f"{ctype} is not an integer type")
    return type_ if type_.size >= 4 else Int(ctype, 4, True)
