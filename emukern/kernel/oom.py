"""Out of memory: who has to go (mm/oom_kill.c), and what the log says about it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from emukern.kernel.signal import post
from emukern.kernel.task import ZOMBIE
from emukern.machine.ram import PAGE

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel
    from emukern.kernel.task import Task

INIT = 1
KIB = 1024


def kill(k: Kernel) -> None:
    """Kill the process with most pages and take them at once. Raises MemoryError when only init is left."""
    candidates = [task for task in k.sched.tasks.values() if _may_go(task)]
    if not candidates:
        raise MemoryError("System is deadlocked on memory")
    victim = max(candidates, key=lambda task: len(task.mm.pages) if task.mm else 0)
    assert victim.mm is not None
    total = sum(area.end - area.start for area in victim.mm.areas)
    k.log.emit(4, f"{k.current.name} invoked oom-killer: {k.pages.total - k.pages.used} of {k.pages.total} pages free")
    k.log.emit(
        3, f"Out of memory: Killed process {victim.pid} ({victim.name}) total-vm:{total // KIB}kB, "
        f"rss:{len(victim.mm.pages) * PAGE // KIB}kB",
    )  # fmt: skip
    victim.mm.empty(k)
    post(k, victim, signal.SIGKILL)


def _may_go(task: Task) -> bool:
    """A process that still has memory to give; init must live."""
    return task.mm is not None and bool(task.mm.areas) and task.pid != INIT and task.state != ZOMBIE
