"""The scheduler: which task runs, who sleeps on what. Round robin in order of readiness, so always the same order."""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Hashable

from emukern.kernel.task import RUNNABLE, SLEEPING, Task


class Sched:
    """All tasks by pid, the run queue, and the sleepers by key and by deadline."""

    def __init__(self) -> None:
        self.tasks: dict[int, Task] = {}
        self.queue: deque[int] = deque()
        self._on: dict[Hashable, list[int]] = {}
        self._deadlines: list[tuple[int, int, int]] = []
        self._serial = 0
        self._next_pid = 1

    def new_pid(self) -> int:
        """Pids count up and are not used again."""
        self._next_pid += 1
        return self._next_pid - 1

    def add(self, task: Task) -> None:
        """A new task, ready to run."""
        self.tasks[task.pid] = task
        self.queue.append(task.pid)

    def sleep(self, task: Task, on: Hashable | None, deadline: int | None) -> None:
        """Take `task` off the CPU until `wake(on)` or virtual time `deadline`."""
        task.state, task.on, task.deadline = SLEEPING, on, deadline
        if on is not None:
            self._on.setdefault(on, []).append(task.pid)
        if deadline is not None:
            self._serial += 1
            heapq.heappush(self._deadlines, (deadline, self._serial, task.pid))

    def wake(self, on: Hashable, count: int | None = None) -> int:
        """Wake those asleep on `on`, oldest first, `count` at most; returns how many."""
        pids = self._on.get(on, [])
        woken = pids[:count]
        for pid in list(woken):
            self.wake_task(self.tasks[pid], "event")
        return len(woken)

    def wake_task(self, task: Task, why: str) -> bool:
        """Make a sleeping task runnable; `why` is what it finds in `woken`."""
        if task.state != SLEEPING:
            return False
        if task.on is not None:
            sleepers = self._on[task.on]
            sleepers.remove(task.pid)
            if not sleepers:
                del self._on[task.on]
        task.state, task.on, task.woken = RUNNABLE, None, why
        self.queue.append(task.pid)
        return True

    def next_deadline(self) -> int | None:
        """When the next sleeper's time is up."""
        while self._deadlines:
            deadline, _, pid = self._deadlines[0]
            task = self.tasks.get(pid)
            if task is not None and task.state == SLEEPING and task.deadline == deadline:
                return deadline
            heapq.heappop(self._deadlines)
        return None

    def expire(self, now: int) -> None:
        """Wake every sleeper whose deadline has come."""
        while (deadline := self.next_deadline()) is not None and deadline <= now:
            _, _, pid = heapq.heappop(self._deadlines)
            self.wake_task(self.tasks[pid], "timeout")

    def pick(self) -> Task | None:
        """The next task to run, None when all sleep. It stays at the head of nothing: the caller puts it back."""
        while self.queue:
            task = self.tasks.get(self.queue.popleft())
            if task is not None and task.state == RUNNABLE:
                return task
        return None

    def remove(self, task: Task) -> None:
        """Forget a task; wakes nobody."""
        if task.state == SLEEPING:
            self.wake_task(task, "gone")
        self.tasks.pop(task.pid, None)
