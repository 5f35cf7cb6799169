"""What 32-bit programs (i386, through int 0x80) see of this architecture: numbers and structures.

Their 64-bit members are aligned to 4 bytes only, which the formats below spell out
(arch/x86/include/uapi/asm/stat.h).
"""

from __future__ import annotations

import errno
from struct import Struct, error

from emukern.arch.structs import Stat, UserAbi
from emukern.arch.x86_64.syscallnr import COMPAT_SYSCALLS
from emukern.errors import Errno

SYSCALLS = COMPAT_SYSCALLS

# st_dev st_ino | st_mode st_nlink st_uid st_gid | st_rdev st_size st_blksize st_blocks | 3 times | unused
STAT = Struct("<II HHHH IIII IIIIII 8x")
# st_dev | old st_ino | st_mode st_nlink st_uid st_gid | st_rdev st_size st_blksize st_blocks | times | st_ino
STAT64 = Struct("<Q4x I IIII Q4x qIQ IIIIII Q")


def pack_stat(s: Stat) -> bytes:
    """struct stat, 64 bytes; raises EOVERFLOW when something does not fit, as Linux does."""
    head = (s.dev, s.ino, s.mode, s.nlink, s.uid, s.gid)
    try:
        return STAT.pack(*head, s.rdev, s.size, s.blksize, s.blocks, *s.times)
    except error:
        raise Errno(errno.EOVERFLOW) from None


def pack_stat64(s: Stat) -> bytes:
    """struct stat64, 96 bytes."""
    head = (s.dev, s.ino & 0xFFFFFFFF, s.mode, s.nlink, s.uid, s.gid)
    return STAT64.pack(*head, s.rdev, s.size, s.blksize, s.blocks, *s.times, s.ino)


USERABI = UserAbi(
    word=4,
    stat=pack_stat,
    stat64=pack_stat64,
    iovec=Struct("<II"),
    sigaction=20,
    timespec=Struct("<ii"),
    sysinfo=Struct("<i3I6IHxxIII8x"),
)
