"""Code that a running kernel rewrites: which translations the CPU engine must forget, and when.

The engine notices stores to a page that holds code only where that page may be executed through the same address, but
kernels write code through another mapping. So we look at the few functions through which all of it goes: the one that
writes instructions, and the one that gives executable memory back, after which its pages may become anything.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emukern.errors import ImageError
from emukern.machine import hooks
from emukern.machine.ram import PAGE

if TYPE_CHECKING:
    from emukern.linux.kallsyms import Kallsyms
    from emukern.linux.machine import Machine

# The lowest function of each kernel through which it writes instructions, and through which it frees them.
WRITERS = ("__text_poke", "__patch_insn_write", "__patch_insn_set")
FREERS = ("execmem_free", "module_memfree")
LARGEST = 1 << 16  # pages of one freed range
# Bytes of an instruction: the engine does notice the first store through a new mapping, and kernels make one each time.
NOTICED = 8


@dataclass(frozen=True, slots=True)
class Watched:
    """A function that rewrites code: its address, and the places of its arguments. No `length`: all that is mapped."""

    function: int
    start: int
    length: int | None


def find(symbols: Kallsyms, btf: Any, release: str) -> tuple[Watched, ...]:
    """The functions to look at. Raises ImageError for a kernel that has none: its code could go stale unnoticed."""
    found = []
    for names, what in ((WRITERS, "writes"), (FREERS, "frees")):
        here = [(name, at) for name in names if (at := symbols.address(name)) is not None]
        if not here:
            raise ImageError(f"the kernel {release} has none of the functions known to be how it {what} code: {names}")
        for name, address in here:
            proto = btf.func_proto(name)
            params = [one for one, _ in proto.params] if proto is not None else []
            length = params.index("len") if "len" in params else None
            found.append(Watched(address, params.index("addr") if "addr" in params else 0, length))
    return tuple(found)


def watch(machine: Machine, watched: tuple[Watched, ...]) -> None:
    """Forget translations from now on whenever one of the functions is entered."""
    for one in watched:
        hooks.watch(machine.cpu, one.function, _entered(machine, one))


def _entered(machine: Machine, one: Watched) -> Callable[[], bool]:
    arguments, gpr, state = machine.cpu.arch.registers.args, machine.cpu.gpr, machine.cpu.state

    def entered() -> bool:
        length = gpr[arguments[one.length]] if one.length is not None else None
        if length is not None and length <= NOTICED:
            return False
        machine.rewritten.append((gpr[arguments[one.start]], length))
        state.quota = state.deadline = 0  # before anything of it can be executed, interrupts or not
        return False

    return entered


def forget(machine: Machine) -> None:
    """Forget what was translated from the ranges that are being rewritten."""
    ranges: list[tuple[int, int]] = []
    for start, length in machine.rewritten:
        ranges += _pages(machine, start, length)
    machine.rewritten.clear()
    machine.forget_code(ranges)


def _pages(machine: Machine, start: int, length: int | None) -> list[tuple[int, int]]:
    """The pages of RAM, as offsets, behind virtual addresses; without a length, up to the first that is not mapped."""
    found, page = [], start & -PAGE
    end = page + LARGEST * PAGE if length is None else start + length
    while page < end:
        entry = machine.mem.lookup(page)
        if entry is None:
            break
        offset = (entry[0] & -PAGE) - machine.ram.base
        found.append((offset, offset + PAGE))
        page += PAGE
    return found
