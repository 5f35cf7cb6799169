"""include/linux/mutex.h: `owner` holds the owner's task_struct, as in Linux; waiters are in kernel/waitqueue.py."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.flow import Wait
from emukern.kapi.export import export
from emukern.kernel import waitqueue
from emukern.kernel.blocking import might_sleep
from emukern.kernel.bug import KernelBug
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel
    from emukern.kernel.task import Task

OWNER = 0xFFFF_FFFF_FFFF_FFF8  # the low bits of `owner` are flags (MUTEX_FLAG_*)


@export("void __mutex_init(struct mutex *lock, const char *name, struct lock_class_key *key)")
def __mutex_init(k: Kernel, lock: Ptr, name: Ptr, key: Ptr) -> None:
    waitqueue.queues(k).owners.pop(lock.addr_, None)
    lock.owner.counter = 0
    lock.wait_lock.slock = lock.osq = 0
    head = lock.address_of_("wait_list")
    head.next = head.prev = head


def _own(k: Kernel, lock: Ptr, task: Task) -> None:
    lock.owner.counter = task.task_struct
    waitqueue.queues(k).owners[lock.addr_] = task.pid


def lock_mutex(k: Kernel, lock: Ptr, *, interruptible: bool = False) -> Wait | None:
    """Take the mutex or sleep for it; raises EINTR for a signal."""
    might_sleep(k, "mutex_lock")
    task = k.current
    if waitqueue.claim(k, lock.addr_):
        return None
    if not lock.owner.counter & OWNER:
        _own(k, lock, task)
        return None
    if waitqueue.queues(k).owners.get(lock.addr_) == task.pid:
        raise KernelBug(f"BUG: {task.name}/{task.pid} locks a mutex that it holds already: {_name(k, lock)}")
    if interruptible and task.woken == "signal":
        waitqueue.give_up(k, lock.addr_)
        raise Errno(errno.EINTR)
    return waitqueue.wait_turn(k, lock.addr_, interruptible=interruptible)


@export("void mutex_lock(struct mutex *lock)")
def mutex_lock(k: Kernel, lock: Ptr) -> Wait | None:
    return lock_mutex(k, lock)


@export("void mutex_lock_nested(struct mutex *lock, unsigned int subclass)", gpl=True)
def mutex_lock_nested(k: Kernel, lock: Ptr, subclass: int) -> Wait | None:
    return lock_mutex(k, lock)


@export("int mutex_lock_interruptible(struct mutex *lock)", aliases=("mutex_lock_killable",))
def mutex_lock_interruptible(k: Kernel, lock: Ptr) -> Wait | None:
    return lock_mutex(k, lock, interruptible=True)


@export("int mutex_trylock(struct mutex *lock)")
def mutex_trylock(k: Kernel, lock: Ptr) -> int:
    if lock.owner.counter & OWNER:
        return 0
    _own(k, lock, k.current)
    return 1


@export("void mutex_unlock(struct mutex *lock)")
def mutex_unlock(k: Kernel, lock: Ptr) -> None:
    """Hands the mutex to whoever waited longest; a BUG when nobody held it."""
    if not lock.owner.counter & OWNER:
        raise KernelBug(f"BUG: mutex_unlock of a mutex that nobody holds: {_name(k, lock)}")
    lock.owner.counter = 0
    waitqueue.queues(k).owners.pop(lock.addr_, None)
    if waitqueue.is_contended(k, lock.addr_):
        _own(k, lock, k.sched.tasks[waitqueue.grant(k, lock.addr_)])


@export("bool mutex_is_locked(struct mutex *lock)")
def mutex_is_locked(k: Kernel, lock: Ptr) -> bool:
    return bool(lock.owner.counter & OWNER)


def _name(k: Kernel, lock: Ptr) -> str:
    where = k.symbols.where(lock.addr_)
    return f"{where[0]} ({lock.addr_:016x})" if where else f"{lock.addr_:016x}"
