"""include/linux/semaphore.h: `count` is how many may still come in; waiters are in kernel/waitqueue.py."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.flow import Wait
from emukern.kapi.export import export
from emukern.kernel import waitqueue
from emukern.kernel.blocking import might_sleep, until_tick
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel


def _down(k: Kernel, sem: Ptr, *, timeout: int | None = None, interruptible: bool = False) -> Wait | None:
    might_sleep(k, "down")
    if waitqueue.claim(k, sem.addr_):
        return None
    if sem.count:
        sem.count -= 1
        return None
    if k.current.woken == "timeout" or (interruptible and k.current.woken == "signal"):
        waitqueue.give_up(k, sem.addr_)
        raise Errno(errno.ETIME if k.current.woken == "timeout" else errno.EINTR)
    return waitqueue.wait_turn(k, sem.addr_, timeout=timeout, interruptible=interruptible)


@export("void down(struct semaphore *sem)")
def down(k: Kernel, sem: Ptr) -> Wait | None:
    return _down(k, sem)


@export("int down_interruptible(struct semaphore *sem)", aliases=("down_killable",))
def down_interruptible(k: Kernel, sem: Ptr) -> Wait | None:
    return _down(k, sem, interruptible=True)


@export("int down_trylock(struct semaphore *sem)")
def down_trylock(k: Kernel, sem: Ptr) -> int:
    """0 when it was taken, unlike mutex_trylock."""
    if not sem.count:
        return 1
    sem.count -= 1
    return 0


@export("int down_timeout(struct semaphore *sem, long timeout)")
def down_timeout(k: Kernel, sem: Ptr, timeout: int) -> Wait | None:
    """`timeout` in jiffies; raises ETIME."""
    return _down(k, sem, timeout=until_tick(k, max(0, timeout)))


@export("void up(struct semaphore *sem)")
def up(k: Kernel, sem: Ptr) -> None:
    if waitqueue.is_contended(k, sem.addr_):
        waitqueue.grant(k, sem.addr_)
    else:
        sem.count += 1
