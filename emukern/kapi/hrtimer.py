"""include/linux/hrtimer.h: timers with the clock's own resolution. `state` is 1 while one is queued, as in Linux."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.cdecl import abi
from emukern.flow import Call, continuation
from emukern.kapi.export import export
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

REL, RESTART = 1, 1
REALTIME = 0


def _origin(k: Kernel, timer: Ptr) -> int:
    """What the timer's clock showed at boot, in ns; `base` remembers the clock's number plus one."""
    return k.clock.realtime - k.clock.now if timer.base.addr_ == REALTIME + 1 else 0


def _queue(k: Kernel, timer: Ptr) -> None:
    timer.state = 1
    due = timer.node.expires - _origin(k, timer)
    k.timers.add(max(due, k.clock.now), hrtimer_fire, key=("hrtimer", timer.addr_), timer=timer.addr_)


@export("void hrtimer_init(struct hrtimer *timer, int clock, enum hrtimer_mode mode)")
def hrtimer_init(k: Kernel, timer: Ptr, clock: int, mode: int) -> None:
    k.mem.fill(timer.addr_, 0, abi().record("struct hrtimer").size)
    timer.base = clock + 1


@export("void hrtimer_start_range_ns(struct hrtimer *timer, ktime_t time, u64 slack, const enum hrtimer_mode mode)")
def hrtimer_start_range_ns(k: Kernel, timer: Ptr, time: int, slack: int, mode: int) -> None:
    if mode & REL:
        time += k.clock.now + _origin(k, timer)
    timer.node.expires = time + slack
    timer._softexpires = time
    _queue(k, timer)


@continuation
def hrtimer_fire(k: Kernel, rv: int, timer: int) -> Call:
    """In interrupt context."""
    fired = Ptr(k.mem, timer, "struct hrtimer *")
    fired.state = 0
    return Call(fired.function, timer, then=hrtimer_fired, timer=timer)


@continuation
def hrtimer_fired(k: Kernel, rv: int, timer: int) -> int:
    """The function may ask to be called again, at the time it has set."""
    fired = Ptr(k.mem, timer, "struct hrtimer *")
    if rv & 0xFFFF_FFFF == RESTART and not fired.state:
        _queue(k, fired)
    return 0


@export("int hrtimer_try_to_cancel(struct hrtimer *timer)", aliases=("hrtimer_cancel",))
def hrtimer_try_to_cancel(k: Kernel, timer: Ptr) -> int:
    was: int = timer.state
    timer.state = 0
    k.timers.cancel(("hrtimer", timer.addr_))
    return int(was != 0)


@export("bool hrtimer_active(const struct hrtimer *timer)")
def hrtimer_active(k: Kernel, timer: Ptr) -> bool:
    return bool(timer.state)


@export("u64 hrtimer_forward(struct hrtimer *timer, ktime_t now, ktime_t interval)")
def hrtimer_forward(k: Kernel, timer: Ptr, now: int, interval: int) -> int:
    """Push the expiry beyond `now` in whole intervals; how many."""
    late = now - timer.node.expires
    if late < 0 or timer.state or interval <= 0:
        return 0
    steps: int = late // interval + 1
    timer.node.expires += steps * interval
    timer._softexpires += steps * interval
    return steps


@export("ktime_t __hrtimer_get_remaining(const struct hrtimer *timer, bool adjust)")
def __hrtimer_get_remaining(k: Kernel, timer: Ptr, adjust: bool) -> int:
    left: int = timer.node.expires - k.clock.now - _origin(k, timer)
    return left
