"""The filesystem in memory: the root, and what devfs is made of."""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.kernel import openfile
from emukern.kernel.inode import Content, Directory, Filesystem, HostBlob, Inode, filesystem
from emukern.kernel.openfile import File, major, minor

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

MAX_SIZE = 64 << 20  # bytes of one file: they live in memory
CREATABLE = (stat.S_IFREG, stat.S_IFCHR, stat.S_IFBLK, stat.S_IFSOCK)


class RamFile(Inode):
    """A regular file. `data` stays the object it was made with until the guest writes."""

    __slots__ = ("data",)

    def __init__(self, fs: Filesystem, ino: int, mode: int, mtime: int = 0) -> None:
        super().__init__(fs, ino, mode, mtime)
        self.data: Content = b""

    def content(self) -> bytes | bytearray:
        return self.data.content() if isinstance(self.data, HostBlob) else self.data

    def open(self, k: Kernel, flags: int) -> File:
        return openfile.DataFile(self, flags)

    def size(self, k: Kernel | None) -> int:
        return len(self.content())

    def read_at(self, k: Kernel | None, pos: int, count: int) -> bytes:
        data = self.content()
        if pos == 0 and count >= len(data) and isinstance(data, bytes):
            return data
        return bytes(data[pos : pos + count])

    def write_at(self, k: Kernel | None, pos: int, data: bytes) -> None:
        """Raises EFBIG beyond what a file in memory may hold."""
        if not data:
            return
        if pos + len(data) > MAX_SIZE:
            raise Errno(errno.EFBIG)
        self.mtime = now(k, self)
        if not self.size(k):
            self.data = data if pos == 0 else bytes(pos) + data
            return
        content = self._own()
        if pos > len(content):
            content.extend(bytes(pos - len(content)))
        content[pos : pos + len(data)] = data

    def truncate(self, k: Kernel | None, size: int) -> None:
        """Cut, or grow with zeros; raises EFBIG."""
        if size > MAX_SIZE:
            raise Errno(errno.EFBIG)
        self.mtime = now(k, self)
        if size == 0:
            self.data = b""
            return
        content = self._own()
        del content[size:]
        content.extend(bytes(size - len(content)))

    def hold(self, data: Content) -> None:
        self.data = data

    def _own(self) -> bytearray:
        if not isinstance(self.data, bytearray):
            self.data = bytearray(self.content())
        return self.data


class Symlink(Inode):
    __slots__ = ("target",)

    def __init__(self, fs: Filesystem, ino: int, target: str, mtime: int = 0) -> None:
        super().__init__(fs, ino, stat.S_IFLNK | 0o777, mtime)
        self.target = target

    def size(self, k: Kernel | None) -> int:
        return len(self.target.encode("utf-8", "surrogateescape"))

    def readlink(self, k: Kernel | None) -> str:
        return self.target


class Node(Inode):
    """A device node, or a socket's name (which nothing can open)."""

    __slots__ = ("rdev",)

    def __init__(self, fs: Filesystem, ino: int, mode: int, rdev: int, mtime: int = 0) -> None:
        super().__init__(fs, ino, mode, mtime)
        self.rdev = rdev

    def open(self, k: Kernel, flags: int) -> File:
        if not stat.S_ISCHR(self.mode):
            raise Errno(errno.ENXIO)
        number = major(self.rdev), minor(self.rdev)
        return openfile.DEVICES.get(number, openfile.ModuleDeviceFile)(self, flags)


class RamDirectory(Directory):
    """A directory whose entries are a dict, listed in the order they were made."""

    __slots__ = ("children",)
    fs: RamFs

    def __init__(self, fs: RamFs, ino: int, mode: int, above: Directory | None, name: str) -> None:
        super().__init__(fs, ino, mode, above, name)
        self.nlink = 2
        self.children: dict[str, Inode] = {}

    def lookup(self, k: Kernel | None, name: str) -> Inode | None:
        return self.children.get(name)

    def entries(self, k: Kernel | None) -> list[tuple[str, int, int]]:
        return [(name, inode.ino, inode.mode) for name, inode in self.children.items()]

    def create(self, k: Kernel | None, name: str, mode: int, rdev: int = 0) -> Inode:
        kind = stat.S_IFMT(mode)
        if kind not in CREATABLE:
            raise Errno(errno.EPERM)
        ino, mtime = self.fs.new_ino(), now(k, self)
        if kind == stat.S_IFREG:
            return self._add(k, name, RamFile(self.fs, ino, mode, mtime))
        return self._add(k, name, Node(self.fs, ino, mode, rdev, mtime))

    def mkdir(self, k: Kernel | None, name: str, mode: int) -> Directory:
        child = RamDirectory(self.fs, self.fs.new_ino(), mode, self, name)
        child.mtime = now(k, self)
        self._add(k, name, child)
        self.nlink += 1
        return child

    def symlink(self, k: Kernel | None, name: str, target: str) -> Inode:
        return self._add(k, name, Symlink(self.fs, self.fs.new_ino(), target, now(k, self)))

    def link(self, k: Kernel | None, name: str, inode: Inode) -> None:
        inode.nlink += 1
        self._add(k, name, inode)

    def remove(self, k: Kernel | None, name: str) -> None:
        inode = self.children[name]
        if isinstance(inode, RamDirectory):
            if inode.children:
                raise Errno(errno.ENOTEMPTY)
            inode.nlink = 0
            self.nlink -= 1
        else:
            inode.nlink -= 1
        del self.children[name]
        self.mtime = now(k, self)

    def rename(self, k: Kernel | None, name: str, to: Directory, to_name: str) -> None:
        assert isinstance(to, RamDirectory)
        if to_name in to.children:
            to.remove(k, to_name)
        inode = self.children.pop(name)
        self.mtime = now(k, self)
        if isinstance(inode, Directory):
            self.nlink -= 1
            to.nlink += 1
            inode.above, inode.name = to, to_name
        to._add(k, to_name, inode)

    def _add(self, k: Kernel | None, name: str, inode: Inode) -> Inode:
        self.children[name] = inode
        self.mtime = now(k, self)
        return inode


class RamFs(Filesystem):
    """An empty tree; `born` is the time its first files bear, in nanoseconds since 1970."""

    kind = "ramfs"

    def __init__(self, born: int = 0) -> None:
        super().__init__()
        self.born = born
        self.last_ino = 0
        self.root: Directory = RamDirectory(self, self.new_ino(), 0o755, None, "")
        self.root.mtime = born

    def new_ino(self) -> int:
        self.last_ino += 1
        return self.last_ino


def now(k: Kernel | None, inode: Inode) -> int:
    """The time, which before there is a kernel is the filesystem's birth."""
    if k is not None:
        return k.clock.realtime
    return inode.fs.born if isinstance(inode.fs, RamFs) else 0


@filesystem("ramfs")
def new_ramfs(k: Kernel) -> RamFs:
    return RamFs(k.clock.realtime)


@filesystem("tmpfs")
def new_tmpfs(k: Kernel) -> RamFs:
    """The same here: nothing is ever swapped out."""
    fs = RamFs(k.clock.realtime)
    fs.kind = "tmpfs"
    return fs
