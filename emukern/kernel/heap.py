"""The kernel heap: kmalloc's size classes, whole pages above them, and vmalloc areas.

Sizes and alignment are Linux's (mm/slab_common.c, include/linux/slab.h). The rest is made for testing modules:

* An address depends on what is alive, never on history: the lowest free slot of the lowest slab is taken. So a module
  that frees everything leaves the allocator as it found it.
* Memory is cleared when it is freed, hence always zero when it is handed out.
* All book-keeping is here and none in guest memory, so a double free cannot corrupt it, and is named with both owners.
"""

from __future__ import annotations

from bisect import insort
from dataclasses import dataclass, field
from typing import Protocol

from emukern.kernel.bug import KernelBug

PAGE = 4096
SIZES = (8, 16, 32, 64, 96, 128, 192, 256, 512, 1024, 2048, 4096, 8192)
ZERO_SIZE_PTR = 16  # what kmalloc(0) answers (include/linux/slab.h)
MAX_SIZE = PAGE << 10  # KMALLOC_MAX_SIZE with MAX_ORDER 11
FREED_KEPT = 512  # how many freed addresses are remembered for double-free reports


class Memory(Protocol):
    """What the heap needs of guest memory."""

    def fill(self, address: int, byte: int, size: int) -> None: ...
    def read(self, address: int, size: int) -> bytes: ...
    def write(self, address: int, data: bytes) -> None: ...
    def virt(self, phys: int) -> int: ...
    def phys(self, address: int) -> int: ...


class Pages(Protocol):
    """Physical pages: `alloc` raises MemoryError, `free` clears."""

    def alloc(self, count: int) -> int: ...
    def free(self, phys: int, count: int) -> None: ...


class VmallocArea(Protocol):
    """Kernel pages that are contiguous in virtual addresses alone."""

    def alloc(self, count: int) -> int: ...
    def free(self, address: int) -> None: ...


@dataclass(slots=True)
class Block:
    """One live object: `size` bytes asked for, `room` bytes usable, `by` whom, of which `cache` (0 = kmalloc)."""

    size: int
    room: int
    by: str
    cache: int = 0


@dataclass(slots=True)
class Slab:
    """One page cut into objects of `size` bytes; bit i of `used` is object i."""

    base: int
    size: int
    used: int = 0

    @property
    def slots(self) -> int:
        return PAGE // self.size


@dataclass(slots=True)
class Run:
    """A large object's pages: `count` from physical address `phys` on."""

    phys: int
    count: int


