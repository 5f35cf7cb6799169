"""What a handler may answer besides a value (DESIGN §3): raise `Errno`, return `Wait` or `Call`.

A handler is a plain function that answers one trap, a continuation one that takes a guest function's result. Neither is
ever suspended: what is left to do lives in the task as plain data, so any instruction is a legal place for a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, SupportsIndex

Continuation = Callable[..., Any]
CONTINUATIONS: dict[str, Continuation] = {}


def continuation(function: Continuation) -> Continuation:
    """Register `function(k, rv, **data)` so that a `Call` can name it; names are unique."""
    name = f"{function.__module__.removeprefix('emukern.')}.{function.__name__}"
    if name in CONTINUATIONS:
        raise ValueError(f"two continuations are named {name}")
    CONTINUATIONS[name] = function
    function.continuation_name = name  # type: ignore[attr-defined]
    return function


def name_of(function: Continuation | None) -> str | None:
    """The registered name of a continuation."""
    if function is None:
        return None
    name: str = function.continuation_name  # type: ignore[attr-defined]
    return name


@dataclass(frozen=True, slots=True)
class Wait:
    """Sleep until `wake(on)` or for `timeout` virtual nanoseconds; then the same trap is tried again.

    On the retry `k.current.woken` says why: "event", "timeout" or "signal" (None on the first try). The deadline is
    fixed by the first `Wait` of a trap: answering `Wait` again does not move it. `on` is plain data, such as
    ("pipe", 5); None sleeps for the timeout alone.
    """

    on: Hashable | None
    timeout: int | None = None
    interruptible: bool = True


@dataclass(frozen=True, slots=True, init=False)
class Call:
    """Run the guest function at `address` in kernel mode on this task, then `then(k, rv, **data)`.

    `args` are integers (or anything with `__index__`, such as a typed pointer). `rv` is the return register as an
    unsigned 64-bit number. The continuation's answer becomes the answer of the trap that asked; without `then` the
    answer is `rv` itself. `data` must be plain (numbers, strings, bytes, tuples, ids), for it is part of snapshots.
    """

    address: int
    args: tuple[int, ...] = ()
    then: str | None = None
    data: dict[str, Any] = field(default_factory=dict)

    def __init__(
        self,
        address: SupportsIndex,
        *args: SupportsIndex,
        then: Continuation | None = None,
        **data: Any,
    ) -> None:
        object.__setattr__(self, "address", address.__index__())
        object.__setattr__(self, "args", tuple(a.__index__() for a in args))
        object.__setattr__(self, "then", name_of(then))
        object.__setattr__(self, "data", data)


@dataclass(frozen=True, slots=True)
class Enter:
    """execve's answer: the trap never returns; the task goes to user mode at `pc` with all registers fresh."""

    pc: int
    sp: int


@dataclass(frozen=True, slots=True)
class Exit:
    """exit's answer: the task is over with wait4's `code`."""

    code: int
