"""The system calls written in Python, one decorated function each, found by their Linux name.

    @syscall
    def lseek(k: Kernel, fd: Int, offset: Long, whence: UInt) -> Answer: ...

The name is the number's name in <asm/unistd.h>; an annotation says how the register is read. A module of
system calls needs `from __future__ import annotations`: the annotations are read as text.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from types import FunctionType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from emukern.arch.structs import UserAbi
    from emukern.kernel.kernel import Kernel

Int = int  # signed 32 bits; what is above them in the register does not count
UInt = int  # unsigned 32 bits
Long = int  # signed, as wide as the program's registers
ULong = int  # unsigned, as wide as the program's registers
Size = int  # size_t
Ptr = int  # a user address, unchecked
Loff = int  # loff_t: signed 64 bits; a 32-bit program passes it in two registers, low half first

Decoder = Callable[[tuple[int, ...]], int]
Handler = TypeVar("Handler", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class SystemCall:
    """One entry: `native` and `compat` read the arguments of 64-bit and of 32-bit programs."""

    name: str
    function: Callable[..., Any]
    parameters: tuple[tuple[str, str], ...]  # name and kind, for traces
    native: tuple[Decoder, ...]
    compat: tuple[Decoder, ...]

    def arguments(self, args: tuple[int, ...], compat: bool) -> list[int]:
        """The C values behind the argument registers `args`, all six of them."""
        return [decode(args) for decode in (self.compat if compat else self.native)]

    def invoke(self, k: Kernel, args: tuple[int, ...], compat: bool) -> Any:
        """Answer one trap with what a handler may answer (flow.py); raises Errno."""
        return self.function(k, *[decode(args) for decode in (self.compat if compat else self.native)])


SYSCALLS: dict[str, SystemCall] = {}


def syscall(function: Handler) -> Handler:
    """Register a handler under its own name; refuses a second one of that name."""
    assert isinstance(function, FunctionType)
    name = function.__name__.rstrip("_")
    if name in SYSCALLS:
        raise ValueError(f"two system calls are named {name}")
    kinds = function.__annotations__
    parameters = function.__code__.co_varnames[1 : function.__code__.co_argcount]
    try:
        native = [decoder(kinds[each], place, bits=64) for place, each in enumerate(parameters)]
        compat, place = [], 0
        for each in parameters:
            compat.append(decoder(kinds[each], place, bits=32))
            place += 2 if kinds[each] == "Loff" else 1
    except KeyError as unknown:
        raise TypeError(f"system call {name}: a parameter without a known kind: {unknown}") from None
    rows = tuple((each, kinds[each]) for each in parameters)
    SYSCALLS[name] = SystemCall(name, function, rows, tuple(native), tuple(compat))
    return function


def decoder(kind: str, place: int, bits: int) -> Decoder:
    """How argument `kind` is read from register `place` of a program with `bits`-bit registers."""
    if kind == "Loff" and bits == 32:
        return lambda args: signed(args[place] & 0xFFFFFFFF | args[place + 1] << 32, 64)
    width, is_signed = {
        "Int": (32, True),
        "UInt": (32, False),
        "Long": (bits, True),
        "ULong": (bits, False),
        "Size": (bits, False),
        "Ptr": (bits, False),
        "Loff": (64, True),
    }[kind]
    mask = (1 << width) - 1
    if is_signed:
        return lambda args: signed(args[place], width)
    return lambda args: args[place] & mask


def signed(value: int, width: int) -> int:
    """The low `width` bits of `value` as a two's complement number."""
    half = 1 << (width - 1)
    return ((value & ((1 << width) - 1)) ^ half) - half


def abi(k: Kernel) -> UserAbi:
    """The structure layouts of the program that made this system call."""
    native: UserAbi = k.arch.userabi.USERABI
    return native.compat or native if k.current.compat else native


@cache
def load_all() -> dict[str, SystemCall]:
    """Import every module of this package and answer the complete registry."""
    import emukern.syscalls as package

    for module in pkgutil.iter_modules(package.__path__):
        importlib.import_module(f"{package.__name__}.{module.name}")
    return SYSCALLS
