"""Pipes: a buffer of 64 KiB between a reading and a writing end (fs/pipe.c)."""

from __future__ import annotations

import errno
import stat
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.flow import Wait
from emukern.kernel import signal
from emukern.kernel.inode import Directory, Filesystem, Inode
from emukern.kernel.openfile import O_RDONLY, O_WRONLY, File
from emukern.kernel.sequence import Answer

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

CAPACITY = 65536
ATOMIC = 4096  # a write of up to PIPE_BUF bytes is never torn
SIGPIPE = 13
FIONREAD = 0x541B


class Pipe(Inode):
    """The buffer, and how many open files each end has. `ino` is its identity for sleepers."""

    __slots__ = ("data", "readers", "writers")

    def __init__(self, fs: PipeFs) -> None:
        fs.last_ino += 1
        super().__init__(fs, fs.last_ino, stat.S_IFIFO | 0o600)
        self.data = bytearray()
        self.readers = self.writers = 1


class PipeFs(Filesystem):
    """Where pipes live; nothing mounts it."""

    kind = "pipefs"
    root: Directory

    def __init__(self) -> None:
        super().__init__()
        self.last_ino = 0


class PipeReader(File):
    __slots__ = ()
    inode: Pipe

    def read(self, k: Kernel, buf: int, count: int) -> Answer:
        pipe = self.inode
        if not pipe.data and count and pipe.writers:
            if self.nonblocking:
                raise Errno(errno.EAGAIN)
            if k.current.woken == "signal":
                raise Errno(errno.EINTR)
            return Wait(("pipe-read", pipe.ino))
        data = bytes(pipe.data[:count])
        k.user.copy_to(buf, data)
        del pipe.data[:count]
        if data:
            k.sched.wake(("pipe-write", pipe.ino))
        return len(data)

    def ioctl(self, k: Kernel, cmd: int, arg: int) -> Answer:
        return pipe_ioctl(k, self.inode, cmd, arg)

    def release(self, k: Kernel) -> Answer:
        self.inode.readers -= 1
        k.sched.wake(("pipe-write", self.inode.ino))
        return 0


class PipeWriter(File):
    __slots__ = ()
    inode: Pipe

    def write_data(self, k: Kernel, data: bytes) -> Answer:
        """`k.current.progress` counts what earlier tries of this same system call have put in."""
        pipe, done = self.inode, k.current.progress
        if not pipe.readers:
            if done:
                return done
            signal.send(k, k.current.pid, SIGPIPE)
            raise Errno(errno.EPIPE)
        room = CAPACITY - len(pipe.data)
        if room < len(data) <= ATOMIC:
            room = 0
        chunk = data[done : done + room]
        if chunk:
            pipe.data += chunk
            k.sched.wake(("pipe-read", pipe.ino))
            done += len(chunk)
        if done == len(data):
            return done
        if self.nonblocking or k.current.woken == "signal":
            if done:
                return done
            raise Errno(errno.EAGAIN if self.nonblocking else errno.EINTR)
        k.current.progress = done
        return Wait(("pipe-write", pipe.ino))

    def ioctl(self, k: Kernel, cmd: int, arg: int) -> Answer:
        return pipe_ioctl(k, self.inode, cmd, arg)

    def release(self, k: Kernel) -> Answer:
        self.inode.writers -= 1
        k.sched.wake(("pipe-read", self.inode.ino))
        return 0


def make_pipe(fs: PipeFs, flags: int) -> tuple[File, File]:
    """A new pipe's reading and writing end; `flags` may be O_NONBLOCK."""
    pipe = Pipe(fs)
    return PipeReader(pipe, O_RDONLY | flags), PipeWriter(pipe, O_WRONLY | flags)


def pipe_ioctl(k: Kernel, pipe: Pipe, cmd: int, arg: int) -> Answer:
    if cmd != FIONREAD:
        raise Errno(errno.ENOTTY)
    k.user.put_u32(arg, len(pipe.data))
    return 0
