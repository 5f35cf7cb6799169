"""Address spaces of user programs: areas, demand paging, copy on write."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, replace
from errno import EACCES, EFAULT, ENAMETOOLONG, ENOMEM
from typing import TYPE_CHECKING, Any

from emukern.errors import Errno
from emukern.kernel import oom
from emukern.kernel.inode import HostBlob
from emukern.machine.pagetable import pages
from emukern.machine.ram import PAGE

if TYPE_CHECKING:
    from typing import SupportsIndex

    from emukern.kernel.inode import Inode
    from emukern.kernel.kernel import Kernel

MMAP_GAP = 1 << 28  # room for the stack above mappings


@dataclass(slots=True)
class VmArea:
    """[start, end) with permissions out of "rwx"; `data` is what a private file mapping shows from `offset` on.

    `cached`: the file's content never changes, so its pages are those of the page cache.
    """

    start: int
    end: int
    prot: str
    data: bytes | None = None
    offset: int = 0
    name: str = ""
    shared: bool = False
    cached: bool = False


class AddressSpace:
    """What one process sees. `pages` mirrors the user half of its page tables: page number → frame."""

    def __init__(self, k: Kernel, top: int) -> None:
        self.root = k.pages.alloc()
        k.tables.share(k.kernel_root, self.root, 256)
        self.top = top
        self.areas: list[VmArea] = []
        self.pages: dict[int, int] = {}
        self.brk_start = self.brk = 0

    def find(self, address: int) -> VmArea | None:
        """The area `address` lies in."""
        i = bisect_right(self.areas, address, key=lambda area: area.start) - 1
        return self.areas[i] if i >= 0 and address < self.areas[i].end else None

    def overlapping(self, start: int, end: int) -> list[VmArea]:
        """The areas that share an address with [start, end)."""
        return [area for area in self.areas if area.start < end and start < area.end]

    def add(self, area: VmArea) -> None:
        """Add an area where nothing is."""
        self.areas.insert(bisect_right(self.areas, area.start, key=lambda a: a.start), area)

    def free_range(self, size: int) -> int:
        """Start of the highest free range of `size` bytes below the stack. Raises Errno(ENOMEM)."""
        end = self.top - MMAP_GAP
        for area in reversed(self.areas):
            if area.start >= end:
                continue
            if area.end + size <= end:
                break
            end = min(end, area.start)
        if end - size < self.brk:
            raise Errno(ENOMEM)
        return end - size

    def split(self, address: int) -> None:
        """Make `address` a border between areas."""
        area = self.find(address)
        if area is None or area.start == address:
            return
        offset = area.offset + (address - area.start)
        self.add(replace(area, start=address, offset=offset))
        area.end = address

    def unmap(self, k: Kernel, start: int, end: int) -> None:
        """Remove [start, end), whatever is there."""
        self.split(start)
        self.split(end)
        self.areas = [area for area in self.areas if not (start <= area.start < end)]
        self._drop(k, [number for number in self.pages if start <= number * PAGE < end])

    def _drop(self, k: Kernel, numbers: list[int]) -> None:
        for number in numbers:
            k.tables.unmap(self.root, number * PAGE)
        for number in numbers:
            k.pages.free(self.pages.pop(number))
        if numbers:
            k.cpu.flush_translations()

    def protect(self, k: Kernel, start: int, end: int, prot: str) -> None:
        """Change permissions of [start, end). Raises Errno: ENOMEM where nothing is mapped, EACCES for shared files."""
        covered = start
        for area in self.overlapping(start, end):
            if area.start > covered:
                raise Errno(ENOMEM)
            if area.shared and area.data is not None and "w" in prot:
                raise Errno(EACCES)
            covered = area.end
        if covered < end:
            raise Errno(ENOMEM)
        self.split(start)
        self.split(end)
        for area in self.overlapping(start, end):
            area.prot = prot
        # Pages come back with their new rights one fault at a time; no frame is lost.
        for number in self.pages:
            if start <= number * PAGE < end:
                k.tables.unmap(self.root, number * PAGE)
        k.cpu.flush_translations()

    def fault(self, k: Kernel, address: int, write: bool, execute: bool) -> bool:
        """Map the page of `address` as the access needs it; False when that is not allowed. Raises MemoryError."""
        area = self.find(address)
        if area is None or not area.prot or (write and "w" not in area.prot) or (execute and "x" not in area.prot):
            return False
        number = address // PAGE
        frame = self.pages.get(number)
        if frame is None:
            frame = self._fresh(k, area, number, write)
        elif write and frame in k.pages.refs and not area.shared:
            frame = self._copy(k, frame)
            k.cpu.flush_translations()  # when the kernel writes, the program may have read the old page before
        writable = "w" in area.prot and (area.shared or frame not in k.pages.refs)
        self.pages[number] = frame
        prot = "u" + area.prot.replace("w", "") + ("w" if writable else "")
        k.tables.map(self.root, number * PAGE, frame, prot)
        if "x" in area.prot and frame not in k.pages.executable:
            k.pages.make_executable(k.cpu, frame)
        return True

    def _fresh(self, k: Kernel, area: VmArea, number: int, write: bool) -> int:
        if area.data is None:
            return k.pages.alloc()
        offset = area.offset + number * PAGE - area.start
        if not area.cached:
            frame = k.pages.alloc()
            k.mem.write(k.mem.virt(frame), area.data[offset : offset + PAGE])
            return frame
        cached = k.page_cache.page(k, area.data, offset)
        if not write:
            k.pages.share(cached)
            return cached
        return self._copy(k, cached, keep=True)

    @staticmethod
    def _copy(k: Kernel, frame: int, keep: bool = False) -> int:
        new = k.pages.alloc()
        k.mem.write(k.mem.virt(new), k.mem.read(k.mem.virt(frame), PAGE))
        if not keep:
            k.pages.free(frame)
        return new

    def copy(self, k: Kernel) -> AddressSpace:
        """The child's address space: private pages are shared until one side writes. Raises MemoryError."""
        child = AddressSpace(k, self.top)
        child.areas = [replace(area) for area in self.areas]
        child.brk_start, child.brk = self.brk_start, self.brk
        try:
            self._populate_shared(k)
        except MemoryError:
            child.destroy(k)
            raise
        for number, frame in self.pages.items():
            k.pages.share(frame)
            child.pages[number] = frame
            k.tables.unmap(self.root, number * PAGE)
        k.cpu.flush_translations()
        return child

    def _populate_shared(self, k: Kernel) -> None:
        """Make the missing pages of shared anonymous memory, so that parent and child will mean the same ones."""
        for area in self.areas:
            if area.shared and area.data is None:
                for number in range(area.start // PAGE, area.end // PAGE):
                    if number not in self.pages:
                        self.pages[number] = k.pages.alloc()

    def empty(self, k: Kernel) -> None:
        """Remove all there is; the process can do no more than die."""
        self._drop(k, list(self.pages))
        self.areas = []

    def destroy(self, k: Kernel) -> None:
        """Give everything back."""
        self.empty(k)
        for table in k.tables.tables_below(self.root, 256):
            k.pages.free(table)
        k.pages.free(self.root)
        self.root = 0


def unchanging(inode: Inode) -> bool:
    """Does the file still hold what the package put there, so that its pages may be kept for others?"""
    return isinstance(getattr(inode, "data", None), HostBlob)


class PageCache:
    """Pages of immutable file contents, shared by all who map them; translated code stays with them."""

    def __init__(self) -> None:
        self._frames: dict[tuple[int, int], int] = {}
        self._contents: dict[int, bytes] = {}  # keeps the contents alive, so that their identity is theirs alone
        self._segments: dict[tuple[int, int, int], tuple[bytes, bytes]] = {}

    def segment(self, data: bytes, offset: int, size: int) -> bytes:
        """`size` bytes of the file content `data`: the same object each time, so that its pages are found again."""
        key = (id(data), offset, size)
        if key not in self._segments:
            self._segments[key] = (data, data[offset : offset + size])
        return self._segments[key][1]

    def page(self, k: Kernel, data: bytes, offset: int) -> int:
        """The frame that holds `data` from `offset` on, zero filled."""
        key = (id(data), offset)
        frame = self._frames.get(key)
        if frame is None:
            frame = self._frames[key] = k.pages.alloc()
            self._contents[id(data)] = data
            k.pages.make_executable(k.cpu, frame)
            k.mem.write(k.mem.virt(frame), data[offset : offset + PAGE])
        return frame

    def __getstate__(self) -> dict[str, Any]:
        """Identities do not survive a snapshot, the objects they stand for do."""
        pages = [(self._contents[i], offset, frame) for (i, offset), frame in self._frames.items()]
        segments = [(data, offset, size, part) for (_, offset, size), (data, part) in self._segments.items()]
        return {"pages": pages, "segments": segments}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._frames = {(id(data), offset): frame for data, offset, frame in state["pages"]}
        self._contents = {id(data): data for data, _, _ in state["pages"]}
        self._segments = {(id(data), at, size): (data, part) for data, at, size, part in state["segments"]}


def fault(k: Kernel, address: int, write: bool, execute: bool) -> bool:
    """Serve a fault of the current process; False when there may be none. Processes die while memory is short."""
    while True:
        mm = k.current.mm
        if mm is None:
            return False
        try:
            return mm.fault(k, address, write, execute)
        except MemoryError:
            oom.kill(k)


class UserMemory:
    """Checked access to the current process's memory, as copy_to_user and copy_from_user do it: Errno(EFAULT)."""

    def __init__(self, k: Kernel) -> None:
        self._k = k

    def _check(self, address: int, n: int, write: bool) -> None:
        k, mm = self._k, self._k.current.mm
        if mm is None or address < 0 or address + n > mm.top:
            raise Errno(EFAULT)
        for page in pages(address, n):
            found = k.tables.lookup(mm.root, page)
            allowed = found is not None and "u" in found[1] and (not write or "w" in found[1])
            if not allowed and not fault(k, max(page, address), write, False):
                raise Errno(EFAULT)
            if write and mm.pages.get(page // PAGE) in k.pages.executable:
                k.cpu.flush_code()

    def copy_from(self, addr: SupportsIndex, n: int) -> bytes:
        """`n` bytes at the user address `addr`."""
        address = addr.__index__()
        if not n:
            return b""
        self._check(address, n, False)
        return self._k.mem.read(address, n)

    def copy_to(self, addr: SupportsIndex, data: bytes | bytearray | memoryview) -> None:
        """Put `data` at the user address `addr`; all or nothing."""
        address = addr.__index__()
        if data:
            self._check(address, len(data), True)
            self._k.mem.write(address, data)

    def cstr(self, addr: SupportsIndex, limit: int = PAGE) -> bytes:
        """The string at `addr`, without its NUL. Errno(ENAMETOOLONG) when `limit` bytes hold none."""
        address, left = addr.__index__(), limit
        parts: list[bytes] = []
        while left > 0:
            chunk = min(left, PAGE - address % PAGE)
            part = self.copy_from(address, chunk)
            end = part.find(b"\0")
            if end >= 0:
                return b"".join((*parts, part[:end]))
            parts.append(part)
            address, left = address + chunk, left - chunk
        raise Errno(ENAMETOOLONG)

    def u32(self, addr: SupportsIndex) -> int:
        """Four bytes, unsigned."""
        return int.from_bytes(self.copy_from(addr, 4), "little")

    def u64(self, addr: SupportsIndex) -> int:
        """Eight bytes, unsigned."""
        return int.from_bytes(self.copy_from(addr, 8), "little")

    def put_u32(self, addr: SupportsIndex, value: int) -> None:
        """Write the low four bytes of `value`."""
        self.copy_to(addr, (value & 0xFFFF_FFFF).to_bytes(4, "little"))

    def put_u64(self, addr: SupportsIndex, value: int) -> None:
        """Write the low eight bytes of `value`."""
        self.copy_to(addr, (value & 0xFFFF_FFFF_FFFF_FFFF).to_bytes(8, "little"))
