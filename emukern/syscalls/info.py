"""System calls that tell about the machine, its log and its user (kernel/sys.c, kernel/printk/printk.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.flow import Wait
from emukern.kernel.log import NEWS
from emukern.kernel.procfs import VERSION
from emukern.kernel.sequence import Answer
from emukern.syscalls.table import Int, Ptr, Size, UInt, abi, syscall

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

PAGE = 4096
FIELD = 65  # bytes of each member of struct new_utsname
CHUNK = 1 << 20  # random bytes made at a time
GRND_FLAGS = 7
# syslog(2)'s types
CLOSE, OPEN, READ, READ_ALL, READ_CLEAR, CLEAR, CONSOLE_OFF, CONSOLE_ON = range(8)
CONSOLE_LEVEL, SIZE_UNREAD, SIZE_BUFFER = 8, 9, 10


@syscall
def uname(k: Kernel, buf: Ptr) -> Answer:
    fields = ("Linux", "emukern", k.release, VERSION, k.arch.name, "(none)")
    k.user.copy_to(buf, b"".join(field.encode().ljust(FIELD, b"\0") for field in fields))
    return 0


@syscall
def sysinfo(k: Kernel, buf: Ptr) -> Answer:
    """No load averages, buffers or swap, and memory in bytes."""
    free = (k.pages.total - k.pages.used) * PAGE
    tasks = sum(1 for pid in k.sched.tasks if pid)
    layout = abi(k).sysinfo
    memory = (k.pages.total * PAGE, free, 0, 0, 0, 0)
    k.user.copy_to(buf, layout.pack(k.clock.now // 10**9, 0, 0, 0, *memory, tasks, 0, 0, 1))
    return 0


@syscall
def getuid(k: Kernel) -> Answer:
    """There is only root."""
    return 0


@syscall
def geteuid(k: Kernel) -> Answer:
    return 0


@syscall
def getgid(k: Kernel) -> Answer:
    return 0


@syscall
def getegid(k: Kernel) -> Answer:
    return 0


@syscall
def getuid32(k: Kernel) -> Answer:
    return 0


@syscall
def geteuid32(k: Kernel) -> Answer:
    return 0


@syscall
def getgid32(k: Kernel) -> Answer:
    return 0


@syscall
def getegid32(k: Kernel) -> Answer:
    return 0


@syscall
def getrandom(k: Kernel, buf: Ptr, count: Size, flags: UInt) -> Answer:
    """From the machine's one seeded generator, which is always ready."""
    if flags & ~GRND_FLAGS or flags & 6 == 6:
        raise Errno(errno.EINVAL)
    count = min(count, 0x7FFFFFFF)
    for done in range(0, count, CHUNK):
        k.user.copy_to(buf + done, k.rng.randbytes(min(CHUNK, count - done)))
    return count


@syscall
def syslog(k: Kernel, kind: Int, buf: Ptr, size: Int) -> Answer:
    """The kernel log. READ takes what is new and waits for more; READ_ALL shows the newest that fits."""
    if kind in (READ, READ_ALL, READ_CLEAR) and (not buf or size < 0):
        raise Errno(errno.EINVAL)
    if kind == READ:
        return read_once(k, buf, size)
    if kind in (READ_ALL, READ_CLEAR):
        text = k.log.read_all(size)
        k.user.copy_to(buf, text)
        if kind == READ_CLEAR:
            k.log.clear()
        return len(text)
    if kind == CONSOLE_LEVEL:
        if not 1 <= size <= 8:
            raise Errno(errno.EINVAL)
        k.log.set_console_level(size)
        return 0
    return simple_syslog(k, kind)


def simple_syslog(k: Kernel, kind: int) -> int:
    """The types without arguments."""
    if kind == SIZE_UNREAD:
        return k.log.size_unread()
    if kind == SIZE_BUFFER:
        return k.log.size_buffer()
    if kind == CLEAR:
        k.log.clear()
    elif kind == CONSOLE_OFF:
        k.log.console_off()
    elif kind == CONSOLE_ON:
        k.log.console_on()
    elif kind not in (CLOSE, OPEN):
        raise Errno(errno.EINVAL)
    return 0


def read_once(k: Kernel, buf: int, size: int) -> Answer:
    if not size:
        return 0
    ready = min(size, k.log.size_unread())
    if not ready:
        if k.current.woken == "signal":
            raise Errno(errno.EINTR)
        return Wait(NEWS)
    k.user.copy_to(buf, k.user.copy_from(buf, ready))  # a bad pointer must not cost the records
    text = k.log.read(ready)
    k.user.copy_to(buf, text)
    return len(text)
