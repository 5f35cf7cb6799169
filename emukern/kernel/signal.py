"""Signals: sending and default actions (signal(7)). Handlers in user programs are not there yet."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from emukern.errors import Errno

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel
    from emukern.kernel.task import Task

ESRCH = 3
IGNORED_BY_DEFAULT = {signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT}
UNBLOCKABLE = {signal.SIGKILL, signal.SIGSTOP}
NSIG = 64


def deliverable(task: Task, sig: int) -> bool:
    """Would `sig` do anything to this task? Kernel threads and init take no fatal signals."""
    if not task.user or task.state == "Z" or task.pid == 1:
        return False
    return sig in UNBLOCKABLE or (sig not in task.ignored and sig not in IGNORED_BY_DEFAULT)


def post(k: Kernel, task: Task, sig: int) -> None:
    """Make `sig` pending and wake the task if it sleeps interruptibly."""
    if sig and deliverable(task, sig):
        task.signals.add(sig)
        if task.interruptible:
            k.sched.wake_task(task, "signal")


def send(k: Kernel, pid: int, sig: int) -> None:
    """kill(2) for one process: Errno(ESRCH) when there is none."""
    task = k.sched.tasks.get(pid)
    if task is None:
        raise Errno(ESRCH)
    post(k, task, sig)


def send_group(k: Kernel, pgid: int, sig: int) -> None:
    """kill(2) for a process group: Errno(ESRCH) when it is empty."""
    members = [task for task in list(k.sched.tasks.values()) if task.pgid == pgid and task.user]
    if not members:
        raise Errno(ESRCH)
    for task in members:
        post(k, task, sig)


def fatal(task: Task) -> int | None:
    """The pending signal that ends this task, lowest number first; None when there is none."""
    return min(task.signals) if task.signals else None
