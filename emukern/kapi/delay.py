"""include/linux/delay.h: spinning lets virtual time pass at once, sleeping lets others run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.flow import Wait
from emukern.kapi.export import export
from emukern.kapi.jiffies import of_milliseconds
from emukern.kernel.blocking import block, until_tick
from emukern.machine.clock import HZ, NS_PER_JIFFY

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel


@export("void __udelay(unsigned long us)", aliases=("udelay",))
def __udelay(k: Kernel, us: int) -> None:
    k.clock.advance(us * 1000)


@export("void __ndelay(unsigned long ns)", aliases=("ndelay",))
def __ndelay(k: Kernel, ns: int) -> None:
    k.clock.advance(ns)


@export("void __const_udelay(unsigned long xloops)")
def __const_udelay(k: Kernel, xloops: int) -> None:
    """x86: microseconds times 2**32 / 10**6, rounded up where the macro was expanded."""
    k.clock.advance(xloops * 1_000_000_000 >> 32)


@export("void __delay(unsigned long loops)")
def __delay(k: Kernel, loops: int) -> None:
    """Loops of which there are loops_per_jiffy in a jiffy."""
    k.clock.advance(loops * 4)


@export("void msleep(unsigned int ms)")
def msleep(k: Kernel, ms: int) -> Wait | None:
    """One jiffy more than asked for, as in Linux: the current one has begun already."""
    if k.current.woken is not None:
        return None
    return block(k, None, timeout=until_tick(k, of_milliseconds(ms) + 1))


@export("unsigned long msleep_interruptible(unsigned int ms)")
def msleep_interruptible(k: Kernel, ms: int) -> int | Wait:
    """The milliseconds that were left when a signal came."""
    task = k.current
    if task.woken == "timeout":
        return 0
    if task.woken is not None:
        return max(0, (task.deadline or 0) // NS_PER_JIFFY - k.clock.now // NS_PER_JIFFY) * 1000 // HZ
    return block(k, None, timeout=until_tick(k, of_milliseconds(ms) + 1), interruptible=True)


@export("void usleep_range_state(unsigned long min, unsigned long max, unsigned int state)")
def usleep_range_state(k: Kernel, least: int, most: int, state: int) -> Wait | None:
    return None if k.current.woken is not None else block(k, None, timeout=least * 1000)


@export("void usleep_range(unsigned long min, unsigned long max)")
def usleep_range(k: Kernel, least: int, most: int) -> Wait | None:
    return None if k.current.woken is not None else block(k, None, timeout=least * 1000)


@export("void ssleep(unsigned int seconds)")
def ssleep(k: Kernel, seconds: int) -> Wait | None:
    answer: Wait | None = msleep(k, seconds * 1000)
    return answer
