"""/dev: the kernel's own character devices, and the nodes of those that modules register."""

from __future__ import annotations

import errno
import re
import stat
from typing import TYPE_CHECKING

import emukern.kernel.tty  # noqa: F401  its files register themselves
from emukern.errors import Errno
from emukern.flow import Wait
from emukern.kernel.inode import as_directory, decode, filesystem
from emukern.kernel.log import DEFAULT_LEVEL, NEWS
from emukern.kernel.openfile import File, device, makedev
from emukern.kernel.ramfs import RamFs
from emukern.kernel.sequence import Answer

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

CHUNK = 1 << 20  # bytes made at a time for a large read
LEVEL = re.compile(r"<(\d+)>")  # priority in front of a text for the log: facility * 8 + level

NODES = (
    ("null", 1, 3, 0o666),
    ("zero", 1, 5, 0o666),
    ("full", 1, 7, 0o666),
    ("random", 1, 8, 0o666),
    ("urandom", 1, 9, 0o666),
    ("kmsg", 1, 11, 0o644),
    ("tty", 5, 0, 0o666),
    ("console", 5, 1, 0o600),
)


class DevFs(RamFs):
    """The tree at /dev, with the kernel's own nodes."""

    kind = "devtmpfs"

    def __init__(self, born: int = 0) -> None:
        super().__init__(born)
        for name, major, minor, mode in NODES:
            self.add(name, major, minor, mode)

    def add(self, name: str, major: int, minor: int, mode: int = 0o600) -> None:
        """A character device's node; "a/b" makes the folder too. A node of that name is replaced."""
        *folders, last = name.replace("!", "/").split("/")
        here = self.root
        for folder in folders:
            inode = here.lookup(None, folder)
            here = here.mkdir(None, folder, 0o755) if inode is None else as_directory(inode)
        if here.lookup(None, last):
            here.remove(None, last)
        here.create(None, last, stat.S_IFCHR | mode, makedev(major, minor))

    def remove(self, name: str) -> None:
        """Take a node away, if it is still there."""
        *folders, last = name.replace("!", "/").split("/")
        here = self.root
        for folder in folders:
            inode = here.lookup(None, folder)
            if inode is None:
                return
            here = as_directory(inode)
        if here.lookup(None, last):
            here.remove(None, last)


@filesystem("devtmpfs")
def the_devfs(k: Kernel) -> DevFs:
    """There is one, mounted at boot."""
    if k.devfs.root.covers:
        raise Errno(errno.EBUSY)
    there: DevFs = k.devfs
    return there


class StreamFile(File):
    """A device without positions: lseek succeeds and does nothing."""

    __slots__ = ()

    def lseek(self, k: Kernel, offset: int, whence: int) -> Answer:
        return 0

    def write_data(self, k: Kernel, data: bytes) -> Answer:
        return len(data)

    def pread(self, k: Kernel, buf: int, count: int, pos: int) -> Answer:
        return self.read(k, buf, count)

    def pwrite(self, k: Kernel, buf: int, count: int, pos: int) -> Answer:
        return self.write(k, buf, count)


@device(1, 3)
class NullFile(StreamFile):
    __slots__ = ()

    def read(self, k: Kernel, buf: int, count: int) -> Answer:
        return 0

    def write(self, k: Kernel, buf: int, count: int) -> Answer:
        return count  # Linux does not look at the buffer either


@device(1, 5)
class ZeroFile(StreamFile):
    __slots__ = ()

    def read(self, k: Kernel, buf: int, count: int) -> Answer:
        for done in range(0, count, CHUNK):
            k.user.copy_to(buf + done, self.some(k, min(CHUNK, count - done)))
        return count

    def write(self, k: Kernel, buf: int, count: int) -> Answer:
        return count

    def some(self, k: Kernel, count: int) -> bytes:
        """What the device holds: `count` more bytes."""
        return bytes(count)


@device(1, 7)
class FullFile(ZeroFile):
    __slots__ = ()

    def write(self, k: Kernel, buf: int, count: int) -> Answer:
        raise Errno(errno.ENOSPC)


@device(1, 8)
@device(1, 9)
class RandomFile(ZeroFile):
    """Both from the machine's one seeded generator, so every run reads the same."""

    __slots__ = ()

    def some(self, k: Kernel, count: int) -> bytes:
        return k.rng.randbytes(count)

    def write(self, k: Kernel, buf: int, count: int) -> Answer:
        return len(k.user.copy_from(buf, count))  # entropy is not wanted


@device(1, 11)
class KmsgFile(StreamFile):
    """The kernel log, one record a read; `pos` is the sequence number of the next."""

    __slots__ = ()

    def read(self, k: Kernel, buf: int, count: int) -> Answer:
        record = next((each for each in k.log.records if each.seq >= self.pos), None)
        if record is None:
            if self.nonblocking:
                raise Errno(errno.EAGAIN)
            if k.current.woken == "signal":
                raise Errno(errno.EINTR)
            return Wait(NEWS)
        text = f"{record.level},{record.seq},{record.time_ns // 1000},-;{record.text}\n".encode(
            "utf-8", "surrogateescape"
        )
        if len(text) > count:
            raise Errno(errno.EINVAL)
        k.user.copy_to(buf, text)
        self.pos = record.seq + 1
        return len(text)

    def lseek(self, k: Kernel, offset: int, whence: int) -> Answer:
        """Only to the first or beyond the last record."""
        if offset or whence not in (0, 2):
            raise Errno(errno.EINVAL if offset == 0 else errno.ESPIPE)
        records = k.log.records
        self.pos = 0 if whence == 0 or not records else records[-1].seq + 1
        return 0

    def write_data(self, k: Kernel, data: bytes) -> Answer:
        text = decode(data).rstrip("\n")
        level, named = DEFAULT_LEVEL, LEVEL.match(text)
        if named:
            level, text = int(named[1]) & 7, text[named.end() :]
        k.log.emit(level, text)
        return len(data)
