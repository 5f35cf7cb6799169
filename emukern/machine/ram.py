"""Guest RAM on our own memfd: Python reads and writes it through a memoryview, images of it cost next to nothing.

The mapping's host address never changes. An image is a memfd that nobody writes any more; the RAM then is a private
mapping of it, so going back means dropping the private pages (UNICORN.md §7).
"""

from __future__ import annotations

import ctypes
import hashlib
import mmap
import os
import weakref
from collections.abc import Iterator
from functools import cache

from emukern.errors import SnapshotError

PAGE = 4096
ZEROES = bytes(PAGE)
MADV_DONTNEED = 4
MAP_FIXED = 0x10
# Of a page map entry's top byte: the page is somewhere, in RAM or swapped out, and is not one of the image's.
PRESENT, SWAPPED, FILE_OR_SHARED = 1 << 7, 1 << 6, 1 << 5
PRIVATE = bytes(bool(top & (PRESENT | SWAPPED)) and not top & FILE_OR_SHARED for top in range(256))
FEW = 200  # so many ranges are dropped one by one; beyond, dropping everything and mapping it anew costs less


@cache
def _libc() -> ctypes.CDLL:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    return libc


class RamImage:
    """The content of RAM at one moment; closed when nobody holds it."""

    def __init__(self, size: int) -> None:
        """All zeroes, to be filled by `write` before any RAM is made of it."""
        self.size = size
        self.fd = os.memfd_create("emukern-ram", os.MFD_CLOEXEC)
        os.ftruncate(self.fd, size)

    def __del__(self) -> None:
        fd, self.fd = getattr(self, "fd", -1), -1
        if fd >= 0 and os is not None:  # None: the process ends
            os.close(fd)

    def write(self, data: bytes | memoryview, at: int) -> None:
        """Put bytes at an offset. Costs less than through a mapping: no page is cleared or mapped first."""
        view = memoryview(data)
        while view:
            done = os.pwrite(self.fd, view, at)
            view, at = view[done:], at + done

    def extents(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Where in [start, end) there is memory at all, in order; everywhere else it reads as zeroes."""
        while start < end:
            try:
                start = os.lseek(self.fd, start, os.SEEK_DATA)
            except OSError:  # ENXIO: nothing but a hole from here on
                return
            stop = min(os.lseek(self.fd, start, os.SEEK_HOLE), end)
            if start < stop:
                yield start, stop
            start = stop

    def runs(self, longest: int) -> Iterator[tuple[int, int]]:
        """The pages that are not all zeroes, as ranges of offsets of up to `longest` bytes (whole pages), in order."""
        for start, end in self.extents(0, self.size):
            for at in range(start, end, longest):
                chunk = os.pread(self.fd, min(longest, end - at), at)
                first = -1
                for page in range(0, len(chunk), PAGE):
                    if chunk[page : page + PAGE] != ZEROES:
                        first = page if first < 0 else first
                    elif first >= 0:
                        yield at + first, at + page
                        first = -1
                if first >= 0:
                    yield at + first, at + len(chunk)

    def copy(self, other: RamImage, start: int, end: int) -> None:
        """Take [start, end) over from `other`, where nothing has been written here yet."""
        for at, stop in other.extents(start, end):
            os.lseek(self.fd, at, os.SEEK_SET)
            while at < stop:
                at += os.sendfile(self.fd, other.fd, at, stop - at)


class Ram:
    """`size` bytes of zeroes at the guest physical address `base`; `bytes` and `words` (8 bytes each) view them."""

    def __init__(self, base: int, size: int) -> None:
        self.base = base
        self.size = size
        self.image = RamImage(size)
        self._private = False
        self.address = self._map(self.image.fd, mmap.MAP_SHARED, None)
        self._unmap = weakref.finalize(self, _libc().munmap, self.address, size)
        self._unmap.atexit = False  # the engine may still be there then
        self._buffer = (ctypes.c_ubyte * size).from_address(self.address)
        self.bytes = memoryview(self._buffer).cast("B")
        self.words = self.bytes.cast("Q")

    def _map(self, fd: int, flags: int, address: int | None) -> int:
        prot = mmap.PROT_READ | mmap.PROT_WRITE
        result: int | None = _libc().mmap(address, self.size, prot, flags, fd, 0)
        if result is None or result == ctypes.c_void_p(-1).value:
            raise OSError(ctypes.get_errno(), "cannot map guest memory")
        return result

    def save(self) -> RamImage:
        """An image of the content now."""
        if self._private:
            touched = self.touched()
            if not touched:
                return self.image
            image, before = RamImage(self.size), 0
            for start, end in [*touched, (self.size, self.size)]:
                image.copy(self.image, before, start)
                image.write(self.bytes[start:end], start)
                before = end
            self.image = image
        self._map(self.image.fd, mmap.MAP_PRIVATE | MAP_FIXED, self.address)
        self._private = True
        return self.image

    def restore(self, image: RamImage, touched: list[tuple[int, int]] | None = None) -> None:
        """Make the content what it was when `image` was saved. `touched`: what the method of that name says now, if the
        caller has asked it anyway."""
        if image is not self.image:
            if image.size != self.size:
                raise SnapshotError(f"an image of {image.size >> 20} MiB does not fit {self.size >> 20} MiB of RAM")
            self._map(image.fd, mmap.MAP_PRIVATE | MAP_FIXED, self.address)
            self.image, self._private = image, True
            return
        ranges = self.touched() if touched is None else touched
        for start, end in ranges if len(ranges) <= FEW else [(0, self.size)]:
            if _libc().madvise(self.address + start, end - start, MADV_DONTNEED):
                raise OSError(ctypes.get_errno(), "cannot reset guest memory")

    def touched(self) -> list[tuple[int, int]]:
        """Ranges of pages written since the last image, from the host's page map; everything where there is none."""
        try:
            with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
                pagemap.seek(self.address // PAGE * 8)
                entries = pagemap.read(self.size // PAGE * 8)
        except OSError:
            entries = b""
        if len(entries) != self.size // PAGE * 8:
            return [(0, self.size)]
        # The top byte of each entry tells; a byte string finds runs faster than Python counts.
        flags = entries[7::8].translate(PRIVATE)
        ranges, end = [], 0
        while (start := flags.find(1, end)) >= 0:
            end = flags.find(0, start)
            end = len(flags) if end < 0 else end
            ranges.append((start * PAGE, end * PAGE))
        return ranges

    def hash(self) -> str:
        """SHA-256 of the whole content."""
        return hashlib.sha256(self.bytes).hexdigest()

    def close(self) -> None:
        """Give the memory back; the views must not be used any more. It happens by itself when nobody holds this."""
        self._unmap()
