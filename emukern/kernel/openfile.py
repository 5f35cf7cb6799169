"""Open files: what read, write, lseek and ioctl act on.

A `File` is one open file description, as POSIX calls it: a position and flags shared by every descriptor
that dup or fork made of it. Its class says what it does: those over plain data and over modules' devices
are here, the others in pipe.py, tty.py and devfs.py.
"""

from __future__ import annotations

import errno
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emukern.errors import Errno
from emukern.kernel.sequence import Answer

if TYPE_CHECKING:
    from emukern.arch.structs import Stat
    from emukern.kernel.inode import Directory, Inode
    from emukern.kernel.kernel import Kernel

# Open flags, as in include/uapi/asm-generic/fcntl.h; x86 has the same.
O_RDONLY, O_WRONLY, O_RDWR, O_ACCMODE = 0, 1, 2, 3
O_CREAT, O_EXCL, O_NOCTTY, O_TRUNC = 0o100, 0o200, 0o400, 0o1000
O_APPEND, O_NONBLOCK, O_DIRECTORY, O_NOFOLLOW = 0o2000, 0o4000, 0o200000, 0o400000
O_CLOEXEC, O_PATH, O_TMPFILE = 0o2000000, 0o10000000, 0o20000000
SETTABLE = O_APPEND | O_NONBLOCK  # by fcntl(F_SETFL)

SEEK_SET, SEEK_CUR, SEEK_END = 0, 1, 2
MAX_COUNT = 0x7FFFF000  # bytes one read or write moves at most (MAX_RW_COUNT)


class File:
    """An open file; `flags` are open's. This class refuses every operation with the errno Linux gives."""

    __slots__ = ("flags", "inode", "pos", "refs")

    def __init__(self, inode: Inode, flags: int) -> None:
        self.inode = inode
        self.flags = flags
        self.pos = 0
        self.refs = 1  # descriptors that name this file

    @property
    def readable(self) -> bool:
        return self.flags & O_ACCMODE != O_WRONLY and not self.flags & O_PATH

    @property
    def writable(self) -> bool:
        return self.flags & O_ACCMODE != O_RDONLY and not self.flags & O_PATH

    @property
    def nonblocking(self) -> bool:
        return bool(self.flags & O_NONBLOCK)

    def start(self, k: Kernel) -> Answer:
        """Called once the file has a descriptor; a failure takes the descriptor back."""
        return 0

    def read(self, k: Kernel, buf: int, count: int) -> Answer:
        """Move up to `count` bytes to the user address `buf`."""
        raise Errno(errno.EINVAL)

    def write(self, k: Kernel, buf: int, count: int) -> Answer:
        """Take `count` bytes from the user address `buf`."""
        return self.write_data(k, k.user.copy_from(buf, count))

    def write_data(self, k: Kernel, data: bytes) -> Answer:
        """Take `data`, which the caller copied in."""
        raise Errno(errno.EINVAL)

    def pread(self, k: Kernel, buf: int, count: int, pos: int) -> Answer:
        """read at `pos`, leaving the file's own position alone."""
        raise Errno(errno.ESPIPE)

    def pwrite(self, k: Kernel, buf: int, count: int, pos: int) -> Answer:
        """write at `pos`, leaving the file's own position alone."""
        raise Errno(errno.ESPIPE)

    def lseek(self, k: Kernel, offset: int, whence: int) -> Answer:
        raise Errno(errno.ESPIPE)

    def ioctl(self, k: Kernel, cmd: int, arg: int) -> Answer:
        raise Errno(errno.ENOTTY)

    def readdir(self, k: Kernel) -> list[tuple[str, int, int]]:
        """The directory's entries from `pos` on: name, inode number, mode."""
        raise Errno(errno.ENOTDIR)

    def truncate(self, k: Kernel, size: int) -> None:
        raise Errno(errno.EINVAL)

    def fsync(self, k: Kernel) -> None:
        raise Errno(errno.EINVAL)

    def read_all(self, k: Kernel) -> bytes:
        """The whole content, for the kernel's own use."""
        raise Errno(errno.EINVAL)

    def stat(self, k: Kernel) -> Stat:
        return self.inode.stat(k)

    def release(self, k: Kernel) -> Answer:
        """The last descriptor is gone."""
        return 0


class PathFile(File):
    """Opened with O_PATH: it only stands for a place in the tree."""

    __slots__ = ()


class DataFile(File):
    """A file whose inode has bytes: `read_at`, `write_at`, `truncate`, `size`."""

    __slots__ = ()

    def read(self, k: Kernel, buf: int, count: int) -> Answer:
        done = self.pread(k, buf, count, self.pos)
        self.pos += done
        return done

    def write_data(self, k: Kernel, data: bytes) -> Answer:
        if self.flags & O_APPEND:
            self.pos = self.inode.size(k)
        self.inode.write_at(k, self.pos, data)
        self.pos += len(data)
        return len(data)

    def pread(self, k: Kernel, buf: int, count: int, pos: int) -> int:
        data = self.inode.read_at(k, pos, count)
        k.user.copy_to(buf, data)
        return len(data)

    def pwrite(self, k: Kernel, buf: int, count: int, pos: int) -> int:
        data = k.user.copy_from(buf, count)
        # Linux appends even here when O_APPEND is set (pwrite(2), BUGS).
        self.inode.write_at(k, self.inode.size(k) if self.flags & O_APPEND else pos, data)
        return count

    def lseek(self, k: Kernel, offset: int, whence: int) -> int:
        self.pos = new_position(offset, whence, self.pos, self.inode.size(k))
        return self.pos

    def truncate(self, k: Kernel, size: int) -> None:
        self.inode.truncate(k, size)

    def fsync(self, k: Kernel) -> None:
        pass

    def read_all(self, k: Kernel) -> bytes:
        return self.inode.read_at(k, 0, self.inode.size(k))


