"""Page tables in guest RAM: map, unmap, look up; one implementation over the architecture's entry format."""

from __future__ import annotations

from collections.abc import Callable

from emukern.arch import Paging
from emukern.machine.ram import PAGE, Ram

MAX_KNOWN = 4096  # translations remembered, for reads and writes by Python


class PageTables:
    """All page tables of a machine. `alloc_table` gives a zeroed page's physical address, `free_table` takes it."""

    def __init__(
        self, paging: Paging, ram: Ram, alloc_table: Callable[[], int], free_table: Callable[[int], None]
    ) -> None:
        self._paging = paging
        self._ram = ram  # whose views are good only as long as it is there
        self._words = ram.words
        self._base = ram.base
        self._size = ram.size
        self._zeroes = memoryview(bytes(PAGE)).cast("Q")
        self._alloc = alloc_table
        self._free = free_table
        self._shifts = tuple(12 + 9 * level for level in range(paging.levels - 1, -1, -1))
        self._known: dict[tuple[int, int], tuple[int, str]] = {}  # (root, page number) → frame, permissions

    def forget(self) -> None:
        """The tables' content was changed by somebody else: look everything up anew."""
        self._known.clear()

    def lookup(self, root: int, address: int) -> tuple[int, str] | None:
        """Physical address of the byte at `address` and its page's permissions; None when absent."""
        known = self._known.get((root, address >> 12))
        if known is not None:
            return known[0] | address & PAGE - 1, known[1]
        table, decode = root, self._paging.decode
        for shift in self._shifts:
            offset = table - self._base
            if not 0 <= offset < self._size:
                return None
            decoded = decode(self._words[(offset >> 3) + (address >> shift & 511)])
            if decoded is None:
                return None
            table, prot, leaf = decoded
            if leaf or shift == 12:
                mask = (1 << shift) - 1
                phys = table & ~mask | address & mask
                if len(self._known) >= MAX_KNOWN:
                    self._known.clear()
                self._known[root, address >> 12] = phys & -PAGE, prot
                return phys, prot
        return None

    def _slot(self, root: int, address: int, create: bool, level: int = 0) -> int | None:
        """Index into `words` of the entry for `address` on `level`, 0 being the last one."""
        table = root
        for shift in self._shifts[: -1 - level]:
            slot = ((table - self._base) >> 3) + (address >> shift & 511)
            decoded = self._paging.decode(self._words[slot])
            if decoded is None:
                if not create:
                    return None
                table = self._alloc()
                self._words[slot] = self._paging.table(table)
            elif decoded[2]:
                raise ValueError(f"{address:#x} lies in a large page")
            else:
                table = decoded[0]
        return ((table - self._base) >> 3) + (address >> self._shifts[-1 - level] & 511)

    def map(self, root: int, address: int, phys: int, prot: str) -> None:
        """Map one page, whatever was there before."""
        slot = self._slot(root, address, True)
        assert slot is not None
        if self._words[slot]:
            self._known.clear()  # kernel pages are known under every root
        self._words[slot] = self._paging.encode(phys, prot)

    def unmap(self, root: int, address: int) -> None:
        """Make one page absent."""
        slot = self._slot(root, address, False)
        if slot is not None:
            self._words[slot] = 0
            self._known.clear()

    def prune(self, root: int, start: int, end: int) -> None:
        """Free the last-level tables of [start, end) that have become empty."""
        span = PAGE << 9
        for address in range(start & -span, end, span):
            slot = self._slot(root, address, False)
            if slot is not None:
                first = slot & ~511
                if self._words[first : first + 512] == self._zeroes:
                    above = self._slot(root, address, False, level=1)
                    assert above is not None
                    self._words[above] = 0
                    self._free(self._base + first * 8)

    def share(self, source: int, root: int, first: int) -> None:
        """Let `root` show what `source` shows from entry `first` of the top level on: the kernel's half."""
        low = ((source - self._base) >> 3) + first
        new = ((root - self._base) >> 3) + first
        self._words[new : new + 512 - first] = self._words[low : low + 512 - first]

    def tables_below(self, root: int, entries: int) -> list[int]:
        """Physical addresses of all tables reached through the first `entries` entries of the top level."""
        found: list[int] = []
        level = [root]
        for depth in range(len(self._shifts) - 1):
            below = []
            for table in level:
                first = (table - self._base) >> 3
                for word in self._words[first : first + (entries if depth == 0 else 512)]:
                    decoded = self._paging.decode(word) if word else None
                    if decoded is not None and not decoded[2]:
                        below.append(decoded[0])
            found += below
            level = below
        return found


def pages(address: int, size: int) -> range:
    """The page addresses that `size` bytes at `address` touch."""
    return range(address & -PAGE, address + size, PAGE)
