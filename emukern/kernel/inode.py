"""Inodes: what a filesystem consists of. ramfs.py, procfs.py and hostfs.py derive theirs from these.

A directory knows the directory above it; any other inode is reached through its directory's entries, so
hard links need nothing special. Names are str: UTF-8, with surrogateescape for other bytes. Everyone is
root here, so permission bits are kept and shown but forbid nothing.
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from emukern.arch.structs import Stat
from emukern.errors import Errno
from emukern.kernel import openfile
from emukern.kernel.openfile import File

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

    Maker = Callable[[Kernel], "Filesystem"]


def encode(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def decode(name: bytes) -> str:
    return name.decode("utf-8", "surrogateescape")


@cache
def host_content(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read()


class HostBlob:
    """The content of a file of the installed package, read when first needed. State holds its path alone."""

    __slots__ = ("path",)

    def __init__(self, path: str) -> None:
        self.path = path

    def content(self) -> bytes:
        return host_content(self.path)


Content = bytes | bytearray | HostBlob


class Inode:
    """A file of any kind; `mode` as in stat, `mtime` in nanoseconds since 1970."""

    __slots__ = ("fs", "ino", "mode", "mtime", "nlink")
    rdev = 0

    def __init__(self, fs: Filesystem, ino: int, mode: int, mtime: int = 0) -> None:
        self.fs = fs
        self.ino = ino
        self.mode = mode
        self.nlink = 1
        self.mtime = mtime

    @property
    def is_dir(self) -> bool:
        return stat.S_ISDIR(self.mode)

    @property
    def is_link(self) -> bool:
        return stat.S_ISLNK(self.mode)

    @property
    def is_regular(self) -> bool:
        return stat.S_ISREG(self.mode)

    def stat(self, k: Kernel) -> Stat:
        size = self.size(k)
        return Stat(self.fs.dev, self.ino, self.mode, self.nlink, self.rdev, size, self.mtime)

    def open(self, k: Kernel, flags: int) -> File:
        """A new open file; raises Errno."""
        raise Errno(errno.ENXIO)

    def size(self, k: Kernel | None) -> int:
        return 0

    def read_at(self, k: Kernel | None, pos: int, count: int) -> bytes:
        """Up to `count` bytes from `pos`."""
        raise Errno(errno.EINVAL)

    def write_at(self, k: Kernel | None, pos: int, data: bytes) -> None:
        raise Errno(errno.EINVAL)

    def truncate(self, k: Kernel | None, size: int) -> None:
        raise Errno(errno.EINVAL)

    def hold(self, data: Content) -> None:
        """Let this be the whole content."""
        raise Errno(errno.EINVAL)

    def text(self, k: Kernel) -> bytes:
        """The content of a file that is made when it is read."""
        raise Errno(errno.EINVAL)

    def readlink(self, k: Kernel | None) -> str:
        raise Errno(errno.EINVAL)

    def read_all(self, k: Kernel | None) -> bytes:
        """The whole content, for the kernel's own use (exec, finit_module)."""
        return self.read_at(k, 0, self.size(k))


class Directory(Inode):
    """A directory: `above` it another one (itself for a root), named `name` there."""

    __slots__ = ("above", "covers", "mounted", "name")

    def __init__(self, fs: Filesystem, ino: int, mode: int, above: Directory | None, name: str) -> None:
        super().__init__(fs, ino, stat.S_IFDIR | mode)
        self.above = above or self
        self.name = name
        self.mounted: Directory | None = None  # the root of what is mounted here
        self.covers: Directory | None = None  # of a mounted root: the directory it hides

    def open(self, k: Kernel, flags: int) -> File:
        if flags & openfile.O_ACCMODE != openfile.O_RDONLY:
            raise Errno(errno.EISDIR)
        return openfile.DirectoryFile(self, flags)

    def lookup(self, k: Kernel | None, name: str) -> Inode | None:
        """The entry `name`, never "." or ".."; None if there is none."""
        raise NotImplementedError

    def entries(self, k: Kernel | None) -> list[tuple[str, int, int]]:
        """Name, inode number and mode of every entry, in a fixed order."""
        raise NotImplementedError

    def create(self, k: Kernel | None, name: str, mode: int, rdev: int = 0) -> Inode:
        """A new entry that is neither a directory nor a link; `mode` says what."""
        raise Errno(errno.EACCES if stat.S_ISREG(mode) else errno.EPERM)

    def mkdir(self, k: Kernel | None, name: str, mode: int) -> Directory:
        raise Errno(errno.EPERM)

    def symlink(self, k: Kernel | None, name: str, target: str) -> Inode:
        raise Errno(errno.EPERM)

    def link(self, k: Kernel | None, name: str, inode: Inode) -> None:
        raise Errno(errno.EPERM)

    def remove(self, k: Kernel | None, name: str) -> None:
        """Take an entry away; a directory must be empty (ENOTEMPTY)."""
        raise Errno(errno.EPERM)

    def rename(self, k: Kernel | None, name: str, to: Directory, to_name: str) -> None:
        """Move an entry over whatever has the new name in this filesystem; the caller has checked both."""
        raise Errno(errno.EPERM)


class Filesystem:
    """One mounted tree. `kind` is its name in /proc/filesystems."""

    kind = "none"
    readonly = False
    fixed = False  # inodes are made anew on each look, so what chmod does would be lost
    root: Directory

    def __init__(self) -> None:
        self.dev = 0  # device number, given by mount


# What mount can make, by kind.
FILESYSTEMS: dict[str, Callable[[Kernel], Filesystem]] = {}


def filesystem(kind: str) -> Callable[[Maker], Maker]:
    """Decorator: `function(k)` makes a filesystem that the guest may mount; refuses duplicates."""

    def register(make: Maker) -> Maker:
        if kind in FILESYSTEMS:
            raise ValueError(f"two filesystems are named {kind}")
        FILESYSTEMS[kind] = make
        return make

    return register


def as_directory(inode: Inode) -> Directory:
    if not isinstance(inode, Directory):
        raise Errno(errno.ENOTDIR)
    return inode


def writable(inode: Inode) -> None:
    """Raise EROFS on a read-only filesystem, ENOENT in a directory that was removed."""
    if inode.fs.readonly:
        raise Errno(errno.EROFS)
    if inode.is_dir and inode.nlink == 0:
        raise Errno(errno.ENOENT)
