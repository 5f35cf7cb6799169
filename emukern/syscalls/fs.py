"""System calls that open and look: open, access, listing, links, and where a process is (fs/open.c)."""

from __future__ import annotations

import errno
import stat as mode_bits
from struct import Struct
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.flow import Wait, continuation
from emukern.kernel import openfile
from emukern.kernel.fdtable import context, descriptors
from emukern.kernel.inode import as_directory, encode
from emukern.kernel.sequence import Answer, after
from emukern.syscalls.path import (
    AT_EACCESS,
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_SYMLINK_NOFOLLOW,
    base_of,
    inode_at,
    path_at,
)
from emukern.syscalls.table import Int, Ptr, Size, UInt, syscall

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

R_OK, W_OK, X_OK = 4, 2, 1
# What open acts on once, so that F_GETFL does not tell it.
OPEN_ONLY = openfile.O_CREAT | openfile.O_EXCL | openfile.O_NOCTTY | openfile.O_TRUNC | openfile.O_CLOEXEC
DIRENT64 = Struct("<QqHB")  # struct linux_dirent64: d_ino d_off d_reclen d_type, then the name


# Opening.


@syscall
def openat(k: Kernel, dirfd: Int, path_ptr: Ptr, flags: Int, mode: UInt) -> Answer:
    path = path_at(k, path_ptr)
    table = descriptors(k)
    table.lowest_free()
    if flags & openfile.O_TMPFILE == openfile.O_TMPFILE:
        raise Errno(errno.EOPNOTSUPP)
    permissions = mode & 0o7777 & ~context(k).umask
    file = k.vfs.open(k, path, flags, permissions, base_of(k, dirfd, path))
    file.flags &= ~OPEN_ONLY
    fd = table.add(file, cloexec=bool(flags & openfile.O_CLOEXEC))
    try:
        answer = file.start(k)
    except Errno:
        table.forget(fd)
        raise
    if isinstance(answer, Wait):
        table.forget(fd)  # all of this is tried again
    return after(k, answer, opened, fd=fd)


@continuation
def opened(k: Kernel, rv: int, fd: int) -> Answer:
    """The device's own open is done; if it failed, there was no opening."""
    if rv < 0:
        descriptors(k).forget(fd)
        return rv
    return fd


@syscall
def open(k: Kernel, path_ptr: Ptr, flags: Int, mode: UInt) -> Answer:
    return openat(k, AT_FDCWD, path_ptr, flags, mode)


@syscall
def creat(k: Kernel, path_ptr: Ptr, mode: UInt) -> Answer:
    return openat(k, AT_FDCWD, path_ptr, openfile.O_CREAT | openfile.O_WRONLY | openfile.O_TRUNC, mode)


# Looking.


@syscall
def faccessat2(k: Kernel, dirfd: Int, path_ptr: Ptr, mode: Int, flags: Int) -> Answer:
    """Everyone is root: only a read-only filesystem and a missing x bit stand in the way."""
    if mode & ~(R_OK | W_OK | X_OK) or flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH):
        raise Errno(errno.EINVAL)
    inode = inode_at(k, dirfd, path_ptr, flags)
    if mode & W_OK and inode.fs.readonly and (inode.is_regular or inode.is_dir):
        raise Errno(errno.EROFS)
    if mode & X_OK and inode.is_regular and not inode.mode & 0o111:
        raise Errno(errno.EACCES)
    return 0


@syscall
def faccessat(k: Kernel, dirfd: Int, path_ptr: Ptr, mode: Int) -> Answer:
    return faccessat2(k, dirfd, path_ptr, mode, 0)


@syscall
def access(k: Kernel, path_ptr: Ptr, mode: Int) -> Answer:
    return faccessat2(k, AT_FDCWD, path_ptr, mode, 0)


@syscall
def getdents64(k: Kernel, fd: Int, buf: Ptr, count: UInt) -> Answer:
    file = descriptors(k).get(fd)
    records = bytearray()
    taken = 0
    entries = file.readdir(k)
    for name, ino, mode in entries:
        text = encode(name) + b"\0"
        size = (DIRENT64.size + len(text) + 7) & ~7
        if len(records) + size > count:
            break
        taken += 1
        kind = mode_bits.S_IFMT(mode) >> 12
        record = DIRENT64.pack(ino, file.pos + taken, size, kind) + text
        records += record.ljust(size, b"\0")
    if entries and not taken:
        raise Errno(errno.EINVAL)
    k.user.copy_to(buf, bytes(records))
    file.pos += taken
    return len(records)


# Where a process is.


@syscall
def chdir(k: Kernel, path_ptr: Ptr) -> Answer:
    context(k).cwd = k.vfs.directory(k, path_at(k, path_ptr), context(k).cwd)
    return 0


@syscall
def fchdir(k: Kernel, fd: Int) -> Answer:
    context(k).cwd = as_directory(descriptors(k).get(fd).inode)
    return 0


@syscall
def getcwd(k: Kernel, buf: Ptr, size: Size) -> Answer:
    """Answers the length with its NUL, as the system call does (the C function answers buf)."""
    path = encode(k.vfs.path_of(context(k).cwd)) + b"\0"
    if len(path) > size:
        raise Errno(errno.ERANGE)
    k.user.copy_to(buf, path)
    return len(path)


@syscall
def umask(k: Kernel, mask: Int) -> Answer:
    old = context(k).umask
    context(k).umask = mask & 0o777
    return old
