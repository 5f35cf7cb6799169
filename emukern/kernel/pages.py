"""Page frames: who gets which 4 KiB of RAM. Deterministic, and a free page holds zeroes (init_on_free=1)."""

from __future__ import annotations

from emukern.machine.cpu import Cpu
from emukern.machine.ram import PAGE, Ram


class Pages:
    """Frames from physical address `first` to the end of RAM; `refs` counts the users of a shared one but the first."""

    def __init__(self, ram: Ram, first: int) -> None:
        self._ram = ram
        self._next = first
        self._end = ram.base + ram.size
        self._free: dict[int, list[int]] = {}
        self.total = (self._end - first) // PAGE
        self.used = 0
        self.refs: dict[int, int] = {}
        # Translated code stays with its frame until all of it is dropped.
        self.executable: set[int] = set()  # frames that hold code
        self.stale: set[int] = set()  # freed frames of which translated code may be left

    def alloc(self, n: int = 1) -> int:
        """Physical address of `n` zeroed pages in a row. Raises MemoryError."""
        runs = self._free.get(n)
        if runs:
            phys = runs.pop()
        elif self._next + n * PAGE <= self._end:
            phys = self._next
            self._next += n * PAGE
        else:
            phys = self._from_fragments(n)
        self.used += n
        return phys

    def free(self, phys: int, n: int = 1) -> None:
        """Give pages back; a shared page only loses one user."""
        if n == 1 and phys in self.refs:
            self.refs[phys] -= 1
            if not self.refs[phys]:
                del self.refs[phys]
            return
        offset = phys - self._ram.base
        self._ram.bytes[offset : offset + n * PAGE] = bytes(n * PAGE)
        for frame in self.executable & set(range(phys, phys + n * PAGE, PAGE)):
            self.executable.remove(frame)
            self.stale.add(frame)
        self.used -= n
        if phys + n * PAGE == self._next:
            self._next = phys
        else:
            self._free.setdefault(n, []).append(phys)

    def share(self, phys: int) -> None:
        """One more user of a page."""
        self.refs[phys] = self.refs.get(phys, 0) + 1

    def make_executable(self, cpu: Cpu, phys: int) -> None:
        """A page with new content is about to be executed: code translated from its old content must go."""
        if phys in self.executable or phys in self.stale:
            cpu.flush_code()
            self.stale.clear()
        self.executable.add(phys)

    def _from_fragments(self, n: int) -> int:
        """Merge the free runs and cut `n` pages out of the first that fits."""
        runs = sorted((phys, size) for size, list_ in self._free.items() for phys in list_)
        merged: list[tuple[int, int]] = []
        for phys, size in runs:
            if merged and merged[-1][0] + merged[-1][1] * PAGE == phys:
                merged[-1] = (merged[-1][0], merged[-1][1] + size)
            else:
                merged.append((phys, size))
        self._free = {}
        found: int | None = None
        for phys, size in merged:
            if found is None and size >= n:
                found = phys
                phys, size = phys + n * PAGE, size - n
            if size:
                self._free.setdefault(size, []).append(phys)
        if found is None:
            raise MemoryError(f"no {n} free pages in a row among {self.total - self.used}")
        return found
