"""include/linux/jiffies.h: the tick counter and conversions. Rounding is that of Linux (kernel/time/time.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.kapi.export import export, export_data
from emukern.machine.clock import HZ, NS_PER_JIFFY
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

MAX_JIFFY_OFFSET = (1 << 62) - 1
USEC_PER_JIFFY = 1_000_000 // HZ


@export_data("jiffies", "unsigned long", aliases=("jiffies_64",))
def jiffies(k: Kernel, counter: Ptr) -> None:
    """The run loop keeps it up to date."""
    counter[0] = k.clock.jiffies


@export_data("loops_per_jiffy", "unsigned long")
def loops_per_jiffy(k: Kernel, loops: Ptr) -> None:
    """One loop of a delay is one block of code."""
    loops[0] = NS_PER_JIFFY // 4


def of_milliseconds(ms: int) -> int:
    """Jiffies that are at least `ms`; negative (as an int) means for ever."""
    if ms & 0x8000_0000:
        return MAX_JIFFY_OFFSET
    return -(-ms * HZ // 1000)


@export("unsigned long __msecs_to_jiffies(unsigned int ms)", aliases=("msecs_to_jiffies",))
def __msecs_to_jiffies(k: Kernel, ms: int) -> int:
    return of_milliseconds(ms)


@export("unsigned long __usecs_to_jiffies(unsigned int us)", aliases=("usecs_to_jiffies",))
def __usecs_to_jiffies(k: Kernel, us: int) -> int:
    return -(-us // USEC_PER_JIFFY)


@export("unsigned int jiffies_to_msecs(unsigned long ticks)")
def jiffies_to_msecs(k: Kernel, ticks: int) -> int:
    return ticks * 1000 // HZ


@export("unsigned int jiffies_to_usecs(unsigned long ticks)")
def jiffies_to_usecs(k: Kernel, ticks: int) -> int:
    return ticks * USEC_PER_JIFFY


@export("u64 jiffies_to_nsecs(unsigned long ticks)")
def jiffies_to_nsecs(k: Kernel, ticks: int) -> int:
    return ticks * NS_PER_JIFFY


@export("u64 jiffies64_to_nsecs(u64 ticks)")
def jiffies64_to_nsecs(k: Kernel, ticks: int) -> int:
    return ticks * NS_PER_JIFFY


@export("u64 jiffies64_to_msecs(u64 ticks)")
def jiffies64_to_msecs(k: Kernel, ticks: int) -> int:
    return ticks * 1000 // HZ


@export("unsigned long nsecs_to_jiffies(u64 ns)", aliases=("nsecs_to_jiffies64",))
def nsecs_to_jiffies(k: Kernel, ns: int) -> int:
    return ns // NS_PER_JIFFY


@export("long jiffies_to_clock_t(unsigned long ticks)")
def jiffies_to_clock_t(k: Kernel, ticks: int) -> int:
    """In USER_HZ, a hundred a second."""
    return ticks * 100 // HZ


@export("unsigned long clock_t_to_jiffies(unsigned long ticks)")
def clock_t_to_jiffies(k: Kernel, ticks: int) -> int:
    return ticks * HZ // 100


@export("u64 get_jiffies_64(void)")
def get_jiffies_64(k: Kernel) -> int:
    return k.clock.jiffies


@export("unsigned long round_jiffies(unsigned long ticks)")
def round_jiffies(k: Kernel, ticks: int) -> int:
    """To whole seconds, unless that would be in the past."""
    rest = ticks % HZ
    rounded = ticks - rest if rest < HZ // 4 else ticks + HZ - rest
    return rounded if rounded > k.clock.jiffies else ticks


@export("unsigned long round_jiffies_relative(unsigned long ticks)")
def round_jiffies_relative(k: Kernel, ticks: int) -> int:
    now = k.clock.jiffies
    answer: int = round_jiffies(k, now + ticks) - now
    return answer
