"""include/linux/completion.h: `done` counts what was completed and not yet waited for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.errors import ERESTARTSYS
from emukern.flow import Wait
from emukern.kapi.export import export
from emukern.kernel.blocking import FOREVER, block, might_sleep, ticks_left, until_tick
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

ALL = 0xFFFF_FFFF  # `done` after complete_all: for everybody, for ever


def _take(x: Ptr) -> bool:
    if not x.done:
        return False
    if x.done != ALL:
        x.done -= 1
    return True


def _wait(k: Kernel, x: Ptr, timeout: int, *, interruptible: bool = False) -> int | Wait:
    """The jiffies that were left, at least 1; 0 when they ran out, -ERESTARTSYS for a signal."""
    might_sleep(k, "wait_for_completion")
    if _take(x):
        return max(1, ticks_left(k, timeout) if k.current.woken else timeout)
    if k.current.woken == "timeout":
        return 0
    if interruptible and k.current.woken == "signal":
        return -ERESTARTSYS
    return block(k, ("completion", x.addr_), timeout=until_tick(k, timeout), interruptible=interruptible)


@export("void wait_for_completion(struct completion *x)", aliases=("wait_for_completion_io",))
def wait_for_completion(k: Kernel, x: Ptr) -> int | Wait:
    return _wait(k, x, FOREVER)


@export("int wait_for_completion_interruptible(struct completion *x)", aliases=("wait_for_completion_killable",))
def wait_for_completion_interruptible(k: Kernel, x: Ptr) -> int | Wait:
    answer = _wait(k, x, FOREVER, interruptible=True)
    return min(answer, 0) if isinstance(answer, int) else answer


@export("unsigned long wait_for_completion_timeout(struct completion *x, unsigned long timeout)")
def wait_for_completion_timeout(k: Kernel, x: Ptr, timeout: int) -> int | Wait:
    return _wait(k, x, min(timeout, FOREVER))


@export(
    "long wait_for_completion_interruptible_timeout(struct completion *x, unsigned long timeout)",
    aliases=("wait_for_completion_killable_timeout",),
)
def wait_for_completion_interruptible_timeout(k: Kernel, x: Ptr, timeout: int) -> int | Wait:
    return _wait(k, x, min(timeout, FOREVER), interruptible=True)


@export("bool try_wait_for_completion(struct completion *x)")
def try_wait_for_completion(k: Kernel, x: Ptr) -> bool:
    return _take(x)


@export("bool completion_done(struct completion *x)")
def completion_done(k: Kernel, x: Ptr) -> bool:
    return bool(x.done)


@export("void complete(struct completion *x)")
def complete(k: Kernel, x: Ptr) -> None:
    if x.done != ALL:
        x.done += 1
    k.sched.wake(("completion", x.addr_), 1)


@export("void complete_all(struct completion *x)")
def complete_all(k: Kernel, x: Ptr) -> None:
    x.done = ALL
    k.sched.wake(("completion", x.addr_))


@export("void __init_swait_queue_head(struct swait_queue_head *q, const char *name, struct lock_class_key *key)")
def __init_swait_queue_head(k: Kernel, q: Ptr, name: Ptr, key: Ptr) -> None:
    """What stock modules' init_completion calls."""
    q.lock.slock = 0
    head = q.address_of_("task_list")
    head.next = head.prev = head
