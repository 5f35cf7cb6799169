"""include/linux/timer.h: functions called in interrupt context at a given jiffy.

`entry.pprev` says that a timer is pending, as in Linux, where timer_pending() is inlined.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.flow import Call, continuation
from emukern.kapi.export import export
from emukern.kernel.bug import KernelBug
from emukern.machine.clock import NS_PER_JIFFY
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

SIGN = 1 << 63


def deadline(k: Kernel, expires: int) -> int:
    """The virtual time of the tick at which a timer for jiffy `expires` fires: the next one at the earliest."""
    ahead = ((expires - k.clock.jiffies + SIGN) & (2 * SIGN - 1)) - SIGN
    return (k.clock.now // NS_PER_JIFFY + max(1, ahead)) * NS_PER_JIFFY


def arm(k: Kernel, timer: Ptr, expires: int) -> bool:
    """Set the timer; whether it was pending already."""
    if not timer.function:
        raise KernelBug(f"BUG: a timer at {timer.addr_:016x} without a function was armed (timer_setup missing?)")
    was = bool(timer.entry.pprev)
    timer.expires = expires
    timer.entry.pprev = timer.address_of_("entry")
    k.timers.add(deadline(k, expires), fire, key=("timer", timer.addr_), timer=timer.addr_)
    return was


def disarm(k: Kernel, timer: Ptr) -> bool:
    """Whether it was pending."""
    was = bool(timer.entry.pprev)
    timer.entry.pprev = 0
    k.timers.cancel(("timer", timer.addr_))
    return was


@continuation
def fire(k: Kernel, rv: int, timer: int) -> Call:
    """In interrupt context. The function may arm the timer again, or free it."""
    fired = Ptr(k.mem, timer, "struct timer_list *")
    fired.entry.pprev = 0
    return Call(fired.function, timer)


@export(
    "void init_timer_key(struct timer_list *timer, void (*function)(struct timer_list *), unsigned int flags,"
    " const char *name, struct lock_class_key *key)",
    aliases=("timer_init_key",),
)
def init_timer_key(k: Kernel, timer: Ptr, function: Ptr, flags: int, name: Ptr, key: Ptr) -> None:
    timer.entry.pprev = 0
    timer.function, timer.flags = function, flags


@export("void add_timer(struct timer_list *timer)")
def add_timer(k: Kernel, timer: Ptr) -> None:
    if timer.entry.pprev:
        raise KernelBug("kernel BUG: add_timer of a timer that is pending already")
    arm(k, timer, timer.expires)


@export("void add_timer_on(struct timer_list *timer, int cpu)")
def add_timer_on(k: Kernel, timer: Ptr, cpu: int) -> None:
    add_timer(k, timer)


@export("int mod_timer(struct timer_list *timer, unsigned long expires)")
def mod_timer(k: Kernel, timer: Ptr, expires: int) -> int:
    return arm(k, timer, expires)


@export("int timer_reduce(struct timer_list *timer, unsigned long expires)")
def timer_reduce(k: Kernel, timer: Ptr, expires: int) -> int:
    """Like mod_timer, but a pending timer is never put off."""
    if timer.entry.pprev and deadline(k, timer.expires) <= deadline(k, expires):
        return 1
    return arm(k, timer, expires)


@export("int mod_timer_pending(struct timer_list *timer, unsigned long expires)")
def mod_timer_pending(k: Kernel, timer: Ptr, expires: int) -> int:
    return arm(k, timer, expires) if timer.entry.pprev else 0


@export(
    "int timer_delete(struct timer_list *timer)",
    aliases=("del_timer", "timer_delete_sync", "del_timer_sync", "try_to_del_timer_sync"),
)
def timer_delete(k: Kernel, timer: Ptr) -> int:
    """A timer's function ends before the task it interrupted goes on, so the sync forms have nothing to wait for."""
    return disarm(k, timer)


@export("int timer_shutdown_sync(struct timer_list *timer)", aliases=("timer_shutdown",))
def timer_shutdown_sync(k: Kernel, timer: Ptr) -> int:
    """Disarmed for good: without a function it cannot be armed again."""
    was = disarm(k, timer)
    timer.function = 0
    return was
