"""System calls about address spaces (mm/mmap.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.kernel.mm import AddressSpace, VmArea, unchanging
from emukern.kernel.openfile import DataFile
from emukern.kernel.sequence import Answer
from emukern.machine.ram import PAGE
from emukern.syscalls.table import Int, Ptr, Size, UInt, ULong, syscall

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

PROT = ((1, "r"), (2, "w"), (4, "x"))
MAP_SHARED, MAP_PRIVATE, MAP_TYPE, MAP_FIXED, MAP_ANONYMOUS = 1, 2, 15, 0x10, 0x20
MAP_FIXED_NOREPLACE = 0x100000


def _space(k: Kernel) -> AddressSpace:
    assert k.current.mm is not None
    return k.current.mm


def _prot(prot: int) -> str:
    if prot & ~7:
        raise Errno(errno.EINVAL)
    letters = "".join(letter for bit, letter in PROT if prot & bit)
    if "w" in letters and "x" in letters:
        raise Errno(errno.EACCES)  # no page is both, for users either
    return "r" + letters.replace("r", "") if letters else ""


def _pages(size: int) -> int:
    return -(-size // PAGE) * PAGE


def _too_much(k: Kernel, size: int) -> bool:
    """More than the machine has is never promised (vm.overcommit_memory 0)."""
    return size > k.pages.total * PAGE


@syscall
def brk(k: Kernel, address: Ptr) -> Answer:
    mm = _space(k)
    if address < mm.brk_start or address > mm.top // 2:
        return mm.brk
    old, new = _pages(mm.brk), _pages(address)
    if new > old:
        if mm.overlapping(old, new) or _too_much(k, new - old):
            return mm.brk
        below = mm.find(old - 1)
        if below is not None and below.name == "heap" and below.prot == "rw":
            below.end = new
        else:
            mm.add(VmArea(old, new, "rw", name="heap"))
    elif new < old:
        mm.unmap(k, new, old)
    mm.brk = address
    return address


@syscall
def mmap(k: Kernel, address: Ptr, size: Size, prot: UInt, flags: UInt, fd: Int, offset: ULong) -> Answer:
    mm = _space(k)
    size, letters = _pages(size), _prot(prot)
    if not size or flags & MAP_TYPE not in (MAP_SHARED, MAP_PRIVATE) or offset % PAGE:
        raise Errno(errno.EINVAL)
    data, cached = None, False
    if not flags & MAP_ANONYMOUS:
        assert k.current.fds is not None
        file = k.current.fds.get(fd)
        if not file.readable:
            raise Errno(errno.EACCES)
        if not isinstance(file, DataFile):
            raise Errno(errno.ENODEV)
        data, cached = file.read_all(k), unchanging(file.inode)
        if flags & MAP_TYPE == MAP_SHARED and "w" in letters:
            raise Errno(errno.ENODEV)
    if size > mm.top or ("w" in letters and _too_much(k, size)):
        raise Errno(errno.ENOMEM)
    if flags & (MAP_FIXED | MAP_FIXED_NOREPLACE):
        if address % PAGE:
            raise Errno(errno.EINVAL)
        if address + size > mm.top:
            raise Errno(errno.ENOMEM)
        if address < PAGE:
            raise Errno(errno.EPERM)
        if flags & MAP_FIXED_NOREPLACE and mm.overlapping(address, address + size):
            raise Errno(errno.EEXIST)
        mm.unmap(k, address, address + size)
    elif address % PAGE or address < PAGE or address + size > mm.top or mm.overlapping(address, address + size):
        address = mm.free_range(size)
    mm.add(VmArea(address, address + size, letters, data, offset, "map", flags & MAP_TYPE == MAP_SHARED, cached))
    return address


@syscall
def mmap2(k: Kernel, address: Ptr, size: Size, prot: UInt, flags: UInt, fd: Int, page: ULong) -> Answer:
    return mmap(k, address, size, prot, flags, fd, page * PAGE)


@syscall
def munmap(k: Kernel, address: Ptr, size: Size) -> Answer:
    mm, end = _space(k), address + _pages(size)
    if address % PAGE or end > mm.top or not size:
        raise Errno(errno.EINVAL)
    mm.unmap(k, address, end)
    return 0


@syscall
def mprotect(k: Kernel, address: Ptr, size: Size, prot: UInt) -> Answer:
    mm, end = _space(k), address + _pages(size)
    if address % PAGE:
        raise Errno(errno.EINVAL)
    if end > mm.top:
        raise Errno(errno.ENOMEM)
    mm.protect(k, address, end, _prot(prot))
    return 0
