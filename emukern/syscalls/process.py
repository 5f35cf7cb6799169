"""System calls about processes (kernel/fork.c, exit.c, signal.c, sys.c; fs/exec.c)."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from emukern.errors import Errno
from emukern.flow import Call, Enter, Exit, Wait, continuation
from emukern.kernel import exec as exec_
from emukern.kernel import process, signal
from emukern.kernel.sequence import Answer, after
from emukern.kernel.task import ZOMBIE, Task
from emukern.syscalls.table import Int, Long, Ptr, Size, UInt, ULong, abi, syscall

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

CLONE_SIGNAL, CLONE_VM, CLONE_VFORK = 0xFF, 0x100, 0x4000
WNOHANG, WAIT_OPTIONS = 1, 0xE000000B  # and WUNTRACED WCONTINUED __WNOTHREAD __WALL __WCLONE: nothing to tell
SIG_DFL, SIG_IGN = 0, 1
SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK = 0, 1, 2
SIGKILL, SIGSTOP = 9, 19
REBOOT_MAGIC, REBOOT_MAGIC2 = 0xFEE1DEAD, (672274793, 85072278, 369367448, 537993216)
REBOOT_COMMANDS = {0x4321FEDC: "poweroff", 0xCDEF0123: "halted", 0x01234567: "restart"}


@syscall
def fork(k: Kernel) -> Answer:
    return process.fork(k, k.current).pid


@syscall
def vfork(k: Kernel) -> Answer:
    return process.fork(k, k.current).pid


@syscall
def clone(k: Kernel, flags: ULong, stack: Ptr, _parent: Ptr, _tls: Ptr, _child: Ptr) -> Answer:
    """fork in its various spellings; threads that share memory are refused by name."""
    if flags & CLONE_VM and not flags & CLONE_VFORK or flags & ~(CLONE_SIGNAL | CLONE_VM | CLONE_VFORK):
        k.log.emit(4, f"{k.current.name}[{k.current.pid}]: clone flags {flags:#x} are not implemented")
        raise Errno(errno.ENOSYS)
    if stack:
        raise Errno(errno.EINVAL)
    return process.fork(k, k.current).pid


def _strings(k: Kernel, array: int) -> list[bytes]:
    """A NULL-terminated array of strings in user memory. Raises Errno(EFAULT, E2BIG)."""
    found: list[bytes] = []
    word, room = abi(k).word, exec_.MAX_ARGUMENTS
    while array:
        pointer = int.from_bytes(k.user.copy_from(array + word * len(found), word), "little")
        if not pointer:
            break
        try:
            found.append(k.user.cstr(pointer, room))
        except Errno as error:
            raise Errno(errno.E2BIG if error.number == errno.ENAMETOOLONG else error.number) from None
        room -= len(found[-1]) + 1 + word
    return found


@syscall
def execve(k: Kernel, path: Ptr, argv: Ptr, envp: Ptr) -> Answer | Enter:
    """Replace the program; on success the old one is gone."""
    task = k.current
    assert task.fs is not None
    assert task.fds is not None
    name = k.user.cstr(path).decode("utf-8", "surrogateescape")
    arguments, environment = _strings(k, argv), _strings(k, envp)
    inode = k.vfs.lookup(k, name, task.fs.cwd)
    if inode.is_dir or not inode.is_regular or not inode.mode & 0o111:
        raise Errno(errno.EACCES)
    program = exec_.load(k, inode, name, arguments or [name.encode()], environment)
    old, task.mm = task.mm, program.mm
    k.use_root(program.mm.root)
    if old is not None:
        old.destroy(k)
    task.compat = program.compat
    task.name = name.rsplit("/", 1)[-1][:15]
    task.argv = tuple(a.decode("utf-8", "surrogateescape") for a in arguments)
    process.set_task_struct(k, task)
    closing = task.fds.close_on_exec(k)
    if isinstance(closing, Call):
        return after(k, closing, enter_program, entry=program.entry, sp=program.sp)
    return Enter(program.entry, program.sp)


@continuation
def enter_program(k: Kernel, rv: int, entry: int, sp: int) -> Enter:
    """The old program's files are closed."""
    return Enter(entry, sp)


@syscall
def exit(k: Kernel, status: Int) -> Exit:  # noqa: A001
    """The process is over; there are no threads, so this is exit_group too."""
    return Exit((status & 0xFF) << 8)


@syscall
def exit_group(k: Kernel, status: Int) -> Exit:
    return Exit((status & 0xFF) << 8)


@syscall
def wait4(k: Kernel, pid: Int, status: Ptr, options: UInt, rusage: Ptr) -> Answer:
    """A child that is over: its pid, its exit code at `status`; no use of resources is measured."""
    if options & ~WAIT_OPTIONS:
        raise Errno(errno.EINVAL)
    if pid == -1 << 31:
        raise Errno(errno.ESRCH)
    everyone = k.sched.tasks.values()
    children = [t for t in everyone if t.ppid == k.current.pid and t.user and _wanted(k, t, pid)]
    if not children:
        raise Errno(errno.ECHILD)
    for child in children:
        if child.state == ZOMBIE:
            process.reap(k, child)
            if status:
                k.user.put_u32(status, child.exit_code)
            if rusage:
                k.user.copy_to(rusage, bytes(18 * abi(k).word))
            return child.pid
    if options & WNOHANG:
        return 0
    if k.current.woken == "signal":
        raise Errno(errno.EINTR)
    return Wait(("child", k.current.pid))


