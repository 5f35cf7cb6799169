"""What a process has of files: its descriptors, its current directory and its umask."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.flow import continuation
from emukern.kernel.openfile import File
from emukern.kernel.sequence import Answer, after

if TYPE_CHECKING:
    from emukern.kernel.inode import Directory
    from emukern.kernel.kernel import Kernel

MAX_FILES = 1024  # descriptors of one process (RLIMIT_NOFILE)


class FsContext:
    """What a process knows of the tree: the current directory and the bits its new files lack."""

    __slots__ = ("cwd", "umask")

    def __init__(self, cwd: Directory, umask: int = 0o022) -> None:
        self.cwd = cwd
        self.umask = umask

    def fork(self) -> FsContext:
        return FsContext(self.cwd, self.umask)


class FileTable:
    """A process's descriptors."""

    __slots__ = ("cloexec", "files")

    def __init__(self) -> None:
        self.files: dict[int, File] = {}
        self.cloexec: set[int] = set()

    def get(self, fd: int) -> File:
        """The file behind `fd`; raises EBADF."""
        file = self.files.get(fd)
        if file is None:
            raise Errno(errno.EBADF)
        return file

    def lowest_free(self, start: int = 0) -> int:
        """The descriptor the next open gets; raises EMFILE."""
        for fd in range(start, MAX_FILES):
            if fd not in self.files:
                return fd
        raise Errno(errno.EMFILE)

    def add(self, file: File, *, cloexec: bool = False, start: int = 0) -> int:
        """Give a newly opened file the lowest free descriptor from `start` on."""
        fd = self.lowest_free(start)
        self._place(fd, file, cloexec)
        return fd

    def dup(self, fd: int, *, cloexec: bool = False, start: int = 0) -> int:
        """A second descriptor for the file behind `fd`."""
        file = self.get(fd)
        copy = self.add(file, cloexec=cloexec, start=start)
        file.refs += 1
        return copy

    def dup_to(self, k: Kernel, fd: int, target: int, *, cloexec: bool = False) -> Answer:
        """dup3 once its arguments are checked: `target` is closed first, silently."""
        file = self.get(fd)
        if not 0 <= target < MAX_FILES:
            raise Errno(errno.EBADF)
        old = self.files.get(target)
        file.refs += 1
        self._place(target, file, cloexec)
        if old is None:
            return target
        return after(k, drop(k, old), answer_value, value=target)

    def close(self, k: Kernel, fd: int) -> Answer:
        """Forget `fd`; what a device's release answers is lost, as in Linux."""
        file = self.get(fd)
        self.forget(fd)
        return after(k, drop(k, file), answer_value, value=0)

    def forget(self, fd: int) -> None:
        """Take the descriptor away without telling the file."""
        del self.files[fd]
        self.cloexec.discard(fd)

    def fork(self) -> FileTable:
        """A child's copy."""
        copy = FileTable()
        copy.files.update(self.files)
        copy.cloexec.update(self.cloexec)
        for file in copy.files.values():
            file.refs += 1
        return copy

    def close_on_exec(self, k: Kernel) -> Answer:
        """Close what execve closes."""
        return self._close_each(k, sorted(self.cloexec))

    def close_all(self, k: Kernel) -> Answer:
        """Close everything, as exit does. The table must stay `k.current.fds` until the answer is 0."""
        return self._close_each(k, sorted(self.files))

    def _close_each(self, k: Kernel, fds: list[int]) -> Answer:
        for place, fd in enumerate(fds):
            if fd not in self.files:
                continue
            answer = self.close(k, fd)
            if not isinstance(answer, int):
                return after(k, answer, close_rest, fds=tuple(fds[place + 1 :]))
        return 0

    def mark(self, fd: int, cloexec: bool) -> None:
        """Set or clear the close-on-exec flag of an open descriptor."""
        (self.cloexec.add if cloexec else self.cloexec.discard)(fd)

    def _place(self, fd: int, file: File, cloexec: bool) -> None:
        self.files[fd] = file
        self.mark(fd, cloexec)


def descriptors(k: Kernel) -> FileTable:
    """The current process's table; raises EBADF in a kernel thread, which has none."""
    table = k.current.fds
    if table is None:
        raise Errno(errno.EBADF)
    return table


def context(k: Kernel) -> FsContext:
    """Where the current process is; raises ENOENT in a kernel thread."""
    fs = k.current.fs
    if fs is None:
        raise Errno(errno.ENOENT)
    return fs


def drop(k: Kernel, file: File) -> Answer:
    """One descriptor less; the last one releases the file. Nobody is left to hear of a failure."""
    file.refs -= 1
    try:
        return 0 if file.refs else file.release(k)
    except Errno:
        return 0


@continuation
def close_rest(k: Kernel, rv: int, fds: tuple[int, ...]) -> Answer:
    return descriptors(k)._close_each(k, list(fds))


@continuation
def answer_value(k: Kernel, rv: int, value: int) -> Answer:
    return value
