"""Moments of a borrowed machine: RAM as an image that costs nothing to go back to, the CPU's bytes, the devices' state.

Devices keep their identity, for hooks and each other hold on to them; only what they contain is taken and put back.
"""

from __future__ import annotations

import ctypes
import io
import pickle
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emukern.linux.machine import Machine
    from emukern.machine.cpu import Cpu
    from emukern.machine.ram import RamImage


@dataclass(slots=True)
class Snapshot:
    """One moment. `translated`: the CPU whose translated code belongs to this content or was dropped."""

    ram: RamImage
    cpu: bytes
    parts: bytes
    translated: Cpu | None = None


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, names: dict[int, str]) -> None:
        super().__init__(file, protocol=5)
        self.names = names

    def persistent_id(self, obj: Any) -> str | None:
        """The name of a part that stays."""
        return self.names.get(id(obj))


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, parts: dict[str, Any]) -> None:
        super().__init__(file)
        self.parts = parts

    def persistent_load(self, pid: str) -> Any:
        """The part of that name."""
        return self.parts[pid]


def _fixed(machine: Machine) -> dict[str, Any]:
    """What stays and is only referred to."""
    return {"time": machine.time, "host": machine.console.console, "mem": machine.mem, "cpu": machine.cpu}


def pack(machine: Machine) -> bytes:
    """The state of everything but CPU and RAM."""
    parts, fixed = machine.parts(), _fixed(machine)
    file = io.BytesIO()
    names = {id(part): name for name, part in (parts | fixed).items()}
    reads = bytes(machine.cpu.state.reads)  # when the native hook answers and when we do must not differ either
    _Pickler(file, names).dump((reads, {name: vars(part) for name, part in parts.items()}))
    return file.getvalue()


def unpack(machine: Machine, packed: bytes) -> None:
    """Put that state back."""
    parts = machine.parts()
    reads, contents = _Unpickler(io.BytesIO(packed), parts | _fixed(machine)).load()
    table = machine.cpu.state.reads
    ctypes.memmove(table, reads, ctypes.sizeof(table))
    for name, content in contents.items():
        held = vars(parts[name])
        held.clear()
        held.update(content)


def save(machine: Machine) -> Snapshot:
    """This moment, to `restore` as often as wanted."""
    machine.clock.blocks = machine.cpu.state.blocks
    return Snapshot(machine.ram.save(), machine.cpu.save(), pack(machine), machine.cpu)


def restore(machine: Machine, saved: Snapshot) -> None:
    """Make the machine what it was at `save`, or what another one was that is like it."""
    cpu = machine.cpu
    known = saved.translated is cpu and machine.ram.image is saved.ram
    touched = machine.ram.touched() if known else []
    machine.ram.restore(saved.ram, touched if known else None)
    unpack(machine, saved.parts)
    cpu.restore(saved.cpu)
    cpu.state.blocks = machine.clock.blocks
    cpu.time_jumped(machine.clock.jumped)
    machine.mem.changed()
    if known:
        machine.forget_code(touched)
    else:
        cpu.flush_code()
        saved.translated = cpu
    cpu.flush_translations()
