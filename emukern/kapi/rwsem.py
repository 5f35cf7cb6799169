"""include/linux/rwsem.h: bit 0 of `count` is the writer, above bit 8 the readers are counted, as in Linux."""

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

WRITER, READER = 1, 0x100


@export("void __init_rwsem(struct rw_semaphore *sem, const char *name, struct lock_class_key *key)")
def __init_rwsem(k: Kernel, sem: Ptr, name: Ptr, key: Ptr) -> None:
    sem.count.counter = sem.owner.counter = 0
    sem.osq = sem.wait_lock.slock = 0
    head = sem.address_of_("wait_list")
    head.next = head.prev = head


def _take(k: Kernel, sem: Ptr, mode: str, *, interruptible: bool = False) -> Wait | None:
    might_sleep(k, "down_read" if mode == "r" else "down_write")
    if waitqueue.claim(k, sem.addr_):
        return None
    if not waitqueue.is_contended(k, sem.addr_) and _free(sem, mode):
        sem.count.counter += READER if mode == "r" else WRITER
        return None
    if interruptible and k.current.woken == "signal":
        waitqueue.give_up(k, sem.addr_)
        _hand_over(k, sem)
        raise Errno(errno.EINTR)
    return waitqueue.wait_turn(k, sem.addr_, mode=mode, interruptible=interruptible)


def _free(sem: Ptr, mode: str) -> bool:
    held: int = sem.count.counter
    return not held & WRITER if mode == "r" else not held


def _hand_over(k: Kernel, sem: Ptr) -> None:
    """Let in who is next: one writer, or all the readers in front of the first writer."""
    while (waiter := waitqueue.first(k, sem.addr_)) and _free(sem, waiter[1]):
        sem.count.counter += READER if waiter[1] == "r" else WRITER
        waitqueue.grant(k, sem.addr_)


def _leave(k: Kernel, sem: Ptr, held: int) -> None:
    if sem.count.counter < held:
        raise KernelBug(f"BUG: up of a rw_semaphore that nobody holds: {sem.addr_:016x}")
    sem.count.counter -= held
    _hand_over(k, sem)


@export("void down_read(struct rw_semaphore *sem)")
def down_read(k: Kernel, sem: Ptr) -> Wait | None:
    return _take(k, sem, "r")


@export("int down_read_interruptible(struct rw_semaphore *sem)", aliases=("down_read_killable",))
def down_read_interruptible(k: Kernel, sem: Ptr) -> Wait | None:
    return _take(k, sem, "r", interruptible=True)


@export("void down_write(struct rw_semaphore *sem)")
def down_write(k: Kernel, sem: Ptr) -> Wait | None:
    return _take(k, sem, "w")


@export("int down_write_killable(struct rw_semaphore *sem)")
def down_write_killable(k: Kernel, sem: Ptr) -> Wait | None:
    return _take(k, sem, "w", interruptible=True)


@export("int down_read_trylock(struct rw_semaphore *sem)")
def down_read_trylock(k: Kernel, sem: Ptr) -> int:
    return _try(k, sem, "r")


@export("int down_write_trylock(struct rw_semaphore *sem)")
def down_write_trylock(k: Kernel, sem: Ptr) -> int:
    return _try(k, sem, "w")


def _try(k: Kernel, sem: Ptr, mode: str) -> int:
    if waitqueue.is_contended(k, sem.addr_) or not _free(sem, mode):
        return 0
    sem.count.counter += READER if mode == "r" else WRITER
    return 1


@export("void up_read(struct rw_semaphore *sem)")
def up_read(k: Kernel, sem: Ptr) -> None:
    _leave(k, sem, READER)


@export("void up_write(struct rw_semaphore *sem)")
def up_write(k: Kernel, sem: Ptr) -> None:
    _leave(k, sem, WRITER)


@export("void downgrade_write(struct rw_semaphore *sem)")
def downgrade_write(k: Kernel, sem: Ptr) -> None:
    """A writer becomes a reader without letting another writer in between."""
    sem.count.counter += READER - WRITER
    _hand_over(k, sem)
