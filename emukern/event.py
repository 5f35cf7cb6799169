"""What the hardware around a CPU cannot settle by itself: a platform's words for its machine."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Hypercall:
    """A user program asked the host for `service`."""

    service: int
    args: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Return:
    """A function called by the host came back."""


@dataclass(frozen=True, slots=True)
class Idle:
    """The CPU waits for an interrupt (hlt, wfi); `for_good` when it has turned all of them off."""

    for_good: bool = False


@dataclass(frozen=True, slots=True)
class Stuck:
    """Nothing can go on from here; the reason."""

    text: str


@dataclass(frozen=True, slots=True)
class Break:
    """The CPU is about to execute the instruction at an address the host watches."""


Event = Hypercall | Return | Idle | Stuck | Break
