"""include/linux/sched.h and wait.h: the running task, giving up the CPU, waking. Wait queues are guest C (wait.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.cdecl import abi
from emukern.flow import Wait
from emukern.kapi.export import export
from emukern.kernel import signal
from emukern.kernel.blocking import FOREVER, block, might_sleep, set_state, state_of, ticks_left, until_tick
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

RUNNING, INTERRUPTIBLE, UNINTERRUPTIBLE, NORMAL = 0, 1, 2, 3
WAKEKILL = 0x100


@export("struct task_struct *get_current(void)")
def get_current(k: Kernel) -> int:
    return k.current.task_struct


def wake(k: Kernel, task_struct: int, mode: int) -> int:
    """try_to_wake_up: 1 if the task slept in one of the states `mode`, and does no longer."""
    if not state_of(k, task_struct) & mode:
        return 0
    set_state(k, task_struct, RUNNING)
    k.sched.wake(("task", task_struct))
    return 1


def sleep(k: Kernel, jiffies: int) -> int | Wait:
    """Give up the CPU in the state the task set; the jiffies left when something else woke it."""
    task = k.current
    if task.woken is not None:
        set_state(k, task.task_struct, RUNNING)
        return ticks_left(k, jiffies)
    state = state_of(k, task.task_struct)
    if state == RUNNING:
        return block(k, None, timeout=0)  # only let the others run
    interruptible = bool(state & (INTERRUPTIBLE | WAKEKILL))
    return block(k, ("task", task.task_struct), timeout=until_tick(k, jiffies), interruptible=interruptible)


@export("void schedule(void)", aliases=("io_schedule",))
def schedule(k: Kernel) -> int | Wait:
    return sleep(k, FOREVER)


@export("long schedule_timeout(long timeout)")
def schedule_timeout(k: Kernel, timeout: int) -> int | Wait:
    """`timeout` in jiffies."""
    return sleep(k, max(0, timeout))


@export("long schedule_timeout_interruptible(long timeout)", aliases=("schedule_timeout_killable",))
def schedule_timeout_interruptible(k: Kernel, timeout: int) -> int | Wait:
    if k.current.woken is None:
        set_state(k, k.current.task_struct, INTERRUPTIBLE)
    return sleep(k, max(0, timeout))


@export("long schedule_timeout_uninterruptible(long timeout)", aliases=("schedule_timeout_idle",))
def schedule_timeout_uninterruptible(k: Kernel, timeout: int) -> int | Wait:
    if k.current.woken is None:
        set_state(k, k.current.task_struct, UNINTERRUPTIBLE)
    return sleep(k, max(0, timeout))


@export("int __cond_resched(void)", aliases=("dynamic_cond_resched",))
def __cond_resched(k: Kernel) -> int | Wait:
    """Let others run, if any are ready; whether it did."""
    if k.current.woken is not None:
        return 1
    return block(k, None, timeout=0) if k.sched.queue else 0


@export("void yield(void)")
def yield_(k: Kernel) -> Wait | None:
    return block(k, None, timeout=0) if k.current.woken is None else None


@export("int wake_up_process(struct task_struct *task)")
def wake_up_process(k: Kernel, task: Ptr) -> int:
    return wake(k, task.addr_, NORMAL)


@export("int wake_up_state(struct task_struct *task, unsigned int state)")
def wake_up_state(k: Kernel, task: Ptr, state: int) -> int:
    return wake(k, task.addr_, state)


@export("int signal_pending_state(unsigned int state, struct task_struct *task)")
def signal_pending_state(k: Kernel, state: int, task: Ptr) -> int:
    """Must a sleep in `state` end because of a signal?"""
    if not state & (INTERRUPTIBLE | WAKEKILL):
        return 0
    return int(any(one.signals for one in k.sched.tasks.values() if one.task_struct == task.addr_))


@export("int signal_pending(struct task_struct *task)")
def signal_pending(k: Kernel, task: Ptr) -> int:
    answer: int = signal_pending_state(k, INTERRUPTIBLE, task)
    return answer


@export("int send_sig(int signal, struct task_struct *task, int privileged)")
def send_sig(k: Kernel, signal_: int, task: Ptr, privileged: int) -> int:
    for one in k.sched.tasks.values():
        if one.task_struct == task.addr_:
            signal.post(k, one, signal_)
    return 0


@export("void __might_sleep(const char *file, int line)")
def __might_sleep(k: Kernel, file: Ptr, line: int) -> None:
    might_sleep(k, f"{file.str_()}:{line}")


@export("char *__get_task_comm(char *to, size_t len, struct task_struct *task)")
def __get_task_comm(k: Kernel, to: Ptr, length: int, task: Ptr) -> Ptr:
    comm = task.comm.bytes_(abi().constant("TASK_COMM_LEN")).split(b"\0")[0]
    k.mem.write(to.addr_, (comm[: length - 1] + b"\0")[:length])
    return to
