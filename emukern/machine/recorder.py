"""native.c's hooks in Python, for hosts where it could not be compiled: the same records, some twenty times slower."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from unicorn.unicorn_py3.unicorn import uclib

if TYPE_CHECKING:
    from emukern.machine.cpu import Cpu

BLOCK = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint64, ctypes.c_uint32, ctypes.c_void_p)
NUMBERED = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p)
PLAIN = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)


def recorder(cpu: Cpu, name: str) -> Any:
    """The hook of native.c called `name`, as a C callback over `cpu`."""
    state, handle = cpu.state, cpu.uc._uch

    def record(kind: int, number: int) -> None:
        state.kind, state.number = kind, number
        uclib.uc_emu_stop(handle)

    def takes_interrupts() -> bool:
        for gate in state.gates[: state.gate_count]:
            if ctypes.c_uint64.from_address(gate.word).value & gate.mask != gate.value:
                return False
        return True

    def on_block(_uc: int, _address: int, _size: int, _data: int) -> None:
        state.blocks += 1
        if state.blocks >= state.quota:
            if state.waiting and state.blocks < state.deadline and not takes_interrupts():
                return
            state.quota = (1 << 64) - 1
            record(cpu.TICK, 0)

    def on_interrupt(_uc: int, number: int, _data: int) -> None:
        record(cpu.INTERRUPT, number)

    def on_syscall(_uc: int, _data: int) -> int:
        record(cpu.SYSCALL, 0)
        return 0

    def on_invalid(_uc: int, _data: int) -> int:
        record(cpu.INVALID, 0)
        return 0

    def on_rdtsc(_uc: int, _data: int) -> int:
        tsc = cpu.tsc
        cpu.uc.reg_write(state.rax, tsc & 0xFFFF_FFFF)
        cpu.uc.reg_write(state.rdx, tsc >> 32 & 0xFFFF_FFFF)
        return 1

    kinds: dict[str, tuple[Any, Callable[..., Any]]] = {
        "on_block": (BLOCK, on_block),
        "on_interrupt": (NUMBERED, on_interrupt),
        "on_syscall": (PLAIN, on_syscall),
        "on_invalid": (PLAIN, on_invalid),
        "on_rdtsc": (PLAIN, on_rdtsc),
    }
    wrap, function = kinds[name]
    return wrap(function)
