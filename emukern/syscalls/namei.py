"""System calls that change the tree: making, linking, moving, removing, chmod, truncate (fs/namei.c)."""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.kernel.fdtable import context, descriptors
from emukern.kernel.inode import Directory, Inode, encode, writable
from emukern.kernel.openfile import PathFile
from emukern.kernel.sequence import Answer
from emukern.kernel.vfs import Found
from emukern.syscalls.path import (
    AT_EMPTY_PATH,
    AT_FDCWD,
    AT_REMOVEDIR,
    AT_SYMLINK_FOLLOW,
    AT_SYMLINK_NOFOLLOW,
    base_of,
    inode_at,
    path_at,
)
from emukern.syscalls.table import Int, Loff, Long, Ptr, UInt, syscall

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

RENAME_NOREPLACE = 1


def vacancy(k: Kernel, dirfd: int, path_ptr: int, *, directory: bool = False) -> Found:
    """Where a new entry shall be; raises EEXIST and more."""
    path = path_at(k, path_ptr)
    return k.vfs.vacancy(k, path, base_of(k, dirfd, path), directory=directory)


def entry(k: Kernel, dirfd: int, path_ptr: int) -> Found:
    """The entry a path names, whether it exists or not; a link at its end is the entry itself."""
    path = path_at(k, path_ptr)
    return k.vfs.walk(k, path, base_of(k, dirfd, path), follow=False)


def is_mounted(inode: Inode | None) -> bool:
    return isinstance(inode, Directory) and inode.covers is not None


@syscall
def mkdirat(k: Kernel, dirfd: Int, path_ptr: Ptr, mode: UInt) -> Answer:
    found = vacancy(k, dirfd, path_ptr, directory=True)
    found.parent.mkdir(k, found.name, mode & 0o1777 & ~context(k).umask)
    return 0


@syscall
def mkdir(k: Kernel, path_ptr: Ptr, mode: UInt) -> Answer:
    return mkdirat(k, AT_FDCWD, path_ptr, mode)


@syscall
def mknodat(k: Kernel, dirfd: Int, path_ptr: Ptr, mode: UInt, dev: UInt) -> Answer:
    """Regular files, devices and sockets' names; named pipes are not there (EPERM)."""
    kind = stat.S_IFMT(mode) or stat.S_IFREG
    if kind == stat.S_IFDIR:
        raise Errno(errno.EPERM)
    found = vacancy(k, dirfd, path_ptr)
    found.parent.create(k, found.name, kind | mode & 0o7777 & ~context(k).umask, dev)
    return 0


@syscall
def mknod(k: Kernel, path_ptr: Ptr, mode: UInt, dev: UInt) -> Answer:
    return mknodat(k, AT_FDCWD, path_ptr, mode, dev)


@syscall
def symlinkat(k: Kernel, target_ptr: Ptr, dirfd: Int, path_ptr: Ptr) -> Answer:
    target = path_at(k, target_ptr)
    if not target:
        raise Errno(errno.ENOENT)
    found = vacancy(k, dirfd, path_ptr)
    found.parent.symlink(k, found.name, target)
    return 0


@syscall
def symlink(k: Kernel, target_ptr: Ptr, path_ptr: Ptr) -> Answer:
    return symlinkat(k, target_ptr, AT_FDCWD, path_ptr)


@syscall
def linkat(k: Kernel, olddir: Int, old_ptr: Ptr, newdir: Int, new_ptr: Ptr, flags: Int) -> Answer:
    if flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH):
        raise Errno(errno.EINVAL)
    nofollow = 0 if flags & AT_SYMLINK_FOLLOW else AT_SYMLINK_NOFOLLOW
    inode = inode_at(k, olddir, old_ptr, flags & AT_EMPTY_PATH | nofollow)
    found = vacancy(k, newdir, new_ptr)
    if inode.fs is not found.parent.fs:
        raise Errno(errno.EXDEV)
    if inode.is_dir:
        raise Errno(errno.EPERM)
    if inode.nlink == 0:
        raise Errno(errno.ENOENT)
    found.parent.link(k, found.name, inode)
    return 0


@syscall
def link(k: Kernel, old_ptr: Ptr, new_ptr: Ptr) -> Answer:
    return linkat(k, AT_FDCWD, old_ptr, AT_FDCWD, new_ptr, 0)


@syscall
def unlinkat(k: Kernel, dirfd: Int, path_ptr: Ptr, flags: Int) -> Answer:
    if flags & ~AT_REMOVEDIR:
        raise Errno(errno.EINVAL)
    found = entry(k, dirfd, path_ptr)
    if flags & AT_REMOVEDIR and not found.named:
        raise Errno({".": errno.EINVAL, "..": errno.ENOTEMPTY}.get(found.name, errno.EBUSY))
    writable(found.parent)
    if found.inode is None:
        raise Errno(errno.ENOENT)
    if not flags & AT_REMOVEDIR and found.inode.is_dir:
        raise Errno(errno.EISDIR)
    if flags & AT_REMOVEDIR and not found.inode.is_dir:
        raise Errno(errno.ENOTDIR)
    if is_mounted(found.inode):
        raise Errno(errno.EBUSY)
    found.parent.remove(k, found.name)
    return 0


