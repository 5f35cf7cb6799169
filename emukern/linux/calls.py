"""Kernel functions called from Python with typed arguments: words for registers out of values, and back.

Numbers must fit their type and are extended as both psABIs want them (RISC-V sign-extends 32 bits, even unsigned ones).
Pointers take None, anything with an address, or `bytes`, `str` (a NUL is added) and `bytearray`, which are copied to
guest memory for the call; a bytearray gets back what the function left there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, SupportsIndex

from emukern.ctype import CType, Enum, Function, Int, Param, Pointer, Record, VaList, Void
from emukern.errors import UsageError
from emukern.ptr import Mem, Ptr

_MASK = (1 << 64) - 1
Word = int | bytes | bytearray
REGISTERS = 6  # words that both architectures pass in registers, whatever they belong to


class Caller(Protocol):
    """A guest that runs functions and lends memory."""

    def call(self, address: int, /, *words: int) -> int: ...
    def alloc(self, data: bytes, /) -> int: ...
    def free(self, address: int, /) -> None: ...


class KernelFunction:
    """The function `type_.name` at `address_`: call it, or pass it where a function pointer is wanted."""

    __slots__ = ("address_", "mem_", "host_", "type_")

    def __init__(self, host: Caller, mem: Mem, address: int, type_: Function) -> None:
        self.host_, self.mem_, self.address_, self.type_ = host, mem, address, type_

    def __repr__(self) -> str:
        return f"<{self.type_} at {self.address_:#x}>"

    def __index__(self) -> int:
        return self.address_

    def __eq__(self, other: object) -> bool:
        return self.address_ == other.__index__() if isinstance(other, SupportsIndex) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.address_)

    def __call__(self, *args: Any) -> Any:
        """The result as a Python value: a number with its sign, a bool, a Ptr, or None.

        Raises UsageError for arguments that do not fit the prototype, GuestOops when the guest does not survive.
        """
        result = _result(self.type_)
        registers: list[int] = []
        placed: list[tuple[int, bytes | bytearray]] = []
        for one in self._words(args):
            if isinstance(one, int):
                registers.append(one)
            else:
                placed.append((self.host_.alloc(bytes(one) + b"\0"), one))
                registers.append(placed[-1][0])
        # When the guest dies of the call there is nobody left to free anything for.
        answer = result(self.mem_, self.host_.call(self.address_, *registers))
        for address, data in reversed(placed):
            if isinstance(data, bytearray):
                data[:] = self.mem_.read(address, len(data))
            self.host_.free(address)
        return answer

    def _words(self, args: tuple[Any, ...]) -> list[Word]:
        """A word, or what is to be put into memory, for each register."""
        function = self.type_
        params = function.params
        if len(args) < len(params) or (len(args) > len(params) and not function.variadic):
            raise UsageError(f"{function.name} takes {len(params)} arguments, not {len(args)}: {function}")
        words: list[Word] = []
        for param, arg in zip(params, args, strict=False):
            where = f"{param.name or 'argument'} of {function.name}"
            words += _aggregate(param.type, arg, where) if isinstance(param.type, Record) else [word(param, arg, where)]
            if isinstance(param.type, Record) and len(words) > REGISTERS:
                raise UsageError(f"{where} is a struct that does not fit the argument registers")
        return words + [_extra(arg, f"an argument of {function.name}") for arg in args[len(params) :]]


def word(param: Param, arg: Any, where: str) -> Word:
    """The register's word for an argument, or the bytes whose address it will be."""
    match param.type:
        case Int():
            return number(param.type, arg, where)
        case Pointer() | VaList():
            return _address(arg, where, param.type)
    raise UsageError(f"{where} is of type {param.type}, which cannot be passed from here")


def number(type_: Int, arg: Any, where: str) -> int:
    """A number as a register holds it; for an enumeration also by name. Raises UsageError where it does not fit."""
    if isinstance(type_, Enum) and isinstance(arg, str):
        found = dict(type_.constants)
        if arg not in found:
            raise UsageError(f"{where}: {type_} has no constant {arg}")
        arg = found[arg]
    if not isinstance(arg, SupportsIndex):
        raise UsageError(f"{where} is a {type_}, not {arg!r}")
    value, bits = arg.__index__(), type_.size * 8
    if type_.boolean:
        return int(value != 0)
    if not -(1 << bits - 1) <= value < 1 << bits or bits > 64:
        raise UsageError(f"{where} is a {type_}, which {value:#x} does not fit")
    value = type_.convert(value)
    if bits <= 32:
        value = (value & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000
    return value & _MASK


def _address(arg: Any, where: str, type_: CType) -> Word:
    if arg is None:
        return 0
    if isinstance(arg, str):
        return arg.encode("utf-8", "surrogateescape")
    if isinstance(arg, bytes | bytearray):
        return arg
    if isinstance(arg, memoryview):
        return bytes(arg)
    if isinstance(arg, SupportsIndex) and -(1 << 63) <= (address := arg.__index__()) <= _MASK:
        return address & _MASK
    raise UsageError(f"{where} is a {type_}, not {arg!r}")


def _aggregate(type_: Record, arg: Any, where: str) -> list[Word]:
    """A small struct by value: its bytes in one register or two."""
    size = type_.size
    if size > 16:
        raise UsageError(f"{where} is a {type_} by value, too large to be passed from here")
    if isinstance(arg, Ptr):
        data = arg.bytes_(size)
    elif isinstance(arg, bytes | bytearray):
        data = bytes(arg)
    elif isinstance(arg, int) and 0 <= arg < 1 << size * 8:
        data = arg.to_bytes(size, "little")
    else:
        raise UsageError(f"{where} is a {type_}, not {arg!r}")
    if len(data) != size:
        raise UsageError(f"{where} is a {type_} of {size} bytes, not of {len(data)}")
    return [int.from_bytes(data[at : at + 8], "little") for at in range(0, size, 8)]


def _extra(arg: Any, where: str) -> Word:
    """An argument for the `...`: the format decides what it is, here it is a word or an address."""
    return _address(arg, where, Pointer(Void()))


def _result(function: Function) -> Callable[[Mem, int], Any]:
    """What becomes of the result register. Raises UsageError for results that are not in one."""
    match function.result:
        case Void():
            return lambda mem, word: None
        case Record() as record if record.size <= 8:
            return lambda mem, word: word & (1 << record.size * 8) - 1
    found = decoder(function.result)
    if found is None:
        raise UsageError(f"{function.name} returns a {function.result}, which does not fit one register")
    return found


def decoder(type_: CType) -> Callable[[Mem, int], Any] | None:
    """What makes a value out of a register's word; None for types that do not fit a register."""
    match type_:
        case Int(boolean=True):
            return lambda mem, word: word & 0xFF != 0
        case Int(size=1 | 2 | 4 | 8) as integer:
            return lambda mem, word: integer.convert(word)
        case Pointer() as pointer:
            return lambda mem, word: Ptr(mem, word, pointer)
    return None
