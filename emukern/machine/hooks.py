"""The engine's hooks that call Python at once, where an answer is wanted in the middle of a run."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import unicorn
from unicorn import unicorn_const as const

from emukern.machine.ram import PAGE

if TYPE_CHECKING:
    from emukern.machine.cpu import Cpu


def watch(cpu: Cpu, address: int, reached: Callable[[], bool]) -> None:
    """Call `reached` before each execution of the instruction at `address`; the CPU stops there if it answers true."""

    def hook(_uc: Any, _address: int, _size: int, _data: Any) -> None:
        if reached():
            cpu.state.kind = cpu.BREAK
            cpu.uc.emu_stop()

    cpu.uc.hook_add(const.UC_HOOK_CODE, hook, None, address, address)
    cpu.flush_code()


def open_bus(cpu: Cpu, bus: Any, changed: Callable[[], None]) -> None:
    """Physical addresses without memory: each page becomes a window to the bus when it is first touched."""

    def read(_uc: Any, offset: int, size: int, page: int) -> int:
        value: int = bus.read_mmio(page + offset, size)
        changed()
        return value

    def write(_uc: Any, offset: int, size: int, value: int, page: int) -> None:
        bus.write_mmio(page + offset, size, value)
        changed()

    def unmapped(_uc: Any, _access: int, address: int, size: int, _value: int, _data: Any) -> bool:
        for page in {address & -PAGE, address + size - 1 & -PAGE}:
            try:
                cpu.uc.mmio_map(page, PAGE, read, page, write, page)
            except unicorn.UcError:
                return False
        return True

    # A hook whose range covers RAM would send every store of the guest the slow way.
    start, end = cpu.ram.base, cpu.ram.base + cpu.ram.size
    for first, last in ((0, start - 1), (end, (1 << 64) - 1)):
        if first <= last:
            cpu.uc.hook_add(
                const.UC_HOOK_MEM_READ_UNMAPPED | const.UC_HOOK_MEM_WRITE_UNMAPPED, unmapped, None, first, last
            )


def failure(cpu: Cpu) -> BaseException | None:
    """What a hook raised during the last run; it is told once."""
    error: BaseException | None = cpu.uc._hook_exception
    cpu.uc._hook_exception = None
    return error


def error_text(error: int) -> str:
    """The engine's words for its error code."""
    return str(unicorn.UcError(error))
