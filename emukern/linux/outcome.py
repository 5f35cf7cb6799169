"""What becomes of a module: insert it, let it settle, remove it, and note what the kernel answered and said.

It is the same for every kernel: `emukern run` shows it, `emukern sweep` writes it down. The fields are those of the
recordings of real kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from emukern.errors import EmukernError, ModuleError, errno_name
from emukern.kernel.log import Record

QUIET = 0.02  # virtual seconds without a message, after which a module has nothing more to say
ROUNDS = 50  # of that length are waited at most

Message = dict[str, Any]  # {"level": 6, "text": "…"}
Listener = Callable[[int], object]  # told of an errno as soon as it is there


class Inserted(Protocol):
    """What a guest's insmod answers."""

    @property
    def name(self) -> str: ...


class Guest(Protocol):
    """What a guest must be able to do, whatever kernel it runs."""

    def insmod(self, module: bytes, params: str = "") -> Inserted: ...
    def rmmod(self, name: str) -> None: ...
    def dmesg(self) -> list[Record]: ...
    def advance(self, seconds: float) -> None: ...


@dataclass
class Outcome:
    """What became of the module `name`. An errno is None when it never came to that."""

    name: str
    insmod_errno: int | None = None
    insmod_kmsg: list[Message] = field(default_factory=list)
    rmmod_errno: int | None = None
    rmmod_kmsg: list[Message] = field(default_factory=list)
    insmod_ns: int | None = None  # virtual
    reason: str | None = None  # of the last refusal, in the kernel's words

    def record(self) -> dict[str, Any]:
        """The fields as they are recorded and printed."""
        return {
            "name": self.name,
            "insmod_errno": self.insmod_errno,
            "insmod_errname": errno_word(self.insmod_errno),
            "insmod_kmsg": self.insmod_kmsg,
            "rmmod_errno": self.rmmod_errno,
            "rmmod_errname": errno_word(self.rmmod_errno),
            "rmmod_kmsg": self.rmmod_kmsg,
        }


def errno_word(number: int | None) -> str | None:
    """"OK" for 0, the errno's name for others."""
    return None if number is None else errno_name(number) if number else "OK"


def now(guest: Any) -> int:
    """The guest's virtual time in nanoseconds."""
    machine = getattr(guest, "machine", None) or guest.k
    return int(machine.clock.now)


def newest(guest: Guest) -> int:
    """Sequence number of the last record in the kernel log."""
    records = guest.dmesg()
    return records[-1].seq if records else -1


@contextmanager
def hearing(guest: Guest, messages: list[Message]) -> Iterator[None]:
    """What the kernel says inside the block is added to `messages`, also when the block fails."""
    seen = newest(guest)

    def note() -> None:
        messages.extend({"level": r.level, "text": r.text} for r in guest.dmesg() if r.seq > seen)

    try:
        yield
    except BaseException:
        with suppress(EmukernError):  # of a guest in ruins; why it fell counts more than its log
            note()
        raise
    note()


def settle(guest: Guest, seconds: float | None = None) -> None:
    """Let virtual time pass until the module's timers and threads have said what they have to say, or so long."""
    if seconds is not None:
        guest.advance(seconds)
        return
    seen = newest(guest)
    for _ in range(ROUNDS):
        guest.advance(QUIET)
        before, seen = seen, newest(guest)
        if seen == before:
            return


def unheard(errno: int) -> None:
    """Nobody listens."""


def insert(
    guest: Guest,
    module: bytes,
    outcome: Outcome,
    *,
    params: str = "",
    seconds: float | None = None,
    refused: Listener = unheard,
) -> None:
    """insmod and settle (as long as `seconds`), into `outcome`. A refusal is an outcome as well.

    Raises what the guest raises when the module's code dies; what it said until then is noted.
    """
    with hearing(guest, outcome.insmod_kmsg):
        start = now(guest)
        try:
            outcome.name = guest.insmod(module, params).name
            outcome.insmod_errno = 0
        except ModuleError as refusal:
            outcome.insmod_errno, outcome.reason = refusal.errno, str(refusal)
            refused(refusal.errno)
        outcome.insmod_ns = now(guest) - start
        settle(guest, seconds)


def remove(guest: Guest, outcome: Outcome, *, refused: Listener = unheard) -> None:
    """rmmod (O_NONBLOCK) and settle, into `outcome`; otherwise as `insert`."""
    with hearing(guest, outcome.rmmod_kmsg):
        try:
            guest.rmmod(outcome.name)
            outcome.rmmod_errno = 0
        except ModuleError as refusal:
            outcome.rmmod_errno, outcome.reason = refusal.errno, str(refusal)
            refused(refusal.errno)
        settle(guest)
