"""One-shot timers in virtual time: what the clock looks at to know when something happens next.

A timer is plain data: a deadline and the registered name of the continuation to run in interrupt context.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any

from emukern.flow import Continuation, name_of


@dataclass(frozen=True, slots=True)
class Timer:
    """`continuation(k, 0, **data)` is due at `deadline`, in virtual nanoseconds since boot."""

    deadline: int
    continuation: str
    data: dict[str, Any]


@dataclass
class Timers:
    """Armed timers; of two with one deadline the one armed first fires first."""

    armed: dict[Hashable, tuple[int, Timer]] = field(default_factory=dict)  # id -> (sequence number, timer)
    queue: list[tuple[int, int, Hashable]] = field(default_factory=list)  # heap; stale entries are skipped
    sequence: int = 0

    def add(self, deadline: int, function: Continuation, *, key: Hashable = None, **data: Any) -> Hashable:
        """Arm a timer and return its id: `key` if given (an armed timer of that id is replaced), else a new number."""
        self.sequence += 1
        identity = self.sequence if key is None else key
        self.armed[identity] = (self.sequence, Timer(deadline, name_of(function) or "", data))
        heappush(self.queue, (deadline, self.sequence, identity))
        if len(self.queue) > 2 * len(self.armed) + 64:  # a timer that is always pushed back must not fill the heap
            self.queue = sorted((timer.deadline, number, name) for name, (number, timer) in self.armed.items())
        return identity

    def cancel(self, identity: Hashable) -> bool:
        """Disarm; whether it was armed."""
        return self.armed.pop(identity, None) is not None

    def pending(self, identity: Hashable) -> bool:
        """Whether the timer is armed."""
        return identity in self.armed

    def deadline(self, identity: Hashable) -> int | None:
        """When an armed timer is due, in virtual nanoseconds."""
        entry = self.armed.get(identity)
        return entry[1].deadline if entry else None

    def next_deadline(self) -> int | None:
        """The virtual time of the earliest timer, or None."""
        self._skip_stale()
        return self.queue[0][0] if self.queue else None

    def pop_due(self, now: int) -> Timer | None:
        """Disarm and return the earliest timer if it is due at `now`; call again for the next one."""
        self._skip_stale()
        if not self.queue or self.queue[0][0] > now:
            return None
        identity = heappop(self.queue)[2]
        return self.armed.pop(identity)[1]

    def _skip_stale(self) -> None:
        while self.queue:
            _, sequence, identity = self.queue[0]
            entry = self.armed.get(identity)
            if entry and entry[0] == sequence:
                return
            heappop(self.queue)
