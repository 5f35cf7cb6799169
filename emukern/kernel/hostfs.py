"""A host folder, shared read-only with the guest. Nothing the guest or the host does lets a path leave it.

A file is opened from the folder downwards, one name at a time, never through a symbolic link (openat,
O_NOFOLLOW): so it does not matter what is swapped meanwhile. Links are read as text and followed by the
guest's own walk: an absolute target starts at the guest's root, and ".." above the folder is the guest's
directory above the mount.

What differs between hosts without being content stays out: owners, times, inode numbers, a directory's order.
Fifos, sockets and devices are not shown. No host file stays open between two system calls.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from emukern.errors import Errno, UsageError
from emukern.kernel.inode import Directory, Filesystem, Inode, encode
from emukern.kernel.openfile import DataFile, File

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Opening must not wait for a fifo that took a file's place, nor make a terminal the host's controlling one.
CONTENT = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
SHOWN = (stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK)
PASSED_ON = {errno.ENOENT, errno.EACCES, errno.ENOTDIR, errno.ENAMETOOLONG, errno.EPERM}


class HostFs(Filesystem):
    """The folder `folder` of the host; raises UsageError when it is none."""

    kind = "hostfs"
    readonly = True
    fixed = True

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        super().__init__()
        self.folder = os.path.realpath(folder)
        if not os.path.isdir(self.folder):
            raise UsageError(f"cannot share {folder}: it is not a directory")
        self.root: Directory = HostDirectory(self, None, "")

    @contextmanager
    def opened(self, directory: Directory) -> Iterator[int]:
        """A host descriptor of one of this filesystem's directories, for the length of a `with` block."""
        names = []
        while directory is not self.root:
            names.append(directory.name)
            directory = directory.above
        with host_errors():
            here = os.open(self.folder, FOLDER)
            try:
                for name in reversed(names):
                    below = os.open(name, FOLDER, dir_fd=here)
                    os.close(here)
                    here = below
                yield here
            finally:
                os.close(here)


@contextmanager
def host_errors() -> Iterator[None]:
    """The host's error becomes the guest's; a place where something else is found than before is ESTALE."""
    try:
        yield
    except OSError as failure:
        number = failure.errno or errno.EIO
        if number == errno.ELOOP:
            raise Errno(errno.ESTALE) from None
        raise Errno(number if number in PASSED_ON else errno.EIO) from None


def number_of(directory: Directory | None, name: str) -> int:
    """A stable inode number: made of the path below the shared folder."""
    from hashlib import blake2b  # a boot without a shared folder shall not pay for it

    above = directory.ino.to_bytes(8, "little") if directory else b""
    return int.from_bytes(blake2b(above + encode(name), digest_size=6).digest(), "little") | 1 << 48


def shown_mode(host: os.stat_result) -> int:
    """Readable by all, executable if it is so for anybody."""
    if stat.S_ISLNK(host.st_mode):
        return stat.S_IFLNK | 0o777
    executable = stat.S_ISDIR(host.st_mode) or host.st_mode & 0o111
    return stat.S_IFMT(host.st_mode) | (0o555 if executable else 0o444)


class HostFile(Inode):
    """A regular file or a link called `name` in `folder`."""

    __slots__ = ("folder", "name")
    fs: HostFs

    def __init__(self, folder: HostDirectory, name: str, mode: int) -> None:
        super().__init__(folder.fs, number_of(folder, name), mode)
        self.folder = folder
        self.name = name

    def open(self, k: Kernel, flags: int) -> File:
        return DataFile(self, flags)

    def size(self, k: Kernel | None) -> int:
        with self.fs.opened(self.folder) as folder:
            return os.stat(self.name, dir_fd=folder, follow_symlinks=False).st_size

    def read_at(self, k: Kernel | None, pos: int, count: int) -> bytes:
        with self.fs.opened(self.folder) as folder:
            descriptor = os.open(self.name, CONTENT, dir_fd=folder)
            try:
                host = os.fstat(descriptor)
                if not stat.S_ISREG(host.st_mode):
                    raise Errno(errno.ESTALE)
                return os.pread(descriptor, max(0, min(count, host.st_size - pos)), pos)
            finally:
                os.close(descriptor)

    def readlink(self, k: Kernel | None) -> str:
        with self.fs.opened(self.folder) as folder:
            return os.readlink(self.name, dir_fd=folder)


class HostDirectory(Directory):
    """A directory, looked at anew each time."""

    __slots__ = ()
    fs: HostFs

    def __init__(self, fs: HostFs, above: HostDirectory | None, name: str) -> None:
        super().__init__(fs, number_of(above, name), 0o555, above, name)
        self.nlink = 2

    def lookup(self, k: Kernel | None, name: str) -> Inode | None:
        if name in ("", ".", "..") or "/" in name or "\0" in name:
            return None  # the walk never asks for these; the host must not be asked either
        with self.fs.opened(self) as folder:
            try:
                host = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                return None
        if stat.S_ISDIR(host.st_mode):
            return HostDirectory(self.fs, self, name)
        if stat.S_IFMT(host.st_mode) in SHOWN:
            return HostFile(self, name, shown_mode(host))
        return None

    def entries(self, k: Kernel | None) -> list[tuple[str, int, int]]:
        rows = []
        with self.fs.opened(self) as folder:
            for name in sorted(os.listdir(folder), key=encode):
                try:
                    host = os.stat(name, dir_fd=folder, follow_symlinks=False)
                except FileNotFoundError:
                    continue  # removed since it was listed
                if stat.S_IFMT(host.st_mode) in SHOWN:
                    rows.append((name, number_of(self, name), shown_mode(host)))
        return rows
