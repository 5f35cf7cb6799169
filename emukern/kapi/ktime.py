"""include/linux/ktime.h and timekeeping.h: virtual time, in nanoseconds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.kapi.export import export
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

SECOND = 1_000_000_000
OFFS_REAL, OFFS_TAI = 0, 2


@export(
    "ktime_t ktime_get(void)",
    aliases=("ktime_get_raw", "ktime_get_coarse", "ktime_get_mono_fast_ns", "ktime_get_raw_fast_ns", "sched_clock",
             "local_clock", "ktime_get_boot_fast_ns"),
)  # fmt: skip
def ktime_get(k: Kernel) -> int:
    return k.clock.now


@export("ktime_t ktime_get_with_offset(int clock)", aliases=("ktime_get_coarse_with_offset",))
def ktime_get_with_offset(k: Kernel, clock: int) -> int:
    """enum tk_offsets: real, boot, TAI (as long as nobody sets its offset, that is real time)."""
    return k.clock.realtime if clock in (OFFS_REAL, OFFS_TAI) else k.clock.now


@export("ktime_t ktime_get_real(void)", aliases=("ktime_get_real_fast_ns",))
def ktime_get_real(k: Kernel) -> int:
    return k.clock.realtime


@export("ktime_t ktime_mono_to_any(ktime_t mono, int clock)")
def ktime_mono_to_any(k: Kernel, mono: int, clock: int) -> int:
    answer: int = mono + ktime_get_with_offset(k, clock) - k.clock.now
    return answer


def _put(ts: Ptr, ns: int) -> None:
    ts.tv_sec, ts.tv_nsec = divmod(ns, SECOND)


@export("void ktime_get_ts64(struct timespec64 *ts)", aliases=("ktime_get_raw_ts64", "ktime_get_coarse_ts64"))
def ktime_get_ts64(k: Kernel, ts: Ptr) -> None:
    _put(ts, k.clock.now)


@export(
    "void ktime_get_real_ts64(struct timespec64 *ts)",
    aliases=("ktime_get_coarse_real_ts64", "ktime_get_clocktai_ts64"),
)
def ktime_get_real_ts64(k: Kernel, ts: Ptr) -> None:
    _put(ts, k.clock.realtime)


@export("time64_t ktime_get_seconds(void)")
def ktime_get_seconds(k: Kernel) -> int:
    return k.clock.now // SECOND


@export("time64_t ktime_get_real_seconds(void)")
def ktime_get_real_seconds(k: Kernel) -> int:
    return k.clock.realtime // SECOND
