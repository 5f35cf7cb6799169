"""Work queues: each is a list of struct work_struct addresses and a kernel thread, its worker, that runs them in order.

Plain data by guest address. A worker is made when its queue first has something to do, and sleeps when it has not.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emukern.flow import Call, Wait, continuation
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

PART = "workqueue"
PENDING = 1  # WORK_STRUCT_PENDING: bit 0 of work->data


@dataclass
class WorkQueue:
    """`works`: (serial, address) in the order queued; `running`: the one its worker is at."""

    name: str
    works: list[tuple[int, int]] = field(default_factory=list)
    running: tuple[int, int] | None = None
    worker: int = 0  # pid, 0 while there is none


@dataclass
class WorkQueues:
    """All queues by handle, a struct workqueue_struct *. `flushing`: by pid, the serial its flush waits for."""

    queues: dict[int, WorkQueue] = field(default_factory=dict)
    serial: int = 0
    flushing: dict[int, int] = field(default_factory=dict)

    def holding(self, work: int) -> WorkQueue | None:
        """The queue where `work` waits."""
        return next((q for q in self.queues.values() if any(one == work for _, one in q.works)), None)


def table(k: Kernel) -> WorkQueues:
    """The kernel's one table of work queues."""
    found: WorkQueues = k.part_state.setdefault(PART, WorkQueues())
    return found


def work_at(k: Kernel, address: int) -> Ptr:
    """A struct work_struct."""
    return Ptr(k.mem, address, "struct work_struct *")


def is_pending(k: Kernel, work: int) -> bool:
    """Is the work queued, or its delay running?"""
    return bool(work_at(k, work).data.counter & PENDING)


def set_pending(k: Kernel, work: int, pending: bool) -> None:
    """Change the bit that work_pending() reads."""
    data = work_at(k, work).data
    data.counter = data.counter & ~PENDING | pending


def insert(k: Kernel, handle: int, work: int) -> None:
    """Queue a work whose pending bit is set, and get the worker going."""
    found = table(k)
    queue = found.queues[handle]
    found.serial += 1
    queue.works.append((found.serial, work))
    revive(k, handle)
    k.sched.wake(("workqueue", handle))


def revive(k: Kernel, handle: int) -> WorkQueue:
    """The queue, with a worker if it has work: one that died of an oops took the work it was at with it."""
    queue = table(k).queues[handle]
    if queue.worker and queue.worker not in k.sched.tasks:
        queue.worker, queue.running = 0, None
    if queue.works and not queue.worker:
        queue.worker = k.spawn(f"kworker/{queue.name}", work_loop, handle=handle).pid
    return queue


def running(k: Kernel, work: int) -> WorkQueue | None:
    """The queue whose living worker is at `work`."""
    for handle, queue in table(k).queues.items():
        if queue.running is not None and queue.running[1] == work and revive(k, handle).running is not None:
            return queue
    return None


def progress(queue: WorkQueue) -> Hashable:
    """What to sleep on until the queue has done a work, or its worker is dead (which wakes this key by itself)."""
    return ("exit", queue.worker)


def remove(k: Kernel, work: int) -> bool:
    """Take a waiting work out of its queue; whether it was in one."""
    queue = table(k).holding(work)
    if queue is None:
        return False
    queue.works = [one for one in queue.works if one[1] != work]
    set_pending(k, work, False)
    k.sched.wake(progress(queue))
    return True


@continuation
def work_loop(k: Kernel, rv: int, handle: int) -> int | Wait | Call:
    """A worker between two works: run the next, sleep, or end with its queue."""
    queue = table(k).queues.get(handle)
    if queue is None:
        return 0
    if not queue.works:
        return Wait(("workqueue", handle), interruptible=False)
    queue.running = queue.works.pop(0)
    work = queue.running[1]
    set_pending(k, work, False)
    return Call(work_at(k, work).func, work, then=work_done, handle=handle)


@continuation
def work_done(k: Kernel, rv: int, handle: int) -> int | Wait | Call:
    """A work's function came back; the work itself may be freed by now."""
    queue = table(k).queues.get(handle)
    if queue is not None:
        queue.running = None
        k.sched.wake(progress(queue))
    answer: int | Wait | Call = work_loop(k, 0, handle)
    return answer


def flushed(k: Kernel, handle: int) -> bool:
    """Is everything done that was queued when the current task began to wait?"""
    found = table(k)
    if k.current.woken is None:
        found.flushing[k.current.pid] = found.serial
    target = found.flushing.get(k.current.pid, found.serial)
    queue = revive(k, handle)
    first = queue.running or (queue.works[0] if queue.works else None)
    if first is not None and first[0] <= target:
        return False
    found.flushing.pop(k.current.pid, None)
    return True
