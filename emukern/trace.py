"""The trace in words: one line for each exit of the guest that `k.trace` recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.kapi import export
from emukern.kernel import symbolise
from emukern.machine.clock import NS_PER_BLOCK
from emukern.trap import Export, Return, Syscall, Trap

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel


def lines(k: Kernel, last: int) -> list[str]:
    """The `last` exits, oldest first: executed time in µs, where, and what. Empty when nothing was recorded."""
    entries = list(k.trace or ())[-last:]
    return [f"[{blocks * NS_PER_BLOCK / 1000:12.3f}] {_place(k, pc)}: {_what(k, trap)}" for blocks, pc, trap in entries]


def _place(k: Kernel, pc: int) -> str:
    kernel_half = pc >> 63
    return symbolise.name(k, pc) if kernel_half else f"user {pc:#x}"


def _what(k: Kernel, trap: Trap) -> str:
    match trap:
        case Syscall(number, compat):
            names = k.arch.compat_syscall_names if compat else k.arch.syscall_names
            return f"system call {names.get(number, number)}"
        case Export(slot):
            names_of_slots = export.slots()
            if slot < len(names_of_slots):
                return f"export {names_of_slots[slot]}"
            return f"missing export {slot - len(names_of_slots)}"
        case Return():
            return "back from a call"
        case _:
            return str(trap)
