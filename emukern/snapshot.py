"""Snapshots: everything a machine and its kernel are, taken and put back in a moment.

RAM is an image that costs nothing to go back to (machine/ram.py), the CPU a few kilobytes. The kernel's parts are
plain data that is pickled together, so that what one part knows of another still holds afterwards; the machine
beneath them stays and is named instead. Objects that never change are shared, not copied.
"""

from __future__ import annotations

import hashlib
import io
import pickle
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from emukern.errors import SnapshotError
from emukern.kernel.kernel import STATE
from emukern.kernel.log import Record
from emukern.kmod.module import Parameter, Region
from emukern.kmod.symbols import Symbol, SymbolTable

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel
    from emukern.machine.cpu import Cpu
    from emukern.machine.ram import RamImage

VERSION = 1
MACHINE = ("mem", "arch", "ram", "cpu", "tables", "user", "args", "console")  # what stays when the state changes
IMMUTABLE = (Record, Symbol, SymbolTable, Parameter, Region)
LARGE = 4096  # bytes objects from this size on are shared


@dataclass(frozen=True, slots=True)
class Header:
    """What a snapshot must have in common with the machine it is put into."""

    magic: str
    version: int
    kernel: str  # SHA-256 of the guest kernel
    memory: int  # bytes

    @classmethod
    def of(cls, k: Kernel) -> Header:
        """The header that snapshots of `k` bear."""
        return cls(f"emukern-{k.arch.name}", VERSION, _build_id(k.image), k.ram.size)


@cache
def _build_id(image: bytes) -> str:
    return hashlib.sha256(image).hexdigest()


@dataclass(slots=True)
class Snapshot:
    """One moment of a machine. `translated`: the CPU that still holds code translated from this very content, and how
    often it had dropped all of it by then."""

    header: Header
    ram: RamImage
    cpu: bytes
    root: int
    parts: bytes
    shared: list[Any] = field(repr=False)
    translated: tuple[Cpu, int]


class _Pickler(pickle.Pickler):
    def __init__(self, file: io.BytesIO, k: Kernel) -> None:
        super().__init__(file, protocol=5)
        self.names = {id(getattr(k, name)): name for name in MACHINE} | {id(k): "k"}
        self.shared: list[Any] = []
        self.places: dict[int, int] = {}

    def persistent_id(self, obj: Any) -> str | int | None:
        """The name of a machine part, the place of a shared object, None for what is to be pickled."""
        if isinstance(obj, bytes) and len(obj) >= LARGE or isinstance(obj, IMMUTABLE):
            place = self.places.setdefault(id(obj), len(self.shared))
            if place == len(self.shared):
                self.shared.append(obj)
            return place
        return self.names.get(id(obj))


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: io.BytesIO, k: Kernel, shared: list[Any]) -> None:
        super().__init__(file)
        self.k, self.shared = k, shared

    def persistent_load(self, pid: Any) -> Any:
        """The object that `persistent_id` named."""
        if isinstance(pid, int):
            return self.shared[pid]
        return self.k if pid == "k" else getattr(self.k, pid)


def save(k: Kernel) -> Snapshot:
    """This moment, to `restore` as often as wanted. Not to be called while a trap is being answered."""
    k.clock.blocks = k.cpu.state.blocks
    file = io.BytesIO()
    pickler = _Pickler(file, k)
    try:
        pickler.dump({name: getattr(k, name) for name in STATE if hasattr(k, name)})
    except (pickle.PicklingError, TypeError, AttributeError) as error:
        raise SnapshotError(f"the kernel holds something that is no plain data: {error}") from error
    translated = (k.cpu, k.cpu.code_flushes)
    return Snapshot(
        Header.of(k), k.ram.save(), k.cpu.save(), k.mem.root, file.getvalue(), pickler.shared, translated
    )


def restore(k: Kernel, saved: Snapshot) -> None:
    """Make `k` what it was at `save`, or what another machine was that is like it. Raises SnapshotError."""
    if saved.header != Header.of(k):
        raise SnapshotError(f"a snapshot of {saved.header} does not fit {Header.of(k)}")
    parts = _Unpickler(io.BytesIO(saved.parts), k, saved.shared).load()
    translated = k.pages.executable | k.pages.stale
    for name in STATE:
        if name in parts:
            setattr(k, name, parts[name])
        else:
            vars(k).pop(name, None)  # not made yet at that time
    k.ram.restore(saved.ram)
    k.mem.root = saved.root
    k.tables.forget()
    k.cpu.restore(saved.cpu)
    k.cpu.flush_translations()
    k.cpu.state.blocks = k.clock.blocks
    k.cpu.time_jumped(k.clock.jumped)
    if saved.translated == (k.cpu, k.cpu.code_flushes):
        # Translations of the snapshot's own code are right; those of other frames go before they hold code again.
        k.pages.stale |= translated - k.pages.executable
    else:
        k.cpu.flush_code()
        k.pages.stale.clear()
        saved.translated = (k.cpu, k.cpu.code_flushes)
