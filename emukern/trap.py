"""The CPU's whole vocabulary: one guest exit as a value (DESIGN §2)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Syscall:
    """A user program asked for system call `number`; `compat` when a 32-bit one did, through int 0x80."""

    number: int
    compat: bool = False


@dataclass(frozen=True, slots=True)
class Export:
    """Kernel-mode code called the export of stub `slot`."""

    slot: int


@dataclass(frozen=True, slots=True)
class Hypercall:
    """The guest kernel asked its machine for service `number` (guest/include/abi.h)."""

    number: int


@dataclass(frozen=True, slots=True)
class Return:
    """A guest function started by `Call` came back."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A page fault on `address`; the pc is on the instruction that did it."""

    address: int
    write: bool
    execute: bool
    user: bool


@dataclass(frozen=True, slots=True)
class CpuException:
    """Any other processor exception, by name: "divide error", "invalid opcode", "general protection fault"…"""

    name: str
    signal: int
    user: bool


@dataclass(frozen=True, slots=True)
class Break:
    """A breakpoint instruction; the pc is on it."""

    user: bool


@dataclass(frozen=True, slots=True)
class Tick:
    """The block quota ran out."""


@dataclass(frozen=True, slots=True)
class Halt:
    """The guest executed hlt or wfi."""


Trap = Syscall | Export | Hypercall | Return | Fault | CpuException | Break | Tick | Halt
