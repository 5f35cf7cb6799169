"""Structures that system calls exchange with user programs, where architectures lay them out differently.

Each `arch/<name>/userabi.py` fills one `UserAbi`. What is the same everywhere (dirent64, termios, statx,
utsname) is packed by the code that needs it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct

SECOND = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Stat:
    """What stat(2) tells, before it has a layout. Sizes in bytes, times in nanoseconds since 1970."""

    dev: int
    ino: int
    mode: int
    nlink: int
    rdev: int
    size: int
    mtime: int
    uid: int = 0
    gid: int = 0
    blksize: int = 4096

    @property
    def blocks(self) -> int:
        """512-byte blocks in use."""
        return (self.size + 511) // 512

    @property
    def times(self) -> tuple[int, ...]:
        """Seconds and nanoseconds of access, modification and change: one moment serves for all three."""
        return divmod(self.mtime, SECOND) * 3


@dataclass(frozen=True, slots=True)
class UserAbi:
    """The layouts of one kind of user program."""

    word: int  # bytes of a long and of a pointer
    stat: Callable[[Stat], bytes]  # struct stat
    stat64: Callable[[Stat], bytes]  # struct stat64; the same where long has 64 bits
    iovec: Struct  # base, length
    sigaction: int  # bytes of the kernel's struct sigaction, which begins with the handler
    timespec: Struct  # seconds, nanoseconds
    sysinfo: Struct  # uptime, 3 loads, 6 sizes of memory, processes, 2 sizes of high memory, unit
    compat: UserAbi | None = None  # of the 32-bit programs the architecture also runs
