"""Sleeping inside a kernel function: the rules about where that is allowed, and time in jiffies.

A handler that has to wait answers `block(k, ...)`; it is tried again afterwards and finds in `k.current.woken` why.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING

from emukern.cdecl import abi
from emukern.flow import Wait
from emukern.kernel.bug import KernelBug
from emukern.machine.clock import NS_PER_JIFFY

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

ERR = 3
FOREVER = (1 << 63) - 1  # MAX_SCHEDULE_TIMEOUT
HARDIRQ = 0x10000  # what an interrupt adds to preempt_count (include/linux/preempt.h)


def preempt_count(k: Kernel) -> int:
    """How many spinlocks and the like the running code holds; interrupts count too, as in Linux."""
    return (k.mem.u32(_counter(k)) & 0x7FFF_FFFF) + HARDIRQ * k.current.in_interrupt


def _counter(k: Kernel) -> int:
    """Where the guest kernel's __preempt_count is, by its direct map address, which is found without a page walk."""
    layout = k.arch.layout
    return k.mem.virt(k.names["__preempt_count"].value + k.percpu_base - layout.image + layout.ram)


def forget_locks(k: Kernel, count: int = 0) -> None:
    """The running code is over, whatever it held: what died under a spinlock must not count for what runs next.

    `count` is what it had interrupted held.
    """
    k.mem.put_u32(_counter(k), count)


def block(k: Kernel, on: Hashable, *, timeout: int | None = None, interruptible: bool = False) -> Wait:
    """Sleep on `on` or for `timeout` nanoseconds; a BUG while a spinlock is held or in an interrupt."""
    count = preempt_count(k)
    if count:
        task = k.current
        raise KernelBug(f"BUG: scheduling while atomic: {task.name}/{task.pid}/0x{count:08x}")
    return Wait(on, timeout, interruptible)


def might_sleep(k: Kernel, function: str) -> None:
    """Say so when a function that may sleep is called where it must not, even if it would not have to this time."""
    count = preempt_count(k)
    if count and k.current.woken is None:
        task = k.current
        k.log.emit(ERR, f"BUG: sleeping function called from invalid context at {function}, called by {k.caller}")
        k.log.emit(ERR, f"in_atomic(): 1, preempt_count: {count:x}, pid: {task.pid}, name: {task.name}")


def until_tick(k: Kernel, jiffies: int) -> int | None:
    """Nanoseconds until the clock has ticked `jiffies` times; None for MAX_SCHEDULE_TIMEOUT and the like."""
    if jiffies >= FOREVER // NS_PER_JIFFY:
        return None
    return (k.clock.now // NS_PER_JIFFY + jiffies) * NS_PER_JIFFY - k.clock.now


def ticks_left(k: Kernel, jiffies: int) -> int:
    """Of a sleep for `jiffies` that is over: how many of them were not needed."""
    deadline = k.current.deadline
    if deadline is None:
        return jiffies
    return max(0, deadline // NS_PER_JIFFY - k.clock.now // NS_PER_JIFFY)


def state_address(task_struct: int) -> int:
    """Where a task's __state lies."""
    return task_struct + abi().record("struct task_struct").member("__state").offset


def set_state(k: Kernel, task_struct: int, state: int) -> None:
    """task->__state = state"""
    k.mem.put_u32(state_address(task_struct), state)


def state_of(k: Kernel, task_struct: int) -> int:
    """task->__state"""
    return k.mem.u32(state_address(task_struct))
