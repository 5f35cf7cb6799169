"""User structures of riscv64: Linux's generic ones (include/uapi/asm-generic/stat.h)."""

from __future__ import annotations

from struct import Struct

from emukern.arch.structs import Stat, UserAbi

# st_dev st_ino | st_mode st_nlink st_uid st_gid | st_rdev | st_size st_blksize | st_blocks | 3 times | unused
STAT = Struct("<QQ IIII Q8x qi4x q QQQQQQ 8x")


def pack_stat(s: Stat) -> bytes:
    """struct stat, 128 bytes."""
    head = (s.dev, s.ino, s.mode, s.nlink, s.uid, s.gid)
    return STAT.pack(*head, s.rdev, s.size, s.blksize, s.blocks, *s.times)


USERABI = UserAbi(
    word=8,
    stat=pack_stat,
    stat64=pack_stat,
    iovec=Struct("<QQ"),
    sigaction=24,
    timespec=Struct("<qq"),
    sysinfo=Struct("<q3Q6QHxx4xQQI4x"),
)
