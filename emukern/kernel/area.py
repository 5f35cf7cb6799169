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
        runs = self._free.get(npages)
        if runs:
            address = runs.pop()
        else:
            address = self._next
            if address + (npages + 1) * PAGE > self.end:
                raise MemoryError(f"no {npages} pages of addresses left from {self.start:#x}")
            self._next += (npages + 1) * PAGE
        frames: list[int] = []
        try:
            for i in range(npages):
                frames.append(self._pages.alloc())
                self._tables.map(self._root, address + i * PAGE, frames[-1], "rw")
        finally:
            self.allocations[address] = frames
            if len(frames) < npages:
                self.free(address)
        return address

    def extend(self, address: int) -> None:
        """Map one fresh page at `address`, for areas whose owner hands out the addresses."""
        self._tables.map(self._root, address, self._pages.alloc(), "rw")

    def free(self, address: int) -> None:
        """Give an allocation back."""
        frames = self.allocations.pop(address)
        for i in range(len(frames)):
            self._tables.unmap(self._root, address + i * PAGE)
        self._tables.prune(self._root, address, address + len(frames) * PAGE)
        self._cpu.flush_translations()
        for frame in reversed(frames):
            self._pages.free(frame)
        npages = len(frames)
        if address + (npages + 1) * PAGE == self._next:
            self._next = address
        else:
            self._free.setdefault(npages, []).append(address)

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
