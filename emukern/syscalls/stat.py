"""stat and its relatives (fs/stat.c). The names ending in 64 are those of 32-bit programs."""

from __future__ import annotations

import errno
from struct import Struct
from typing import TYPE_CHECKING

from emukern.arch.structs import SECOND
from emukern.errors import Errno
from emukern.kernel.fdtable import descriptors
from emukern.kernel.openfile import major, minor
from emukern.kernel.sequence import Answer
from emukern.syscalls.path import AT_EMPTY_PATH, AT_FDCWD, AT_NO_AUTOMOUNT, AT_SYMLINK_NOFOLLOW, inode_at
from emukern.syscalls.table import Int, Ptr, UInt, abi, syscall

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

AT_STATX_SYNC_TYPE = 0x6000
STATX_BASIC_STATS, STATX_RESERVED = 0x7FF, 1 << 31
# struct statx (include/uapi/linux/stat.h): mask, block size, attributes | links, owner, group, mode | inode,
# size, blocks, attributes known | times of access, birth (none), change, modification | devices | not filled
STATX = Struct("<IIQ IIIH2x QQQQ qI4x 16x qI4x qI4x IIII 112x")
FLAGS = AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH | AT_NO_AUTOMOUNT


@syscall
def newfstatat(k: Kernel, dirfd: Int, path_ptr: Ptr, buf: Ptr, flags: Int) -> Answer:
    if flags & ~FLAGS:
        raise Errno(errno.EINVAL)
    k.user.copy_to(buf, abi(k).stat(inode_at(k, dirfd, path_ptr, flags).stat(k)))
    return 0


@syscall
def fstatat64(k: Kernel, dirfd: Int, path_ptr: Ptr, buf: Ptr, flags: Int) -> Answer:
    """newfstatat of 32-bit programs."""
    if flags & ~FLAGS:
        raise Errno(errno.EINVAL)
    k.user.copy_to(buf, abi(k).stat64(inode_at(k, dirfd, path_ptr, flags).stat(k)))
    return 0


@syscall
def fstat(k: Kernel, fd: Int, buf: Ptr) -> Answer:
    k.user.copy_to(buf, abi(k).stat(descriptors(k).get(fd).stat(k)))
    return 0


@syscall
def fstat64(k: Kernel, fd: Int, buf: Ptr) -> Answer:
    k.user.copy_to(buf, abi(k).stat64(descriptors(k).get(fd).stat(k)))
    return 0


@syscall
def stat(k: Kernel, path_ptr: Ptr, buf: Ptr) -> Answer:
    return newfstatat(k, AT_FDCWD, path_ptr, buf, 0)


@syscall
def lstat(k: Kernel, path_ptr: Ptr, buf: Ptr) -> Answer:
    return newfstatat(k, AT_FDCWD, path_ptr, buf, AT_SYMLINK_NOFOLLOW)


@syscall
def stat64(k: Kernel, path_ptr: Ptr, buf: Ptr) -> Answer:
    return fstatat64(k, AT_FDCWD, path_ptr, buf, 0)


@syscall
def lstat64(k: Kernel, path_ptr: Ptr, buf: Ptr) -> Answer:
    return fstatat64(k, AT_FDCWD, path_ptr, buf, AT_SYMLINK_NOFOLLOW)


@syscall
def statx(k: Kernel, dirfd: Int, path_ptr: Ptr, flags: UInt, mask: UInt, buf: Ptr) -> Answer:
    if mask & STATX_RESERVED or flags & ~(FLAGS | AT_STATX_SYNC_TYPE):
        raise Errno(errno.EINVAL)
    s = inode_at(k, dirfd, path_ptr, flags).stat(k)
    time = divmod(s.mtime, SECOND)
    head = (STATX_BASIC_STATS, s.blksize, 0, s.nlink, s.uid, s.gid, s.mode)
    numbers = (major(s.rdev), minor(s.rdev), major(s.dev), minor(s.dev))
    k.user.copy_to(buf, STATX.pack(*head, s.ino, s.size, s.blocks, 0, *time, *time, *time, *numbers))
    return 0
