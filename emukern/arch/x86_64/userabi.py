"""User structures of x86_64 (arch/x86/include/uapi/asm/stat.h)."""

from __future__ import annotations

from struct import Struct

from emukern.arch.structs import Stat, UserAbi
from emukern.arch.x86_64 import compat

# st_dev st_ino st_nlink | st_mode st_uid st_gid | st_rdev st_size st_blksize st_blocks | 3 times | unused
STAT = Struct("<QQQ III4x QqqQ QQQQQQ 24x")


def pack_stat(s: Stat) -> bytes:
    """struct stat, 144 bytes: here st_nlink comes before st_mode."""
    head = (s.dev, s.ino, s.nlink, s.mode, s.uid, s.gid)
    return STAT.pack(*head, s.rdev, s.size, s.blksize, s.blocks, *s.times)


USERABI = UserAbi(
    word=8,
    stat=pack_stat,
    stat64=pack_stat,
    iovec=Struct("<QQ"),
    sigaction=32,
    timespec=Struct("<qq"),
    sysinfo=Struct("<q3Q6QHxx4xQQI4x"),
    compat=compat.USERABI,
)