@dataclass
class Heap:
    """kmalloc, vmalloc and their owners. Sizes are bytes; a failed allocation answers 0."""

    mem: Memory
    pages: Pages
    areas: VmallocArea
    fail_nth: int = 0  # fault injection: 1 fails the next allocation, n the n-th from now, 0 none
    blocks: dict[int, Block] = field(default_factory=dict)
    slabs: dict[int, Slab] = field(default_factory=dict)
    partial: dict[int, list[int]] = field(default_factory=dict)  # size class -> bases of slabs with room, ascending
    runs: dict[int, Run] = field(default_factory=dict)
    vmalloced: dict[int, Block] = field(default_factory=dict)
    freed: dict[int, tuple[Block, str]] = field(default_factory=dict)

    def alloc(self, size: int, *, zero: bool = False, by: str = "", align: int = 0, cache: int = 0) -> int:
        """kmalloc: an address aligned to 8, to `size` if that is a power of two, and to `align`; 0 = no memory.

        `zero` needs no work here (free memory is zero) and is accepted so that callers say what they rely on.
        """
        if size == 0:
            return ZERO_SIZE_PTR
        if size > MAX_SIZE or self._must_fail():
            return 0
        chosen = size_class(size, align)
        try:
            address = self._slot(chosen) if chosen < PAGE else self._run(chosen, max(align, chosen & -chosen))
        except MemoryError:
            return 0
        self.blocks[address] = Block(size, chosen, by, cache)
        self.freed.pop(address, None)
        return address

    def free(self, address: int, *, by: str = "") -> None:
        """kfree: clears the object. NULL and ZERO_SIZE_PTR are fine; anything else that is not an object is a BUG."""
        if address <= ZERO_SIZE_PTR:
            return
        block = self.blocks.pop(address, None)
        if block is None:
            raise KernelBug(self._complaint(address, by))
        self._remember(address, block, by)
        if block.room < PAGE:
            self._release_slot(address, block.room)
        else:
            run = self.runs.pop(address)
            self.pages.free(run.phys, run.count)

    def size_of(self, address: int) -> int:
        """ksize: the usable bytes of an object, 0 for NULL and ZERO_SIZE_PTR; a BUG for what is no object."""
        if address <= ZERO_SIZE_PTR:
            return 0
        block = self.blocks.get(address) or self.vmalloced.get(address)
        if block is None:
            raise KernelBug(self._complaint(address, ""))
        return block.room

    def realloc(self, address: int, size: int, *, zero: bool = False, by: str = "") -> int:
        """krealloc: in place when it fits, else moved; size 0 frees. On failure (0) the old object stays."""
        if size == 0:
            self.free(address, by=by)
            return ZERO_SIZE_PTR
        if address <= ZERO_SIZE_PTR:
            return self.alloc(size, zero=zero, by=by)
        room = self.size_of(address)
        block = self.blocks[address]
        if size <= room:
            if zero and size > block.size:
                self.mem.fill(address + block.size, 0, size - block.size)
            block.size = size
            return address
        moved = self.alloc(size, by=by)
        if moved:
            self.mem.write(moved, self.mem.read(address, block.size if zero else room))
            self.free(address, by=by)
        return moved

    def valloc(self, size: int, by: str = "") -> int:
        """vmalloc: whole zeroed pages, contiguous in virtual addresses; 0 when there is no memory (or size is 0)."""
        if size == 0 or self._must_fail():
            return 0
        count = -(-size // PAGE)
        try:
            address = self.areas.alloc(count)
        except MemoryError:
            return 0
        self.vmalloced[address] = Block(size, count * PAGE, by)
        self.freed.pop(address, None)
        return address

    def vfree(self, address: int, *, by: str = "") -> None:
        """vfree: NULL is fine; a BUG for what vmalloc did not give."""
        if not address:
            return
        block = self.vmalloced.pop(address, None)
        if block is None:
            kind = "nonexistent vm area" if address % PAGE == 0 else "bad address"
            raise KernelBug(f"Trying to vfree() {kind} ({address:016x}){_by(by)}{self._history(address)}")
        self._remember(address, block, by)
        self.areas.free(address)

    def is_vmalloc(self, address: int) -> bool:
        """Whether `address` is the start of a live vmalloc area."""
        return address in self.vmalloced

    def live(self) -> list[tuple[int, int, str]]:
        """Every live object as (address, bytes asked for, owner), oldest first: kmalloc, then vmalloc."""
        both = (*self.blocks.items(), *self.vmalloced.items())
        return [(address, block.size, block.by) for address, block in both]

    def live_in(self, cache: int) -> list[int]:
        """Addresses of the live objects of one kmem_cache."""
        return [address for address, block in self.blocks.items() if block.cache == cache]

    def _must_fail(self) -> bool:
        if not self.fail_nth:
            return False
        self.fail_nth -= 1
        return self.fail_nth == 0

    def _slot(self, size: int) -> int:
        bases = self.partial.setdefault(size, [])
        if not bases:
            base = self.mem.virt(self.pages.alloc(1))
            self.slabs[base] = Slab(base, size)
            bases.append(base)
        slab = self.slabs[bases[0]]
        free = ~slab.used & (slab.used + 1)  # the lowest clear bit
        slab.used |= free
        if slab.used == (1 << slab.slots) - 1:
            bases.pop(0)
        return slab.base + (free.bit_length() - 1) * size

    def _release_slot(self, address: int, size: int) -> None:
        slab = self.slabs[address & -PAGE]
        bases = self.partial[size]
        if slab.used == (1 << slab.slots) - 1:
            insort(bases, slab.base)
        slab.used &= ~(1 << (address - slab.base) // size)
        if slab.used:
            self.mem.fill(address, 0, size)
            return
        bases.remove(slab.base)
        del self.slabs[slab.base]
        self.pages.free(self.mem.phys(slab.base), 1)

    def _run(self, size: int, align: int) -> int:
        count = size // PAGE
        phys = self.pages.alloc(count)
        if self.mem.virt(phys) % align:  # natural alignment is promised to modules, not by the page allocator
            self.pages.free(phys, count)
            count += align // PAGE - 1
            phys = self.pages.alloc(count)
        address = -(-self.mem.virt(phys) // align) * align
        self.runs[address] = Run(phys, count)
        return address

    def _remember(self, address: int, block: Block, by: str) -> None:
        self.freed.pop(address, None)
        self.freed[address] = (block, by)
        if len(self.freed) > FREED_KEPT:
            del self.freed[next(iter(self.freed))]

    def _history(self, address: int) -> str:
        if address not in self.freed:
            return ""
        block, by = self.freed[address]
        return f"\nit was {block.size} bytes allocated by {block.by or '?'}, already freed by {by or '?'}"

    def _complaint(self, address: int, by: str) -> str:
        if address in self.freed:
            name = size_name(self.freed[address][0].room)
            return f"BUG kmalloc-{name}: Object already free: {address:016x}{_by(by)}{self._history(address)}"
        if address in self.vmalloced:
            return f"BUG: kfree of a vmalloc address: {address:016x}{_by(by)}"
        for base, block in self.blocks.items():
            if base < address < base + block.room:
                what = f"BUG kmalloc-{size_name(block.room)}: Invalid object pointer {address:016x}{_by(by)}"
                return f"{what}\nit is {address - base} bytes inside {block.size} bytes allocated by {block.by or '?'}"
        return f"BUG: {address:016x} is not a heap object{_by(by)}"


def size_class(size: int, align: int = 0) -> int:
    """The bytes an object of `size` really takes: the smallest class that fits and keeps `align`."""
    for room in SIZES:
        if room >= size and (room & -room) >= align:
            return room
    return PAGE << (-(-size // PAGE) - 1).bit_length()


def size_name(room: int) -> str:
    """`8k` for 8192, as slab caches are named."""
    return f"{room // 1024}k" if room >= 1024 else str(room)


def _by(by: str) -> str:
    return f" by {by}" if by else ""
