"""Who waits for a sleeping lock, and who gets it next: first come, first served, handed over when it is let go.

A lock that is merely set free may be taken back by its old owner before the waiter runs, for ever. So letting go
grants it to the first waiter, and that one only has to notice.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emukern.flow import Wait
from emukern.kernel.blocking import block

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

PART = "waitqueue"


@dataclass
class LockQueues:
    """By lock address: the waiting (pid, mode) in order. `granted` holds the (lock, pid) that may go on.

    `owners`: the pid that holds a mutex, for a task_struct's address is used again when its task is gone.
    """

    waiting: dict[int, list[tuple[int, str]]] = field(default_factory=dict)
    granted: set[tuple[int, int]] = field(default_factory=set)
    owners: dict[int, int] = field(default_factory=dict)


def queues(k: Kernel) -> LockQueues:
    """The kernel's one table of waiters."""
    found: LockQueues = k.part_state.setdefault(PART, LockQueues())
    return found


def is_contended(k: Kernel, lock: int) -> bool:
    """Does anybody wait for `lock`?"""
    return lock in queues(k).waiting


def claim(k: Kernel, lock: int) -> bool:
    """Has `lock` been handed to the current task? It is then its owner, and the grant is used up."""
    granted = queues(k).granted
    if (lock, k.current.pid) not in granted:
        return False
    granted.remove((lock, k.current.pid))
    return True


def wait_turn(
    k: Kernel, lock: int, *, mode: str = "w", timeout: int | None = None, interruptible: bool = False
) -> Wait:
    """Stand in line for `lock` (once, however often the trap is tried) and sleep until it is granted."""
    row = queues(k).waiting.setdefault(lock, [])
    if (k.current.pid, mode) not in row:
        row.append((k.current.pid, mode))
    return block(k, ("lock", lock, k.current.pid), timeout=timeout, interruptible=interruptible)


def give_up(k: Kernel, lock: int) -> None:
    """Leave the line: a signal or the end of a timeout came first."""
    waiting = queues(k).waiting
    row = [one for one in waiting.get(lock, ()) if one[0] != k.current.pid]
    if row:
        waiting[lock] = row
    else:
        waiting.pop(lock, None)


def first(k: Kernel, lock: int) -> tuple[int, str] | None:
    """The (pid, mode) that is next in line."""
    row = queues(k).waiting.get(lock)
    return row[0] if row else None


def grant(k: Kernel, lock: int) -> int:
    """Hand `lock` to the first in line and wake it; its pid."""
    table = queues(k)
    row = table.waiting[lock]
    pid, _ = row.pop(0)
    if not row:
        del table.waiting[lock]
    table.granted.add((lock, pid))
    k.sched.wake(("lock", lock, pid))
    return pid
