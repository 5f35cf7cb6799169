"""System calls about time (kernel/time): all of it virtual."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.flow import Wait
from emukern.kernel.sequence import Answer
from emukern.syscalls.table import Int, Ptr, abi, signed, syscall

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

SECOND = 1_000_000_000
CLOCKS = {0: "realtime", 1: "now", 4: "now", 5: "realtime", 6: "now", 7: "now"}  # id → Clock attribute
TIMER_ABSTIME = 1
FOREVER = (1 << 63) - 1  # ns; KTIME_MAX, 292 years


def _pack(k: Kernel, seconds: int, part: int) -> bytes:
    """A struct timespec or timeval; 32-bit programs see seconds modulo 2**32, as Linux's old calls tell them."""
    layout = abi(k)
    return layout.timespec.pack(signed(seconds, 8 * layout.word), part)


def _clock(k: Kernel, clock: int) -> int:
    if clock not in CLOCKS:
        raise Errno(errno.EINVAL)
    return int(getattr(k.clock, CLOCKS[clock]))


@syscall
def clock_gettime(k: Kernel, clock: Int, ts: Ptr) -> Answer:
    k.user.copy_to(ts, _pack(k, *divmod(_clock(k, clock), SECOND)))
    return 0


@syscall
def clock_getres(k: Kernel, clock: Int, ts: Ptr) -> Answer:
    _clock(k, clock)
    if ts:
        k.user.copy_to(ts, _pack(k, 0, 1))
    return 0


def _duration(k: Kernel, ts: int) -> int:
    timespec = abi(k).timespec
    seconds, ns = timespec.unpack(k.user.copy_from(ts, timespec.size))
    if seconds < 0 or not 0 <= ns < SECOND:
        raise Errno(errno.EINVAL)
    return min(int(seconds) * SECOND + int(ns), FOREVER)


def _sleep(k: Kernel, duration: int, rem: int) -> Answer:
    if k.current.woken == "timeout":
        return 0
    if k.current.woken == "signal":
        if rem:
            left = max(0, (k.current.deadline or k.clock.now) - k.clock.now)
            k.user.copy_to(rem, _pack(k, *divmod(left, SECOND)))
        raise Errno(errno.EINTR)
    return Wait(None, timeout=min(duration, max(0, FOREVER - k.clock.now)))


@syscall
def nanosleep(k: Kernel, req: Ptr, rem: Ptr) -> Answer:
    return _sleep(k, _duration(k, req), rem)


@syscall
def clock_nanosleep(k: Kernel, clock: Int, flags: Int, req: Ptr, rem: Ptr) -> Answer:
    now, duration = _clock(k, clock), _duration(k, req)
    if flags & TIMER_ABSTIME:
        return _sleep(k, max(0, duration - now), 0)
    return _sleep(k, duration, rem)


@syscall
def gettimeofday(k: Kernel, tv: Ptr, tz: Ptr) -> Answer:
    if tv:
        seconds, ns = divmod(k.clock.realtime, SECOND)
        k.user.copy_to(tv, _pack(k, seconds, ns // 1000))
    if tz:
        k.user.copy_to(tz, bytes(8))
    return 0


@syscall
def time(k: Kernel, where: Ptr) -> Answer:
    seconds = k.clock.realtime // SECOND
    if where:
        k.user.copy_to(where, seconds.to_bytes(8, "little")[: abi(k).word])
    return seconds