def _wanted(k: Kernel, child: Task, pid: int) -> bool:
    if pid > 0:
        return child.pid == pid
    if pid == -1:
        return True
    return child.pgid == (k.current.pgid if pid == 0 else -pid)


@syscall
def kill(k: Kernel, pid: Int, sig: Int) -> Answer:
    if not 0 <= sig <= signal.NSIG:
        raise Errno(errno.EINVAL)
    if pid > 0:
        signal.send(k, pid, sig)
    elif pid == -1:
        others = [t for t in k.sched.tasks.values() if t.user and t.pid > process.INIT and t is not k.current]
        if not others:
            raise Errno(errno.ESRCH)
        for task in others:
            signal.post(k, task, sig)
    else:
        signal.send_group(k, k.current.pgid if pid == 0 else -pid, sig)
    return 0


@syscall
def rt_sigaction(k: Kernel, sig: Int, act: Ptr, old: Ptr, size: Size) -> Answer:
    """Default and ignore; a handler is refused by name."""
    if size != 8:
        raise Errno(errno.EINVAL)
    ignored, layout = k.current.ignored, abi(k)
    handler = int.from_bytes(k.user.copy_from(act, layout.sigaction)[: layout.word], "little") if act else None
    if not 1 <= sig <= signal.NSIG or (act and sig in (SIGKILL, SIGSTOP)):
        raise Errno(errno.EINVAL)
    if handler not in (None, SIG_DFL, SIG_IGN):
        k.log.emit(4, f"{k.current.name}[{k.current.pid}]: a handler for signal {sig} is not implemented")
        raise Errno(errno.ENOSYS)
    if old:
        k.user.copy_to(old, (SIG_IGN if sig in ignored else SIG_DFL).to_bytes(layout.sigaction, "little"))
    if handler == SIG_IGN:
        ignored.add(sig)
        k.current.signals.discard(sig)
    elif handler == SIG_DFL:
        ignored.discard(sig)
    return 0


@syscall
def rt_sigprocmask(k: Kernel, how: Int, new: Ptr, old: Ptr, size: Size) -> Answer:
    """Nothing is ever blocked; asking is fine, blocking something is refused by name."""
    if size != 8:
        raise Errno(errno.EINVAL)
    mask = k.user.u64(new) if new else 0
    if new and how not in (SIG_BLOCK, SIG_UNBLOCK, SIG_SETMASK):
        raise Errno(errno.EINVAL)
    if mask and how != SIG_UNBLOCK:
        k.log.emit(4, f"{k.current.name}[{k.current.pid}]: blocking signals is not implemented")
        raise Errno(errno.ENOSYS)
    if old:
        k.user.copy_to(old, bytes(8))
    return 0


@syscall
def getpid(k: Kernel) -> Answer:
    return k.current.pid


@syscall
def gettid(k: Kernel) -> Answer:
    return k.current.pid


@syscall
def getppid(k: Kernel) -> Answer:
    return k.current.ppid


def _task(k: Kernel, pid: int) -> Task:
    task = k.sched.tasks.get(pid) if pid else k.current
    if task is None:
        raise Errno(errno.ESRCH)
    return task


@syscall
def setpgid(k: Kernel, pid: Int, pgid: Int) -> Answer:
    task = _task(k, pid)
    if pgid < 0:
        raise Errno(errno.EINVAL)
    if task is not k.current and task.ppid != k.current.pid:
        raise Errno(errno.ESRCH)
    group, everyone = pgid or task.pid, k.sched.tasks.values()
    if task.sid == task.pid or task.sid != k.current.sid:
        raise Errno(errno.EPERM)
    if group != task.pid and not any(t.pgid == group and t.sid == task.sid for t in everyone):
        raise Errno(errno.EPERM)
    task.pgid = group
    return 0


@syscall
def getpgid(k: Kernel, pid: Int) -> Answer:
    return _task(k, pid).pgid


@syscall
def getpgrp(k: Kernel) -> Answer:
    return k.current.pgid


@syscall
def getsid(k: Kernel, pid: Int) -> Answer:
    return _task(k, pid).sid


@syscall
def setsid(k: Kernel) -> Answer:
    task = k.current
    if any(t.pgid == task.pid for t in k.sched.tasks.values()):
        raise Errno(errno.EPERM)
    task.sid = task.pgid = task.pid
    return task.pid


@syscall
def set_tid_address(k: Kernel, _address: Ptr) -> Answer:
    return k.current.pid


@syscall
def sched_yield(k: Kernel) -> Answer:
    return 0 if k.current.woken else Wait(None, timeout=0)


@syscall
def reboot(k: Kernel, magic: UInt, magic2: UInt, command: UInt, arg: Long) -> Answer:
    """Power off, halt or restart; `arg` is the exit status the host gets."""
    if magic != REBOOT_MAGIC or magic2 not in REBOOT_MAGIC2:
        raise Errno(errno.EINVAL)
    if command in (0, 0x89ABCDEF):  # Ctrl-Alt-Del on and off
        return 0
    if command not in REBOOT_COMMANDS:
        raise Errno(errno.EINVAL)
    k.power = (REBOOT_COMMANDS[command], arg & 0xFF)
    return 0
