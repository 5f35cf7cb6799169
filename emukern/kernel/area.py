"""Areas of kernel virtual addresses backed page by page: vmalloc, kernel stacks, modules."""

from __future__ import annotations

from emukern.kernel.pages import Pages
from emukern.machine.cpu import Cpu
from emukern.machine.pagetable import PageTables
from emukern.machine.ram import PAGE


class Area:
    """`size` bytes of addresses from `start`. Every allocation is followed by an unmapped guard page."""

    def __init__(self, cpu: Cpu, tables: PageTables, pages: Pages, root: int, start: int, size: int) -> None:
        self._cpu = cpu
        self._tables = tables
        self._pages = pages
        self._root = root
        self.start = start
        self._next = start
        self.end = start + size
        self._free: dict[int, list[int]] = {}
        self.allocations: dict[int, list[int]] = {}  # address → its frames

    def alloc(self, npages: int) -> int:
        """Address of `npages` fresh zeroed pages, mapped "rw". Raises MemoryError."""
        address = self._reserve(npages)
        frames: list[int] = []
        try:
            for i in range(npages):
                frames.append(self._pages.alloc())
                self._tables.map(self._root, address + i * PAGE, frames[-1], "rw")
        except MemoryError:
            self._unmap(address, frames)
            self._release(address, npages)
            raise
        self.allocations[address] = frames
        return address

    def _reserve(self, npages: int) -> int:
        """Start of unused addresses for `npages` and their guard page."""
        runs = self._free.get(npages)
        if runs:
            return runs.pop()
        address = self._next
        if address + (npages + 1) * PAGE <= self.end:
            self._next += (npages + 1) * PAGE
            return address
        return self._from_fragments(npages)

    def _release(self, address: int, npages: int) -> None:
        """The reverse of `_reserve`."""
        if address + (npages + 1) * PAGE == self._next:
            self._next = address
        else:
            self._free.setdefault(npages, []).append(address)

    def _from_fragments(self, npages: int) -> int:
        """Merge the free runs of addresses and cut `npages` out of the first that fits."""
        merged: list[tuple[int, int]] = []  # address, pages with the guard
        for address, size in sorted((address, size + 1) for size, list_ in self._free.items() for address in list_):
            if merged and merged[-1][0] + merged[-1][1] * PAGE == address:
                merged[-1] = (merged[-1][0], merged[-1][1] + size)
            else:
                merged.append((address, size))
        self._free = {}
        found: int | None = None
        for address, size in merged:
            if found is None and size > npages:
                found = address
                address, size = address + (npages + 1) * PAGE, size - npages - 1
            if size:
                self._free.setdefault(size - 1, []).append(address)
        if found is None:
            raise MemoryError(f"no {npages} pages of addresses left from {self.start:#x}")
        return found

    def extend(self, address: int) -> None:
        """Map one fresh page at `address`, for areas whose owner hands out the addresses."""
        self._tables.map(self._root, address, self._pages.alloc(), "rw")

    def free(self, address: int) -> None:
        """Give an allocation back."""
        frames = self.allocations.pop(address)
        self._unmap(address, frames)
        self._release(address, len(frames))

    def _unmap(self, address: int, frames: list[int]) -> None:
        """Take the frames away from `address` on, and free them."""
        for i in range(len(frames)):
            self._tables.unmap(self._root, address + i * PAGE)
        self._tables.prune(self._root, address, address + len(frames) * PAGE)
        self._cpu.flush_translations()
        for frame in reversed(frames):
            self._pages.free(frame)

    def protect(self, address: int, npages: int, prot: str) -> None:
        """Change the permissions of pages; content must be final before they become executable."""
        if "w" in prot and "x" in prot:
            raise ValueError("no page is both writable and executable here")
        for page in range(address, address + npages * PAGE, PAGE):
            found = self._tables.lookup(self._root, page)
            assert found is not None, f"{page:#x} is not mapped"
            self._tables.map(self._root, page, found[0], prot)
            if "x" in prot:
                self._pages.make_executable(self._cpu, found[0])
        self._cpu.flush_translations()
