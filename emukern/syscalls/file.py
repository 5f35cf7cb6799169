"""System calls on open files: read, write, positions, descriptors, pipes (fs/read_write.c, fs/fcntl.c)."""

from __future__ import annotations

import errno
from collections.abc import Callable
from functools import partial
from struct import Struct
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.flow import Wait, continuation
from emukern.kernel import openfile
from emukern.kernel.fdtable import MAX_FILES, descriptors
from emukern.kernel.openfile import MAX_COUNT, File, ModuleDeviceFile
from emukern.kernel.pipe import make_pipe
from emukern.kernel.sequence import Answer, after
from emukern.syscalls.table import Int, Loff, Long, Ptr, Size, UInt, abi, syscall

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel


IOV_MAX = 1024
F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC = 0, 1, 2, 3, 4, 1030
FD_CLOEXEC = 1
FIONBIO, FIONCLEX, FIOCLEX = 0x5421, 0x5450, 0x5451
TWO_INTS = Struct("<ii")


def readable(k: Kernel, fd: int) -> File:
    """The file behind `fd`; raises EBADF when it is not open for reading."""
    file = descriptors(k).get(fd)
    if not file.readable:
        raise Errno(errno.EBADF)
    return file


def writable(k: Kernel, fd: int) -> File:
    """The file behind `fd`; raises EBADF when it is not open for writing."""
    file = descriptors(k).get(fd)
    if not file.writable:
        raise Errno(errno.EBADF)
    return file


@syscall
def read(k: Kernel, fd: Int, buf: Ptr, count: Size) -> Answer:
    return readable(k, fd).read(k, buf, min(count, MAX_COUNT))


@syscall
def write(k: Kernel, fd: Int, buf: Ptr, count: Size) -> Answer:
    return writable(k, fd).write(k, buf, min(count, MAX_COUNT))


@syscall
def pread64(k: Kernel, fd: Int, buf: Ptr, count: Size, pos: Loff) -> Answer:
    if pos < 0:
        raise Errno(errno.EINVAL)
    file, count = readable(k, fd), min(count, MAX_COUNT)
    if isinstance(file, ModuleDeviceFile):
        return at_position(k, fd, file, pos, partial(file.read, k, buf, count))
    return file.pread(k, buf, count, pos)


@syscall
def pwrite64(k: Kernel, fd: Int, buf: Ptr, count: Size, pos: Loff) -> Answer:
    if pos < 0:
        raise Errno(errno.EINVAL)
    file, count = writable(k, fd), min(count, MAX_COUNT)
    if isinstance(file, ModuleDeviceFile):
        return at_position(k, fd, file, pos, partial(file.write, k, buf, count))
    return file.pwrite(k, buf, count, pos)


def at_position(
    k: Kernel, fd: int, file: ModuleDeviceFile, pos: int, transfer: Callable[[], Answer]
) -> Answer:
    """A module's read or write takes the file's position, so that is lent to it and put back."""
    old, file.pos = file.pos, pos
    try:
        answer = transfer()
    except Errno:
        file.pos = old
        raise
    if isinstance(answer, Wait):
        file.pos = old
    return after(k, answer, restore_position, fd=fd, pos=old)


@continuation
def restore_position(k: Kernel, rv: int, fd: int, pos: int) -> Answer:
    descriptors(k).get(fd).pos = pos
    return rv


def segments(k: Kernel, vec: int, count: int) -> list[tuple[int, int]]:
    """The address and length of each part of an iovec array that has any; raises EINVAL, EFAULT."""
    if not 0 <= count <= IOV_MAX:
        raise Errno(errno.EINVAL)
    layout = abi(k).iovec
    parts = list(layout.iter_unpack(k.user.copy_from(vec, count * layout.size)))
    if any(length >> 8 * abi(k).word - 1 for _, length in parts):
        raise Errno(errno.EINVAL)
    return [(base, length) for base, length in parts if length]


@syscall
def readv(k: Kernel, fd: Int, vec: Ptr, count: Int) -> Answer:
    """Fills the parts in order and stops at the first that would have to wait."""
    file, total = readable(k, fd), 0
    for base, length in segments(k, vec, count) or [(0, 0)]:
        try:
            answer = file.read(k, base, min(length, MAX_COUNT - total))
        except Errno:
            if total:
                return total
            raise
        if not isinstance(answer, int):
            return total or answer
        total += answer
        if answer < length:
            break
    return total


@syscall
def writev(k: Kernel, fd: Int, vec: Ptr, count: Int) -> Answer:
    """One write of all parts together; a module's device gets the first, the program goes on from there."""
    file = writable(k, fd)
    parts = segments(k, vec, count) or [(0, 0)]
    if len(parts) == 1 or isinstance(file, ModuleDeviceFile):
        return file.write(k, *parts[0])
    return file.write_data(k, b"".join(k.user.copy_from(base, length) for base, length in parts))


@syscall
def lseek(k: Kernel, fd: Int, offset: Long, whence: UInt) -> Answer:
    file = descriptors(k).get(fd)
    if isinstance(file, openfile.PathFile):
        raise Errno(errno.EBADF)
    return file.lseek(k, offset, whence)


