"""A task: a guest context the scheduler switches, and a short list of what is left to do (DESIGN §3). Plain data."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from emukern.kernel.fdtable import FileTable, FsContext
    from emukern.kernel.mm import AddressSpace
    from emukern.trap import Trap

RUNNABLE, SLEEPING, ZOMBIE = "R", "S", "Z"


Origin = str | int  # whose answer is awaited: "syscall", "thread", "interrupt", "exit", or an export's slot


@dataclass(slots=True)
class Frame:
    """A `Call` in progress: what the CPU held when it began, whose answer it is, and who takes the result."""

    kind: Origin
    context: bytes | None
    then: str | None
    data: dict[str, Any]
    preempt_count: int = 0  # of what an interrupt interrupted


@dataclass(slots=True)
class Pending:
    """What a task does next before its guest code runs: a trap to be tried (again), a result to be taken, an answer."""

    kind: Origin
    trap: Trap | None = None
    then: str | None = None
    rv: Any = 0
    data: dict[str, Any] = field(default_factory=dict)


@dataclass
class Task:
    """One thread of control. `mm` None: a kernel thread."""

    pid: int
    ppid: int
    name: str
    stack: int  # kernel stack: lowest address
    task_struct: int  # its struct task_struct in guest memory
    mm: AddressSpace | None = None
    fds: FileTable | None = None
    fs: FsContext | None = None
    argv: tuple[str, ...] = ()
    pgid: int = 0
    sid: int = 0
    compat: bool = False
    state: str = RUNNABLE
    context: bytes | None = None
    frames: list[Frame] = field(default_factory=list)
    pending: Pending | None = None
    woken: str | None = None
    on: Hashable | None = None
    interruptible: bool = True
    deadline: int | None = None
    progress: int = 0
    signals: set[int] = field(default_factory=set)
    ignored: set[int] = field(default_factory=set)
    exit_code: int = 0  # as wait4 reports it: status << 8 | signal
    result: int | None = None  # what a kernel thread's function returned
    oops: str | None = None  # why it died, when it died of that
    stint: int = 0  # virtual time at which it last got the CPU or entered the kernel
    stint_blocks: int = 0

    @property
    def user(self) -> bool:
        """Has it a user program?"""
        return self.mm is not None

    @property
    def in_interrupt(self) -> bool:
        """Is a timer or the like running over it?"""
        return any(frame.kind == "interrupt" for frame in self.frames)
