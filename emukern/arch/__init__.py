"""What differs between architectures, as one documented record each; generic code asks the record, never the name."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import TYPE_CHECKING, Any

from emukern.errors import UsageError
from emukern.trap import Trap

if TYPE_CHECKING:
    from emukern.machine.cpu import Cpu

NAMES = ("x86_64", "riscv64")


@dataclass(frozen=True)
class Layout:
    """Guest addresses. Virtual unless they say physical; sizes in bytes."""

    ram: int  # physical address of the first byte of RAM
    image: int  # where `ram` is mapped for the kernel image
    direct_map: int  # where all RAM is mapped writable
    vmalloc: int
    vmalloc_size: int
    modules: int
    modules_size: int
    stubs: int  # 16 bytes for each export written in Python
    user_top: int  # first address beyond user space
    user_top_compat: int


@dataclass(frozen=True)
class Registers:
    """The CPU's registers as indices into its general purpose array, and how code uses them."""

    names: tuple[str, ...]  # of the array, in its order
    sp: int
    fp: int
    ra: int | None  # link register; None: the return address is on the stack
    result: int
    args: tuple[int, ...]  # integer arguments of a C function
    syscall_args: tuple[int, ...]
    compat_args: tuple[int, ...]  # of a 32-bit program's system call
    probe: tuple[int, int]  # a callee-saved register: Unicorn's id and index, for the view's self-test
    fields: Mapping[str, tuple[int, str, int]]  # view fields: offset in the CPU state, ctypes name, count
    scratch: tuple[tuple[int, int], ...] = ()  # offset and size of bytes in the CPU state that mean nothing


@dataclass(frozen=True)
class Paging:
    """Page tables with 512 entries of 8 bytes on each level; `prot` is a set of letters out of "rwxu"."""

    levels: int
    encode: Callable[[int, str], int]  # physical address, prot → leaf entry
    table: Callable[[int], int]  # physical address of a table → entry
    decode: Callable[[int], tuple[int, str, bool] | None]  # entry → (physical address, prot, leaf); None: absent
    root_register: Callable[[int], int]  # physical address of a root → what the CPU's register holds
    root_address: Callable[[int], int | None]  # and back; None: paging is off


@dataclass(frozen=True)
class Arch:
    """One architecture. `name` is Linux's spelling and the name of its folder here and under guest/arch/."""

    name: str
    e_machine: int
    e_machine_compat: int | None  # EM_* of 32-bit programs it also runs
    layout: Layout
    registers: Registers
    paging: Paging
    unicorn: tuple[int, int, int | None]  # Unicorn's arch, mode and CPU model
    arm: Callable[[Cpu], None]  # adds the architecture's own hooks
    decode: Callable[[Cpu, int, int], Trap]  # recorded kind and number → Trap
    reset: Callable[[Cpu, int, int], None]  # entry (physical), boot_info (physical)
    user: Callable[[Cpu], bool]  # is the CPU in user mode?
    interrupts: Callable[[Cpu], bool]  # are interrupts enabled?
    return_address: Callable[[Any], int]  # given the kernel: where the function being entered returns to
    emulate: Callable[[Cpu], bool]  # answers an instruction the engine leaves to us; False: really invalid
    va_list: str  # "sysv": a __va_list_tag; "pointer": a pointer to 8-byte slots
    stub: bytes  # code of one export stub
    percpu_relative: bool  # per-CPU symbols are offsets from a base register
    call_stack_slot: int  # bytes a call pushes
    disassembler: tuple[str, ...]  # capstone's architecture and modes
    break_size: Callable[[bytes], int]  # its first two bytes → length of the instruction that WARN and BUG use
    user_entry: Callable[[int, int, bool], tuple[int, ...]]  # pc, sp, 32-bit? → the words enter_user takes
    set_current: Callable[[Cpu, int], None]  # where kernel code finds its struct task_struct, given the address

    def _part(self, file: str) -> ModuleType:
        return importlib.import_module(f"emukern.arch.{self.name}.{file}")

    @cached_property
    def relocations(self) -> Any:
        """Relocation number → vectorised function (imports numpy)."""
        return self._part("reloc").RELOCATIONS

    @cached_property
    def syscalls(self) -> Mapping[str, int]:
        """System call name → number."""
        return self._part("syscallnr").SYSCALLS  # type: ignore[no-any-return]

    @cached_property
    def syscall_names(self) -> Mapping[int, str]:
        """System call number → name."""
        return {number: name for name, number in self.syscalls.items()}

    @cached_property
    def compat_syscall_names(self) -> Mapping[int, str]:
        """The same for 32-bit programs; empty where there are none."""
        if self.e_machine_compat is None:
            return {}
        return {number: name for name, number in self._part("compat").SYSCALLS.items()}

    @cached_property
    def userabi(self) -> ModuleType:
        """Structures that system calls share with user programs."""
        return self._part("userabi")

    def __reduce__(self) -> tuple[Any, ...]:
        return get, (self.name,)


def get(name: str) -> Arch:
    """The record of architecture `name`."""
    if name not in NAMES:
        raise UsageError(f"unknown architecture {name!r}; there are {' and '.join(NAMES)}")
    arch: Arch = importlib.import_module(f"emukern.arch.{name}").ARCH
    return arch
