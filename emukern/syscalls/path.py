"""How system calls name files: paths in user memory, relative to a descriptor, with the AT_ flags."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.kernel.fdtable import context, descriptors
from emukern.kernel.inode import Directory, Inode, as_directory, decode
from emukern.kernel.vfs import PATH_MAX

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

AT_FDCWD = -100
AT_SYMLINK_NOFOLLOW, AT_REMOVEDIR, AT_SYMLINK_FOLLOW, AT_EMPTY_PATH = 0x100, 0x200, 0x400, 0x1000
AT_EACCESS, AT_NO_AUTOMOUNT = 0x200, 0x800


def path_at(k: Kernel, address: int) -> str:
    """The path a program passed; raises EFAULT, ENAMETOOLONG."""
    return decode(k.user.cstr(address, PATH_MAX - 1))


def base_of(k: Kernel, dirfd: int, path: str) -> Directory:
    """Where a relative path starts; raises EBADF, ENOTDIR."""
    if dirfd == AT_FDCWD or path.startswith("/"):
        return context(k).cwd
    return as_directory(descriptors(k).get(dirfd).inode)


def inode_at(k: Kernel, dirfd: int, path_ptr: int, flags: int) -> Inode:
    """What a *at system call names, with AT_EMPTY_PATH and AT_SYMLINK_NOFOLLOW."""
    path = path_at(k, path_ptr)
    if not path and flags & AT_EMPTY_PATH:
        return context(k).cwd if dirfd == AT_FDCWD else descriptors(k).get(dirfd).inode
    follow = not flags & AT_SYMLINK_NOFOLLOW
    return k.vfs.lookup(k, path, base_of(k, dirfd, path), follow)
