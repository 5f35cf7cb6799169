"""mount and umount2, for filesystems without a device (fs/namespace.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.kernel.fdtable import context
from emukern.kernel.inode import FILESYSTEMS, Directory, as_directory
from emukern.kernel.sequence import Answer
from emukern.syscalls.path import AT_FDCWD, inode_at, path_at
from emukern.syscalls.table import Int, Ptr, ULong, syscall

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

MS_IGNORED = 0x8000 | 0x1 << 21 | 0x1 << 24 | 0xE | 0x400 | 0x800  # silent, times, nosuid, nodev, noexec
MS_MGC_VAL = 0xC0ED0000


@syscall
def mount(k: Kernel, source_ptr: Ptr, path_ptr: Ptr, kind_ptr: Ptr, flags: ULong, data: Ptr) -> Answer:
    """A new filesystem of a kind /proc/filesystems lists. Flags that would matter are refused."""
    if flags & 0xFFFF0000 == MS_MGC_VAL:
        flags &= 0xFFFF
    if flags & ~MS_IGNORED:
        raise Errno(errno.EINVAL)
    kind = path_at(k, kind_ptr)
    source = path_at(k, source_ptr) if source_ptr else "none"
    path = path_at(k, path_ptr)
    as_directory(inode_at(k, AT_FDCWD, path_ptr, 0))
    make = FILESYSTEMS.get(kind)
    if make is None:
        raise Errno(errno.ENODEV)
    k.vfs.mount(path, make(k), source, k=k, base=context(k).cwd)
    return 0


@syscall
def umount2(k: Kernel, path_ptr: Ptr, flags: Int) -> Answer:
    if flags:
        raise Errno(errno.EINVAL)
    root = inode_at(k, AT_FDCWD, path_ptr, 0)
    if not isinstance(root, Directory) or root is not root.fs.root:
        raise Errno(errno.EINVAL)
    if root is k.vfs.root or in_use(k, root):
        raise Errno(errno.EBUSY)
    k.vfs.unmount(root.fs)
    return 0


def in_use(k: Kernel, root: Directory) -> bool:
    """Is a process in the filesystem of `root`, is a file of it open, or something mounted in it?"""
    for task in k.sched.tasks.values():
        if task.fs is not None and task.fs.cwd.fs is root.fs:
            return True
        if task.fds is not None and any(file.inode.fs is root.fs for file in task.fds.files.values()):
            return True
    return any(each.fs.root.covers and each.fs.root.covers.fs is root.fs for each in k.vfs.mounts)
