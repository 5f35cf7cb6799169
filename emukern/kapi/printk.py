"""include/linux/printk.h and ratelimit.h: messages to the kernel log, and how often they may come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.cdecl import abi
from emukern.kapi.export import export
from emukern.kernel.vsprintf import vsprintf
from emukern.ptr import Ptr
from emukern.varargs import VarArgs

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

WARNING = 4
INTERVAL_SECONDS, BURST = 5, 10  # DEFAULT_RATELIMIT_*
RATELIMIT_MSG_ON_RELEASE = 1
STATE = "printk.ratelimit"  # in k.part_state: begin, printed, missed of __printk_ratelimit
# Of Linux 6.1; the shared header does not have it.
RATELIMIT_STATE = """
struct ratelimit_state {
        raw_spinlock_t lock; int interval, burst, printed, missed; unsigned long begin, flags;
};
"""
_MASK = 0xFFFF_FFFF_FFFF_FFFF


@export("int _printk(const char *fmt, ...)", aliases=("printk", "kprintf", "_printk_deferred"))
def _printk(k: Kernel, fmt: Ptr, args: VarArgs) -> int:
    return k.log.printk(vsprintf(k, k.mem.cstr(fmt), args))


@export("int vprintk(const char *fmt, va_list args)")
def vprintk(k: Kernel, fmt: Ptr, args: VarArgs) -> int:
    return k.log.printk(vsprintf(k, k.mem.cstr(fmt), args))


def _limited(now: int, begin: int, interval: int, burst: int, printed: int) -> tuple[bool, bool, int]:
    """Whether a new interval starts, whether this message may come, and when the interval began."""
    begin = begin or now
    fresh = (now - begin) & _MASK > interval
    return fresh, burst > (0 if fresh else printed), now if fresh else begin


def _suppressed(k: Kernel, func: str, missed: int) -> None:
    if missed:
        k.log.emit(WARNING, f"{func}: {missed} callbacks suppressed")


@export("int ___ratelimit(struct ratelimit_state *rs, const char *func)")
def ___ratelimit(k: Kernel, rs: Ptr, func: Ptr) -> int:
    """1 for `burst` messages in `interval` jiffies, then 0; what was missed is told when the next interval starts."""
    if abi().record("struct ratelimit_state").members is None:
        abi().add(RATELIMIT_STATE)
    if not rs.interval:
        return 1
    fresh, allowed, rs.begin = _limited(k.clock.jiffies, rs.begin, rs.interval, rs.burst, rs.printed)
    if fresh:
        rs.printed = 0
        if not rs.flags & RATELIMIT_MSG_ON_RELEASE:
            _suppressed(k, func.str_(), rs.missed)
            rs.missed = 0
    if allowed:
        rs.printed += 1
    else:
        rs.missed += 1
    return int(allowed)


@export("int __printk_ratelimit(const char *func)")
def __printk_ratelimit(k: Kernel, func: Ptr) -> int:
    begin, printed, missed = k.part_state.get(STATE, (0, 0, 0))
    interval = INTERVAL_SECONDS * k.clock.hz
    fresh, allowed, begin = _limited(k.clock.jiffies, begin, interval, BURST, printed)
    if fresh:
        _suppressed(k, func.str_(), missed)
        printed = missed = 0
    k.part_state[STATE] = (begin, printed + allowed, missed + (not allowed))
    return int(allowed)


@export("bool printk_timed_ratelimit(unsigned long *caller_jiffies, unsigned int interval_msecs)")
def printk_timed_ratelimit(k: Kernel, caller_jiffies: Ptr, interval_msecs: int) -> bool:
    now, before = k.clock.jiffies & _MASK, caller_jiffies[0]
    if before and (now - before) & _MASK <= -(-interval_msecs * k.clock.hz // 1000):
        return False
    caller_jiffies[0] = now
    return True
