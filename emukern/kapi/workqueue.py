"""include/linux/workqueue.h: functions called later by a kernel thread. The queues are kernel/workqueue.py's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.flow import Wait
from emukern.kapi.export import data, export, export_data
from emukern.kapi.timer import arm, disarm
from emukern.kernel import workqueue
from emukern.kernel.blocking import block, might_sleep
from emukern.kernel.bug import KernelBug
from emukern.kernel.vsprintf import vsprintf
from emukern.kernel.workqueue import WorkQueue, is_pending, set_pending, table
from emukern.ptr import Ptr
from emukern.varargs import VarArgs

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

HANDLE_SIZE = 64  # of a struct workqueue_struct: modules only hold pointers to it


def _system(name: str, variable: str) -> None:
    @export_data(variable, "struct workqueue_struct *")
    def init(k: Kernel, pointer: Ptr) -> None:
        pointer[0] = pointer.addr_  # the handle: any address that is nobody else's
        table(k).queues[pointer.addr_] = WorkQueue(name)


for _name, _variable in (
    ("0:events", "system_wq"),
    ("0:highpri", "system_highpri_wq"),
    ("0:long", "system_long_wq"),
    ("u2:unbound", "system_unbound_wq"),
    ("0:freezable", "system_freezable_wq"),
    ("0:power", "system_power_efficient_wq"),
):
    _system(_name, _variable)


def _queue_of(k: Kernel, wq: Ptr) -> WorkQueue:
    queue = table(k).queues.get(wq.addr_)
    if queue is None:
        raise KernelBug(f"BUG: work for a workqueue that does not exist (any more): {wq.addr_:016x}")
    return queue


@export("struct workqueue_struct *alloc_workqueue(const char *fmt, unsigned int flags, int max_active, ...)")
def alloc_workqueue(k: Kernel, fmt: Ptr, flags: int, max_active: int, args: VarArgs) -> int:
    handle = k.heap.alloc(HANDLE_SIZE, by=k.caller)
    if handle:
        table(k).queues[handle] = WorkQueue(vsprintf(k, k.mem.cstr(fmt), args).decode("latin-1"))
    return handle


@export("void destroy_workqueue(struct workqueue_struct *wq)")
def destroy_workqueue(k: Kernel, wq: Ptr) -> Wait | None:
    """Once everything is done, works queued meanwhile too."""
    waiting: Wait | None = drain_workqueue(k, wq)
    if waiting is not None:
        return waiting
    del table(k).queues[wq.addr_]
    k.sched.wake(("workqueue", wq.addr_))
    k.heap.free(wq.addr_, by=k.caller)
    return None


@export("void drain_workqueue(struct workqueue_struct *wq)")
def drain_workqueue(k: Kernel, wq: Ptr) -> Wait | None:
    _queue_of(k, wq)
    might_sleep(k, "drain_workqueue")
    queue = workqueue.revive(k, wq.addr_)
    return block(k, workqueue.progress(queue)) if queue.works or queue.running else None


@export("void __flush_workqueue(struct workqueue_struct *wq)", aliases=("flush_workqueue",))
def __flush_workqueue(k: Kernel, wq: Ptr) -> Wait | None:
    """Everything queued so far, not what is queued meanwhile."""
    queue = _queue_of(k, wq)
    might_sleep(k, "flush_workqueue")
    return None if workqueue.flushed(k, wq.addr_) else block(k, workqueue.progress(queue))


@export("bool queue_work_on(int cpu, struct workqueue_struct *wq, struct work_struct *work)")
def queue_work_on(k: Kernel, cpu: int, wq: Ptr, work: Ptr) -> bool:
    """False when the work was pending already."""
    _queue_of(k, wq)
    if is_pending(k, work.addr_):
        return False
    if not work.func:
        raise KernelBug(f"BUG: a work at {work.addr_:016x} without a function was queued (INIT_WORK missing?)")
    set_pending(k, work.addr_, True)
    workqueue.insert(k, wq.addr_, work.addr_)
    return True


@export("bool flush_work(struct work_struct *work)")
def flush_work(k: Kernel, work: Ptr) -> bool | Wait:
    """Sleep until the work has run; whether there was anything to wait for."""
    might_sleep(k, "flush_work")
    busy = table(k).holding(work.addr_) or workqueue.running(k, work.addr_)
    if busy is None:
        return k.current.woken is not None
    return block(k, workqueue.progress(busy))


@export("bool cancel_work_sync(struct work_struct *work)")
def cancel_work_sync(k: Kernel, work: Ptr) -> bool | Wait:
    """Whether it was pending; sleeps until a run of it that has begun is over."""
    return _cancel_sync(k, work, workqueue.remove(k, work.addr_))


@export("bool cancel_work(struct work_struct *work)")
def cancel_work(k: Kernel, work: Ptr) -> bool:
    return workqueue.remove(k, work.addr_)


def _cancel_sync(k: Kernel, work: Ptr, was: bool) -> bool | Wait:
    might_sleep(k, "cancel_work_sync")
    busy = workqueue.running(k, work.addr_)
    return was if busy is None else block(k, workqueue.progress(busy))


# Delayed work: a timer that queues.


@export("void delayed_work_timer_fn(struct timer_list *timer)")
def delayed_work_timer_fn(k: Kernel, timer: Ptr) -> None:
    delayed = timer.container_of_("struct delayed_work", "timer")
    handle = delayed.wq.addr_
    if handle in table(k).queues:
        workqueue.insert(k, handle, delayed.addr_)


def _delay(k: Kernel, wq: Ptr, delayed: Ptr, jiffies: int) -> None:
    """The pending bit is set."""
    delayed.wq = wq
    if jiffies == 0:
        workqueue.insert(k, wq.addr_, delayed.addr_)
    else:
        arm(k, delayed.timer, k.clock.jiffies + jiffies)


@export(
    "bool queue_delayed_work_on(int cpu, struct workqueue_struct *wq, struct delayed_work *work, unsigned long delay)"
)
def queue_delayed_work_on(k: Kernel, cpu: int, wq: Ptr, work: Ptr, delay: int) -> bool:
    """`delay` in jiffies. False when it was pending already."""
    _queue_of(k, wq)
    if is_pending(k, work.addr_):
        return False
    set_pending(k, work.addr_, True)
    _delay(k, wq, work, delay)
    return True


@export(
    "bool mod_delayed_work_on(int cpu, struct workqueue_struct *wq, struct delayed_work *work, unsigned long delay)"
)
def mod_delayed_work_on(k: Kernel, cpu: int, wq: Ptr, work: Ptr, delay: int) -> bool:
    """Whatever its state, run it after `delay`; whether it was pending."""
    _queue_of(k, wq)
    was: bool = cancel_delayed_work(k, work)
    set_pending(k, work.addr_, True)
    _delay(k, wq, work, delay)
    return was


@export("bool cancel_delayed_work(struct delayed_work *work)")
def cancel_delayed_work(k: Kernel, work: Ptr) -> bool:
    if disarm(k, work.timer):
        set_pending(k, work.addr_, False)
        return True
    return workqueue.remove(k, work.addr_)


@export("bool cancel_delayed_work_sync(struct delayed_work *work)")
def cancel_delayed_work_sync(k: Kernel, work: Ptr) -> bool | Wait:
    return _cancel_sync(k, work, cancel_delayed_work(k, work))


@export("bool flush_delayed_work(struct delayed_work *work)")
def flush_delayed_work(k: Kernel, work: Ptr) -> bool | Wait:
    """A delay that is running is cut short."""
    if disarm(k, work.timer):
        workqueue.insert(k, work.wq.addr_, work.addr_)
    answer: bool | Wait = flush_work(k, work)
    return answer


@export("void __init_work(struct work_struct *work, int onstack)")
def __init_work(k: Kernel, work: Ptr, onstack: int) -> None:
    """Only the debugging of objects wants to know."""


@export("bool schedule_work(struct work_struct *work)")
def schedule_work(k: Kernel, work: Ptr) -> bool:
    answer: bool = queue_work_on(k, 0, data(k, "system_wq")[0], work)
    return answer


@export("bool schedule_delayed_work(struct delayed_work *work, unsigned long delay)")
def schedule_delayed_work(k: Kernel, work: Ptr, delay: int) -> bool:
    answer: bool = queue_delayed_work_on(k, 0, data(k, "system_wq")[0], work, delay)
    return answer
