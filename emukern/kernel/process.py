"""Birth and death of tasks (kernel/fork.c, kernel/exit.c)."""

from __future__ import annotations

from errno import EAGAIN
from functools import cache
from typing import TYPE_CHECKING, Any

from emukern.errors import Errno
from emukern.flow import Continuation, name_of
from emukern.kernel import signal
from emukern.kernel.fdtable import FileTable, FsContext
from emukern.kernel.task import ZOMBIE, Pending, Task
from emukern.machine.ram import PAGE

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

TASK_STRUCT_SIZE = 0x2000
PAGES_PER_TASK = 32  # of memory that must be there for each task (kernel/fork.c: set_max_threads)
INIT, SIGCHLD = 1, 17


def new_task(k: Kernel, name: str, ppid: int) -> Task:
    """A task with a kernel stack and a struct task_struct, not yet scheduled. Raises MemoryError, Errno(EAGAIN)."""
    if len(k.sched.tasks) >= k.pages.total // PAGES_PER_TASK:
        raise Errno(EAGAIN)
    if k.spare is not None:
        (stack, struct), k.spare = k.spare, None
    else:
        stack, struct = new_stack(k)
    pid = k.sched.new_pid()
    task = Task(pid, ppid, name, stack, struct, pgid=pid, sid=pid, stint=k.clock.now)
    set_task_struct(k, task)
    return task


def new_stack(k: Kernel) -> tuple[int, int]:
    """Addresses of a fresh kernel stack and struct task_struct. Raises MemoryError."""
    struct = k.pages.alloc(TASK_STRUCT_SIZE // PAGE)
    try:
        return k.vmalloc_area.alloc(k.stack_size // PAGE), k.mem.virt(struct)
    except MemoryError:
        k.pages.free(struct, TASK_STRUCT_SIZE // PAGE)
        raise


def keep_spare(k: Kernel) -> None:
    """Make the one stack that is kept between short-lived tasks; always the same one, so that RAM is too."""
    if not k.spare_home:
        k.spare = new_stack(k)
        k.spare_home = k.spare[0]


@cache
def _offsets() -> tuple[int, int]:
    from emukern.cdecl import abi

    record = abi().record("struct task_struct")
    return record.member("pid").offset, record.member("comm").offset


def set_task_struct(k: Kernel, task: Task) -> None:
    """Write what modules may read of their task: pid and comm."""
    pid, comm = _offsets()
    k.mem.put_u32(task.task_struct + pid, task.pid)
    k.mem.write(task.task_struct + comm, task.name.encode("latin-1", "replace")[:15].ljust(16, b"\0"))


def new_thread(k: Kernel, name: str, function: Continuation, data: dict[str, Any]) -> Task:
    """A kernel thread whose first act is the continuation `function(k, 0, **data)`."""
    task = new_task(k, name, 0)
    task.pgid = task.sid = 0
    task.pending = Pending("thread", then=name_of(function), data=data)
    k.sched.add(task)
    return task


def fork(k: Kernel, parent: Task) -> Task:
    """A copy of `parent` that returns 0 from its system call."""
    assert parent.mm is not None
    assert parent.fds is not None
    assert parent.fs is not None
    child = new_task(k, parent.name, parent.pid)
    try:
        child.mm = parent.mm.copy(k)
    except MemoryError:
        reap(k, child)
        raise
    child.fds, child.fs = parent.fds.fork(), parent.fs.fork()
    child.argv, child.compat = parent.argv, parent.compat
    child.pgid, child.sid, child.ignored = parent.pgid, parent.sid, set(parent.ignored)
    child.context = k.cpu.save()
    child.pending = Pending("answer", rv=0)
    k.sched.add(child)
    return child


def user_process(
    k: Kernel, argv: list[str], *, parent: int = INIT, fds: FileTable | None = None, cwd: str = "/"
) -> Task:
    """A process that starts the program argv[0] from outside, as a child of init. Raises Errno."""
    from emukern.kernel import exec as exec_

    words = [a.encode("utf-8", "surrogateescape") for a in argv]
    program = exec_.load(k, k.vfs.lookup(k, argv[0]), argv[0], words, list(ENVIRONMENT))
    try:
        task = new_task(k, argv[0].rsplit("/", 1)[-1], parent)
    except (MemoryError, Errno):
        program.mm.destroy(k)
        raise
    task.mm, task.compat, task.argv = program.mm, program.compat, tuple(argv)
    task.fds, task.fs = fds or FileTable(), FsContext(k.vfs.directory(k, cwd))
    task.pending = Pending("enter", data={"entry": program.entry, "sp": program.sp})
    return task


ENVIRONMENT = (b"PATH=/bin", b"HOME=/", b"TERM=linux")


def leave(k: Kernel, task: Task, code: int) -> None:
    """The task is over, with wait4's `code`; what it held except its entry in the task table is given back."""
    task.exit_code = code
    task.frames.clear()
    task.pending = None
    if task.mm is not None:
        k.use_root(k.kernel_root)
        task.mm.destroy(k)
    for child in k.sched.tasks.values():
        if child.ppid == task.pid and child is not task:
            child.ppid = INIT
            if child.state == ZOMBIE:
                k.sched.wake(("child", INIT))
    task.state = ZOMBIE
    k.sched.wake(("exit", task.pid))
    parent = k.sched.tasks.get(task.ppid)
    if task.mm is None or parent is None or SIGCHLD in parent.ignored:
        reap(k, task)
    if task.mm is not None and parent is not None:
        k.sched.wake(("child", task.ppid))
        signal.post(k, parent, SIGCHLD)


def reap(k: Kernel, task: Task) -> None:
    """Forget a task that is over."""
    k.sched.remove(task)
    k.spare_home = k.spare_home or task.stack
    if task.stack == k.spare_home:
        k.mem.fill(task.stack, 0, k.stack_size)
        k.mem.fill(task.task_struct, 0, TASK_STRUCT_SIZE)
        k.spare = task.stack, task.task_struct
    elif task.stack in k.vmalloc_area.allocations:
        k.vmalloc_area.free(task.stack)
        k.pages.free(k.mem.phys(task.task_struct), TASK_STRUCT_SIZE // PAGE)