@syscall
def _llseek(k: Kernel, fd: Int, high: UInt, low: UInt, result: Ptr, whence: UInt) -> Answer:
    """lseek of 32-bit programs; the position goes to *result."""
    offset = (high << 32 | low) - (high >> 31 << 64)
    k.user.copy_to(result, bytes(8))
    pos = lseek(k, fd, offset, whence)
    return after(k, pos, store_position, result=result)


@continuation
def store_position(k: Kernel, rv: int, result: int) -> Answer:
    if rv >= 0:
        k.user.copy_to(result, rv.to_bytes(8, "little"))
    return min(rv, 0)


@syscall
def close(k: Kernel, fd: Int) -> Answer:
    return descriptors(k).close(k, fd)


@syscall
def dup(k: Kernel, fd: Int) -> Answer:
    return descriptors(k).dup(fd)


@syscall
def dup2(k: Kernel, fd: Int, target: Int) -> Answer:
    if fd == target:
        descriptors(k).get(fd)
        return fd
    return descriptors(k).dup_to(k, fd, target)


@syscall
def dup3(k: Kernel, fd: Int, target: Int, flags: Int) -> Answer:
    if fd == target or flags & ~openfile.O_CLOEXEC:
        raise Errno(errno.EINVAL)
    return descriptors(k).dup_to(k, fd, target, cloexec=bool(flags & openfile.O_CLOEXEC))


@syscall
def pipe2(k: Kernel, fds: Ptr, flags: Int) -> Answer:
    if flags & ~(openfile.O_CLOEXEC | openfile.O_NONBLOCK):
        raise Errno(errno.EINVAL)
    table, cloexec = descriptors(k), bool(flags & openfile.O_CLOEXEC)
    first = table.lowest_free()
    second = table.lowest_free(first + 1)
    k.user.copy_to(fds, TWO_INTS.pack(first, second))
    reader, writer = make_pipe(k.vfs.pipes, flags & openfile.O_NONBLOCK)
    table.add(reader, cloexec=cloexec)
    table.add(writer, cloexec=cloexec)
    return 0


@syscall
def pipe(k: Kernel, fds: Ptr) -> Answer:
    return pipe2(k, fds, 0)


@syscall
def fcntl(k: Kernel, fd: Int, cmd: Int, arg: Long) -> Answer:
    """Descriptors and flags; locks are not there and answer EINVAL."""
    table = descriptors(k)
    file = table.get(fd)
    if cmd in (F_DUPFD, F_DUPFD_CLOEXEC):
        if arg < 0 or arg >= MAX_FILES:
            raise Errno(errno.EINVAL)
        return table.dup(fd, cloexec=cmd == F_DUPFD_CLOEXEC, start=arg)
    if cmd == F_GETFD:
        return FD_CLOEXEC if fd in table.cloexec else 0
    if cmd == F_SETFD:
        table.mark(fd, bool(arg & FD_CLOEXEC))
        return 0
    if cmd == F_GETFL:
        return file.flags
    if cmd == F_SETFL and not isinstance(file, openfile.PathFile):
        file.flags = file.flags & ~openfile.SETTABLE | arg & openfile.SETTABLE
        return 0
    raise Errno(errno.EINVAL)


@syscall
def fcntl64(k: Kernel, fd: Int, cmd: Int, arg: Long) -> Answer:
    """The same for 32-bit programs, whose locks would be the only difference."""
    return fcntl(k, fd, cmd, arg)


@syscall
def ioctl(k: Kernel, fd: Int, cmd: UInt, arg: Ptr) -> Answer:
    file = descriptors(k).get(fd)
    if isinstance(file, openfile.PathFile):
        raise Errno(errno.EBADF)
    if cmd in (FIOCLEX, FIONCLEX):
        descriptors(k).mark(fd, cmd == FIOCLEX)
        return 0
    if cmd == FIONBIO:
        wanted = openfile.O_NONBLOCK if k.user.u32(arg) else 0
        file.flags = file.flags & ~openfile.O_NONBLOCK | wanted
        return 0
    return file.ioctl(k, cmd, arg)


@syscall
def ftruncate(k: Kernel, fd: Int, size: Long) -> Answer:
    file = descriptors(k).get(fd)
    if isinstance(file, openfile.PathFile):
        raise Errno(errno.EBADF)
    if size < 0 or not file.writable:
        raise Errno(errno.EINVAL)
    file.truncate(k, size)
    return 0


@syscall
def ftruncate64(k: Kernel, fd: Int, size: Loff) -> Answer:
    return ftruncate(k, fd, size)


@syscall
def fsync(k: Kernel, fd: Int) -> Answer:
    """Everything is in memory: there is nothing to wait for."""
    file = descriptors(k).get(fd)
    if isinstance(file, openfile.PathFile):
        raise Errno(errno.EBADF)
    file.fsync(k)
    return 0


@syscall
def fdatasync(k: Kernel, fd: Int) -> Answer:
    return fsync(k, fd)
