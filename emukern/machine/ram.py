"""Guest RAM on our own memfd: Python reads and writes it through a memoryview, images of it cost next to nothing.

The mapping's host address never changes. An image is a memfd that nobody writes any more; the RAM then is a private
mapping of it, so going back means dropping the private pages (UNICORN.md §7).
"""

from __future__ import annotations

import ctypes
import hashlib
import mmap
import os
from functools import cache

PAGE = 4096
MADV_DONTNEED = 4
MAP_FIXED = 0x10
# Of a page map entry's top byte: present in RAM, and not a page of the image's.
PRESENT, FILE_OR_SHARED = 1 << 7, 1 << 5
PRIVATE = bytes(bool(top & PRESENT) and not top & FILE_OR_SHARED for top in range(256))


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

    def __init__(self, fd: int, size: int) -> None:
        self.fd = fd
        self.size = size

    def __del__(self) -> None:
        os.close(self.fd)


class Ram:
    """`size` bytes of zeroes at the guest physical address `base`; `bytes` and `words` (8 bytes each) view them."""

    def __init__(self, base: int, size: int) -> None:
        self.base = base
        self.size = size
        self.image = RamImage(_memfd(size), size)
        self._private = False
        self.address = self._map(self.image.fd, mmap.MAP_SHARED, None)
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
            fd, before = _memfd(self.size), 0
            for start, end in [*self.touched(), (self.size, self.size)]:
                _copy(self.image.fd, fd, before, start)
                os.pwrite(fd, self.bytes[start:end], start)
                before = end
            self.image = RamImage(fd, self.size)
        self._map(self.image.fd, mmap.MAP_PRIVATE | MAP_FIXED, self.address)
        self._private = True
        return self.image

    def restore(self, image: RamImage) -> None:
        """Make the content what it was when `image` was saved."""
        if image is self.image:
            _libc().madvise(self.address, self.size, MADV_DONTNEED)
            return
        self._map(image.fd, mmap.MAP_PRIVATE | MAP_FIXED, self.address)
        self.image = image

    def touched(self) -> list[tuple[int, int]]:
        """Ranges of pages written since the last image, from the host's page map; everything where there is none."""
        try:
            with open("/proc/self/pagemap", "rb", buffering=0) as pagemap:
                pagemap.seek(self.address // PAGE * 8)
                entries = pagemap.read(self.size // PAGE * 8)
        except OSError:
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
        """Give the memory back; the views must not be used any more."""
        if self.address:
            _libc().munmap(self.address, self.size)
            self.address = 0


def _memfd(size: int) -> int:
    fd = os.memfd_create("emukern-ram", os.MFD_CLOEXEC)
    os.ftruncate(fd, size)
    return fd


def _copy(source: int, target: int, start: int, end: int) -> None:
    """Copy what `source` has in [start, end) to the same place of `target`; its holes stay holes."""
    while start < end:
        try:
            start = os.lseek(source, start, os.SEEK_DATA)
        except OSError:  # ENXIO: nothing but a hole from here on
            return
        stop = min(os.lseek(source, start, os.SEEK_HOLE), end)
        if start < stop:
            os.pwrite(target, os.pread(source, stop - start, start), start)
        start = stop