class TextFile(File):
    """A file whose content is made when it is read from its start, such as those of /proc."""

    __slots__ = ("text",)

    def __init__(self, inode: Inode, flags: int) -> None:
        super().__init__(inode, flags)
        self.text: bytes | None = None

    def read(self, k: Kernel, buf: int, count: int) -> Answer:
        done = self.pread(k, buf, count, self.pos)
        self.pos += done
        return done

    def pread(self, k: Kernel, buf: int, count: int, pos: int) -> int:
        if self.text is None or pos == 0:
            self.text = self.inode.text(k)
        data = self.text[pos : pos + count]
        k.user.copy_to(buf, data)
        return len(data)

    def lseek(self, k: Kernel, offset: int, whence: int) -> int:
        if whence == SEEK_END:
            raise Errno(errno.EINVAL)
        self.pos = new_position(offset, whence, self.pos, 0)
        return self.pos

    def read_all(self, k: Kernel) -> bytes:
        return self.inode.text(k)


class DirectoryFile(File):
    """A directory being listed. The list is fixed when read from its start: removing entries skips none."""

    __slots__ = ("listing",)
    inode: Directory

    def __init__(self, inode: Directory, flags: int) -> None:
        super().__init__(inode, flags)
        self.listing: list[tuple[str, int, int]] | None = None

    def read(self, k: Kernel, buf: int, count: int) -> Answer:
        raise Errno(errno.EISDIR)

    def readdir(self, k: Kernel) -> list[tuple[str, int, int]]:
        if self.listing is None or self.pos == 0:
            above = k.vfs.parent(self.inode)
            dots = [(".", self.inode.ino, self.inode.mode), ("..", above.ino, above.mode)]
            self.listing = dots + self.inode.entries(k)
        return self.listing[self.pos :]

    def lseek(self, k: Kernel, offset: int, whence: int) -> int:
        self.pos = new_position(offset, whence, self.pos, 0)
        return self.pos

    def fsync(self, k: Kernel) -> None:
        pass


def new_position(offset: int, whence: int, pos: int, size: int) -> int:
    """Where lseek leads; raises EINVAL for an unknown whence or a place before the start."""
    start = {SEEK_SET: 0, SEEK_CUR: pos, SEEK_END: size}.get(whence)
    if start is None or not 0 <= start + offset < 1 << 63:
        raise Errno(errno.EINVAL)
    return start + offset


def makedev(major: int, minor: int) -> int:
    """A device number as stat and mknod have it (include/linux/kdev_t.h: new_encode_dev)."""
    return minor & 0xFF | major << 8 | (minor & ~0xFF) << 12


def major(dev: int) -> int:
    return dev >> 8 & 0xFFF


def minor(dev: int) -> int:
    return dev & 0xFF | dev >> 12 & 0xFFF00


# Character devices the kernel has itself, by (major, minor). Any other number is a module's (chrdev.py).
DEVICES: dict[tuple[int, int], type[File]] = {}


def device(major: int, minor: int) -> Callable[[type[File]], type[File]]:
    """Class decorator: opening a character device of this number makes such a file; refuses duplicates."""

    def register(kind: type[File]) -> type[File]:
        if (major, minor) in DEVICES:
            raise ValueError(f"two devices are numbered {major}:{minor}")
        DEVICES[major, minor] = kind
        return kind

    return register


class ModuleDeviceFile(File):
    """A character device that a module registered; its file_operations do the work (chrdev.py)."""

    __slots__ = ("private",)

    def __init__(self, inode: Inode, flags: int) -> None:
        super().__init__(inode, flags)
        self.private: Any = None  # chrdev's: plain data, such as the address of the guest's struct file

    def start(self, k: Kernel) -> Answer:
        return k.chrdev.open(k, self.inode, self)

    def read(self, k: Kernel, buf: int, count: int) -> Answer:
        return k.chrdev.read(k, self, buf, count)

    def write(self, k: Kernel, buf: int, count: int) -> Answer:
        return k.chrdev.write(k, self, buf, count)

    def lseek(self, k: Kernel, offset: int, whence: int) -> Answer:
        return k.chrdev.llseek(k, self, offset, whence)

    def ioctl(self, k: Kernel, cmd: int, arg: int) -> Answer:
        return k.chrdev.ioctl(k, self, cmd, arg)

    def release(self, k: Kernel) -> Answer:
        return k.chrdev.release(k, self)