@syscall
def unlink(k: Kernel, path_ptr: Ptr) -> Answer:
    return unlinkat(k, AT_FDCWD, path_ptr, 0)


@syscall
def rmdir(k: Kernel, path_ptr: Ptr) -> Answer:
    return unlinkat(k, AT_FDCWD, path_ptr, AT_REMOVEDIR)


@syscall
def renameat2(k: Kernel, olddir: Int, old_ptr: Ptr, newdir: Int, new_ptr: Ptr, flags: UInt) -> Answer:
    """Of the flags only RENAME_NOREPLACE."""
    if flags & ~RENAME_NOREPLACE:
        raise Errno(errno.EINVAL)
    old, new = entry(k, olddir, old_ptr), entry(k, newdir, new_ptr)
    if old.parent.fs is not new.parent.fs:
        raise Errno(errno.EXDEV)
    if not old.named or not new.named:
        raise Errno(errno.EBUSY)
    writable(old.parent)
    if old.inode is None:
        raise Errno(errno.ENOENT)
    writable(new.parent)
    if new.inode is not None and flags & RENAME_NOREPLACE:
        raise Errno(errno.EEXIST)
    if old.inode is new.inode:
        return 0
    check_rename(k, old.inode, new)
    old.parent.rename(k, old.name, new.parent, new.name)
    return 0


def check_rename(k: Kernel, inode: Inode, new: Found) -> None:
    """May `inode` take the place `new`? Raises what rename(2) lists."""
    if is_mounted(inode) or is_mounted(new.inode):
        raise Errno(errno.EBUSY)
    if not inode.is_dir:
        if new.inode is not None and new.inode.is_dir:
            raise Errno(errno.EISDIR)
        if new.slash:
            raise Errno(errno.ENOTDIR)
        return
    if new.inode is not None and not new.inode.is_dir:
        raise Errno(errno.ENOTDIR)
    here = new.parent
    while here is not k.vfs.root:
        if here is inode:
            raise Errno(errno.EINVAL)
        here = k.vfs.parent(here)


@syscall
def renameat(k: Kernel, olddir: Int, old_ptr: Ptr, newdir: Int, new_ptr: Ptr) -> Answer:
    return renameat2(k, olddir, old_ptr, newdir, new_ptr, 0)


@syscall
def rename(k: Kernel, old_ptr: Ptr, new_ptr: Ptr) -> Answer:
    return renameat2(k, AT_FDCWD, old_ptr, AT_FDCWD, new_ptr, 0)


def change_mode(inode: Inode, mode: int) -> None:
    writable(inode)
    if inode.fs.fixed:
        raise Errno(errno.EPERM)
    inode.mode = stat.S_IFMT(inode.mode) | mode & 0o7777


@syscall
def fchmodat(k: Kernel, dirfd: Int, path_ptr: Ptr, mode: UInt) -> Answer:
    change_mode(inode_at(k, dirfd, path_ptr, 0), mode)
    return 0


@syscall
def chmod(k: Kernel, path_ptr: Ptr, mode: UInt) -> Answer:
    return fchmodat(k, AT_FDCWD, path_ptr, mode)


@syscall
def fchmod(k: Kernel, fd: Int, mode: UInt) -> Answer:
    file = descriptors(k).get(fd)
    if isinstance(file, PathFile):
        raise Errno(errno.EBADF)
    change_mode(file.inode, mode)
    return 0


@syscall
def truncate(k: Kernel, path_ptr: Ptr, size: Long) -> Answer:
    if size < 0:
        raise Errno(errno.EINVAL)
    inode = inode_at(k, AT_FDCWD, path_ptr, 0)
    if inode.is_dir:
        raise Errno(errno.EISDIR)
    if not inode.is_regular:
        raise Errno(errno.EINVAL)
    writable(inode)
    inode.truncate(k, size)
    return 0


@syscall
def truncate64(k: Kernel, path_ptr: Ptr, size: Loff) -> Answer:
    return truncate(k, path_ptr, size)


@syscall
def readlinkat(k: Kernel, dirfd: Int, path_ptr: Ptr, buf: Ptr, size: Int) -> Answer:
    """Up to `size` bytes of a link's target, without a NUL."""
    if size <= 0:
        raise Errno(errno.EINVAL)
    inode = inode_at(k, dirfd, path_ptr, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)
    target = encode(inode.readlink(k))[:size]
    k.user.copy_to(buf, target)
    return len(target)


@syscall
def readlink(k: Kernel, path_ptr: Ptr, buf: Ptr, size: Int) -> Answer:
    return readlinkat(k, AT_FDCWD, path_ptr, buf, size)
