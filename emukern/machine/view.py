"""A view of the CPU's registers that costs 0.05 µs instead of the binding's 1.3 µs.

Fast: the engine's live CPU state, found through two pointers inside its handle and believed only when its content
equals what the API saves. Portable: a saved context that is refreshed after and written back before each run; the
same fields, public API alone. Layouts are those of unicorn 2.1.4 (UNICORN.md §3).
"""

from __future__ import annotations

import ctypes
import os
import struct
from types import SimpleNamespace
from typing import Any

from unicorn import Uc

from emukern.arch import Registers

CONTEXT_HEADER = 40  # sizeof(struct uc_context) before its data, on 64-bit hosts
HANDLE_TO_CPU, CPU_TO_STATE = 440, 296  # first guess: the manylinux wheel
PROBES = (0x5AFE_0001_0203_0405, 0x0123_4567_89AB_CDEF)


def fields_at(address: int, registers: Registers) -> Any:
    """The fields of `registers` over the memory at `address`: ctypes objects, live."""
    view = SimpleNamespace()
    for name, (offset, kind, count) in registers.fields.items():
        ctype = getattr(ctypes, kind)
        setattr(view, name, (ctype if count == 1 else ctype * count).from_address(address + offset))
    return view


def live_state(uc: Uc) -> int | None:
    """Address of the engine's CPU state, or None when it cannot be found beyond doubt."""
    saved = bytes(uc.context_save())[CONTEXT_HEADER:]
    try:
        fd = os.open("/proc/self/mem", os.O_RDONLY)
    except OSError:
        return None
    try:
        return _follow(fd, uc._uch.value, saved) or _scan(fd, uc._uch.value, saved)
    finally:
        os.close(fd)


def _read(fd: int, address: int, size: int) -> bytes:
    try:
        return os.pread(fd, size, address)
    except (OSError, OverflowError, ValueError):
        return b""


def _pointer(fd: int, address: int) -> int:
    data = _read(fd, address, 8)
    return int(struct.unpack("<Q", data)[0]) if len(data) == 8 else 0


def _follow(fd: int, handle: int, saved: bytes) -> int | None:
    state = _pointer(fd, _pointer(fd, handle + HANDLE_TO_CPU) + CPU_TO_STATE)
    return state if state and _read(fd, state, len(saved)) == saved else None


def _scan(fd: int, handle: int, saved: bytes) -> int | None:
    """Another build of the engine: look at every pointer behind every pointer of the handle."""
    for (cpu,) in struct.iter_unpack("<Q", _read(fd, handle, 0x1000)):
        if cpu < 0x10000 or cpu >> 47 or cpu & 7:
            continue
        head = _read(fd, cpu, 0x2000)
        for (state,) in struct.iter_unpack("<Q", head[: len(head) & ~7]):
            if cpu < state < cpu + 0x40000 and _read(fd, state, len(saved)) == saved:
                return int(state)
    return None


def agrees(uc: Uc, view: Any, register_id: int, index: int) -> bool:
    """Self-test: what the API writes the view reads, and the other way round."""
    before = view.gpr[index]
    for probe in PROBES:
        uc.reg_write(register_id, probe)
        if view.gpr[index] != probe:
            return False
        view.gpr[index] = probe ^ 0xFF
        if uc.reg_read(register_id) != probe ^ 0xFF:
            return False
    view.gpr[index] = before
    return True
