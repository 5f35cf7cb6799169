"""include/linux/kthread.h: threads of the kernel's own. A new one sleeps until wake_up_process, as in Linux."""

from __future__ import annotations

import errno
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.flow import Call, Exit, Wait, continuation
from emukern.kapi.completion import complete
from emukern.kapi.export import export
from emukern.kapi.sched import NORMAL, UNINTERRUPTIBLE, wake
from emukern.kernel.blocking import block, might_sleep, set_state, state_of
from emukern.kernel.bug import KernelBug
from emukern.kernel.vsprintf import vsprintf
from emukern.ptr import Ptr
from emukern.varargs import VarArgs

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

PART = "kthread"


@dataclass
class Threads:
    """By task_struct. `alive`: its pid; `stopper`: who waits for its end. `results`: by the stopper's pid."""

    alive: dict[int, int] = field(default_factory=dict)
    should_stop: set[int] = field(default_factory=set)
    should_park: set[int] = field(default_factory=set)
    stopper: dict[int, int] = field(default_factory=dict)
    results: dict[int, int] = field(default_factory=dict)


def threads(k: Kernel) -> Threads:
    """The kernel's one table of threads that modules made."""
    found: Threads = k.part_state.setdefault(PART, Threads())
    return found


@export(
    "struct task_struct *kthread_create_on_node(int (*function)(void *data), void *data, int node,"
    " const char *name, ...)"
)
def kthread_create_on_node(k: Kernel, function: Ptr, data: Ptr, node: int, name: Ptr, args: VarArgs) -> int:
    text = vsprintf(k, k.mem.cstr(name), args).decode("latin-1")
    try:
        task = k.spawn(text, kthread_begin, begin=function.addr_, argument=data.addr_)
    except MemoryError:
        raise Errno(errno.ENOMEM) from None
    set_state(k, task.task_struct, UNINTERRUPTIBLE)
    _forget(threads(k), task.task_struct)  # of a thread that died of an oops here
    threads(k).alive[task.task_struct] = task.pid
    return task.task_struct


@continuation
def kthread_begin(k: Kernel, rv: int, begin: int, argument: int) -> int | Wait | Call:
    """First act of a thread: wait for wake_up_process; one that is stopped before never runs."""
    own = k.current.task_struct
    if state_of(k, own):
        return block(k, ("task", own))
    if own in threads(k).should_stop:
        return _over(k, -errno.EINTR)
    return Call(begin, argument, then=kthread_returned)


@continuation
def kthread_returned(k: Kernel, rv: int) -> int:
    """The thread's function is over."""
    return _over(k, rv)


def _forget(table: Threads, task_struct: int) -> int | None:
    """Its address may be another thread's soon; who waits for its end."""
    table.alive.pop(task_struct, None)
    table.should_stop.discard(task_struct)
    table.should_park.discard(task_struct)
    return table.stopper.pop(task_struct, None)


def _over(k: Kernel, result: int) -> int:
    table, own = threads(k), k.current.task_struct
    stopper = _forget(table, own)
    if stopper is not None:
        table.results[stopper] = result
    return result


@export("int kthread_stop(struct task_struct *task)")
def kthread_stop(k: Kernel, task: Ptr) -> int | Wait:
    """Ask the thread to end, wait for it, and answer its result. A BUG when it has ended before: its task is gone.

    A thread that died of an oops answers 0, as in Linux.
    """
    table, own = threads(k), k.current.pid
    if k.current.woken is None:
        might_sleep(k, "kthread_stop")
        if task.addr_ not in table.alive:
            raise KernelBug(f"BUG: kthread_stop of a thread that has ended already: {task.addr_:016x}")
        table.should_stop.add(task.addr_)
        table.should_park.discard(task.addr_)
        table.stopper[task.addr_] = own
        wake(k, task.addr_, NORMAL)
        k.sched.wake(("kthread_park", task.addr_))
    if own in table.results:
        return table.results.pop(own)
    pid = table.alive[task.addr_]
    if pid in k.sched.tasks:
        return block(k, ("exit", pid))
    _forget(table, task.addr_)
    return 0


@export("bool kthread_should_stop(void)")
def kthread_should_stop(k: Kernel) -> bool:
    return k.current.task_struct in threads(k).should_stop


@export("bool kthread_should_park(void)")
def kthread_should_park(k: Kernel) -> bool:
    return k.current.task_struct in threads(k).should_park


@export("int kthread_park(struct task_struct *task)")
def kthread_park(k: Kernel, task: Ptr) -> int:
    """Unlike Linux it does not wait until the thread has noticed."""
    if task.addr_ not in threads(k).alive:
        raise Errno(errno.ENOSYS)
    threads(k).should_park.add(task.addr_)
    wake(k, task.addr_, NORMAL)
    return 0


@export("void kthread_unpark(struct task_struct *task)")
def kthread_unpark(k: Kernel, task: Ptr) -> None:
    threads(k).should_park.discard(task.addr_)
    k.sched.wake(("kthread_park", task.addr_))


@export("void kthread_parkme(void)")
def kthread_parkme(k: Kernel) -> Wait | None:
    own = k.current.task_struct
    return block(k, ("kthread_park", own)) if own in threads(k).should_park else None


@export("void kthread_exit(long result)", aliases=("do_exit",))
def kthread_exit(k: Kernel, result: int) -> Exit:
    _over(k, result)
    return Exit(0)


@export("void kthread_complete_and_exit(struct completion *done, long result)")
def kthread_complete_and_exit(k: Kernel, done: Ptr, result: int) -> Exit:
    if done:
        complete(k, done)
    answer: Exit = kthread_exit(k, result)
    return answer


@export("void kthread_bind(struct task_struct *task, unsigned int cpu)")
def kthread_bind(k: Kernel, task: Ptr, cpu: int) -> None:
    """There is one CPU."""


@export("void sched_set_fifo(struct task_struct *task)", aliases=("sched_set_fifo_low",))
def sched_set_fifo(k: Kernel, task: Ptr) -> None:
    """All tasks take turns here, whatever their class."""


@export("void sched_set_normal(struct task_struct *task, int nice)", aliases=("set_user_nice",))
def sched_set_normal(k: Kernel, task: Ptr, nice: int) -> None:
    """Likewise."""
