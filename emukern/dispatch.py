"""What a trap means: the handler that answers it, and what becomes of the answer (DESIGN §3)."""

from __future__ import annotations

import signal
from errno import EINTR, ENOMEM, ENOSYS
from typing import TYPE_CHECKING, Any

from emukern.errors import ERESTARTSYS, Errno, GuestFault, ModuleError, Unimplemented
from emukern.flow import CONTINUATIONS, Call, Enter, Exit, Wait
from emukern.kapi import export
from emukern.kernel import blocking, bugtable, hypercall, mm, process, symbolise
from emukern.kernel.bug import KernelBug
from emukern.kernel.signal import fatal
from emukern.kernel.task import RUNNABLE, Frame, Origin, Pending, Task
from emukern.syscalls import table
from emukern.trap import Break, CpuException, Export, Fault, Hypercall, Return, Syscall, Trap

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

MASK = (1 << 64) - 1
RED_ZONE = 256  # bytes below the stack pointer left alone when a call begins in the middle of kernel code


def answer(k: Kernel, task: Task, trap: Trap) -> None:
    """First try of any trap but the clock's."""
    match trap:
        case Syscall() | Export():
            task.woken, task.deadline, task.progress = None, None, 0
            _try(k, task, trap)
        case Return():
            _take_result(k, task)
        case Fault():
            _page_fault(k, task, trap)
        case Hypercall():
            k.cpu.gpr[k.arch.registers.result] = hypercall.answer(k, trap.number) & MASK
        case Break():
            if trap.user or not _bug(k):
                _exception(k, task, "breakpoint", signal.SIGTRAP, trap.user)
        case CpuException():
            if trap.signal != signal.SIGILL or not (k.arch.emulate(k.cpu) or (not trap.user and _bug(k))):
                _exception(k, task, trap.name, trap.signal, trap.user)


def _try(k: Kernel, task: Task, trap: Trap) -> None:
    """Answer a system call or an export, for the first time or again after a Wait."""
    if isinstance(trap, Syscall):
        deliver(k, task, "syscall", _syscall(k, task, trap), Pending("trap", trap=trap))
    else:
        assert isinstance(trap, Export)
        deliver(k, task, trap.slot, _export(k, trap.slot), Pending("trap", trap=trap))


def _syscall(k: Kernel, task: Task, trap: Syscall) -> Any:
    arch = k.arch
    task.stint, task.stint_blocks = k.clock.now, k.clock.blocks
    names = arch.compat_syscall_names if trap.compat else arch.syscall_names
    name = names.get(trap.number, "")
    handler = table.SYSCALLS.get(name)
    if handler is None:
        k.log.emit(4, f"{task.name}[{task.pid}]: system call {trap.number} ({name or 'unknown'}) is not implemented")
        return -ENOSYS
    order = arch.registers.compat_args if trap.compat else arch.registers.syscall_args
    gpr = k.cpu.gpr
    try:
        return handler.invoke(k, tuple([gpr[i] for i in order]), trap.compat)
    except Errno as error:
        return -error.number
    except MemoryError:
        return -ENOMEM


def _export(k: Kernel, slot: int) -> Any:
    exports = export.by_slot()
    if 0 <= slot < len(exports):
        try:
            return exports[slot].invoke(k)
        except MemoryError:
            return exports[slot].failed(Errno(ENOMEM))
    if 0 <= slot - len(exports) < len(k.lazy):
        name, module = k.lazy[slot - len(exports)]
        raise KernelBug(f"{name} is not exported by this kernel; {k.caller} called it ({module} was loaded lazily)")
    raise KernelBug(f"jump into the stub window at slot {slot}, where there is no export")


def deliver(k: Kernel, task: Task, kind: Origin, answer: Any, again: Pending) -> None:
    """Act on a handler's or continuation's answer; `again` is what is tried again after a Wait."""
    if isinstance(answer, Wait):
        _sleep(k, task, kind, answer, again)
    elif isinstance(answer, Call):
        _enter_kernel(k, task, kind, answer)
    elif isinstance(answer, Enter):
        _enter_user(k, task, answer)
    elif isinstance(answer, Exit):
        end(k, task, answer.code)
    elif kind == "thread":
        task.result = int(answer)
        end(k, task, 0)
    elif kind == "exit":
        process.leave(k, task, task.exit_code)
    elif kind != "interrupt":
        if kind == "syscall":
            if answer == -ERESTARTSYS:
                answer = -EINTR
            if task.compat:
                answer &= 0xFFFF_FFFF
        k.cpu.gpr[k.arch.registers.result] = int(answer) & MASK
        if kind == "syscall" and task.signals:
            take_signals(k, task)


def _sleep(k: Kernel, task: Task, kind: Origin, wait: Wait, again: Pending) -> None:
    if kind == "interrupt" or task.in_interrupt:
        blame = die if task.in_interrupt else report  # what it interrupted is not to blame
        blame(k, f"BUG: scheduling while atomic: {task.name}/{task.pid}")
        return
    if wait.timeout is not None and task.deadline is None:
        task.deadline = k.clock.now + wait.timeout
    task.pending, task.interruptible = again, wait.interruptible
    if wait.interruptible and task.signals:
        if isinstance(again.trap, Syscall) and not task.frames:
            task.pending = None
            take_signals(k, task)
            return
        if task.woken != "signal":  # the handler shall see it, once
            task.woken = "signal"
            return
    k.sched.sleep(task, wait.on, task.deadline if wait.timeout is not None else None)


# Calls into the guest and back.


def _enter_kernel(k: Kernel, task: Task, kind: Origin, call: Call) -> None:
    """Run a guest function in kernel mode on this task's kernel stack."""
    cpu, registers = k.cpu, k.arch.registers
    fresh = kind in ("thread", "exit") or (task.pid == 0 and not task.frames)
    from_user = not fresh and k.arch.user(cpu)
    held = blocking.preempt_count(k) if kind == "interrupt" else 0
    task.frames.append(Frame(kind, None if fresh else cpu.save(), call.then, call.data, held))
    if fresh or from_user:
        task.stint, task.stint_blocks = k.clock.now, k.clock.blocks
        k.put_back(k.kernel_context)
        k.arch.set_current(cpu, task.task_struct)
        cpu.gpr[registers.fp] = 0
        sp = task.stack + k.stack_size - 64
    else:
        sp = (cpu.gpr[registers.sp] - RED_ZONE) & -16
    words, beyond = call.args[: len(registers.args)], call.args[len(registers.args) :]
    sp -= -(-len(beyond) // 2) * 16
    for i, word in enumerate(beyond):
        k.mem.put_u64(sp + 8 * i, word)
    if registers.ra is None:
        sp -= 8
        k.mem.put_u64(sp, k.kret)
    else:
        cpu.gpr[registers.ra] = k.kret
    cpu.gpr[registers.sp] = sp
    for index, word in zip(registers.args, words, strict=False):
        cpu.gpr[index] = word & MASK
    cpu.pc = call.address


def _take_result(k: Kernel, task: Task) -> None:
    """A guest function came back: put the CPU where it was and hand the result on."""
    rv = k.cpu.gpr[k.arch.registers.result]
    if not task.frames:
        die(k, "return from a function that nobody called")
        return
    frame = task.frames.pop()
    if frame.context is not None:
        k.put_back(frame.context)
    task.woken, task.deadline = None, None
    take(k, task, frame.kind, frame.then, rv, frame.data)


def take(k: Kernel, task: Task, kind: Origin, then: str | None, rv: int, data: dict[str, Any]) -> None:
    """Hand the result `rv` of a guest function to its continuation, and deliver what that answers."""
    answer: Any = rv
    if then is not None:
        try:
            answer = CONTINUATIONS[then](k, rv, **data)
        except Errno as error:
            answer = -error.number
        except ModuleError as error:
            answer = -error.errno
        except FATAL as error:
            if kind == "interrupt":  # what it interrupted is not to blame
                report(k, reason(error))
                return
            if not isinstance(error, MemoryError):
                raise
            answer = -ENOMEM
    if isinstance(kind, int) and not isinstance(answer, Wait | Call):
        answer = export.by_slot()[kind].result(answer)
    deliver(k, task, kind, answer, Pending(kind, then=then, rv=rv, data=data))


def resume(k: Kernel, task: Task, pending: Pending) -> None:
    """What a task has to do before its guest code goes on."""
    if pending.kind == "trap":
        assert pending.trap is not None
        _try(k, task, pending.trap)
    elif pending.kind == "answer":
        deliver(k, task, "syscall", pending.rv, pending)
    elif pending.kind == "enter":
        _enter_user(k, task, Enter(pending.data["entry"], pending.data["sp"]))
    else:
        take(k, task, pending.kind, pending.then, pending.rv, pending.data)


def _enter_user(k: Kernel, task: Task, enter: Enter) -> None:
    """Go to user mode with fresh registers, through the guest kernel's own code."""
    cpu = k.cpu
    k.put_back(k.kernel_context)
    address = hypercall.write_entry(k, task.stack, enter.pc, enter.sp, task.compat)
    cpu.gpr[k.arch.registers.args[0]] = address
    cpu.gpr[k.arch.registers.sp] = address - 64
    cpu.pc = k.enter_user


# Faults and death.


def _page_fault(k: Kernel, task: Task, fault: Fault) -> None:
    if fault.user:
        if mm.fault(k, fault.address, fault.write, fault.execute):
            return
        if not take_signals(k, task):  # out of memory, and this was the process to go
            k.log.emit(
                6, f"{task.name}[{task.pid}]: segfault at {fault.address:x} ip {k.cpu.pc:x} "
                f"sp {k.cpu.gpr[k.arch.registers.sp]:x}",
            )  # fmt: skip
            end(k, task, signal.SIGSEGV)
        return
    die(k, symbolise.fault_text(k, fault))


def _exception(k: Kernel, task: Task, name: str, signo: int, user: bool) -> None:
    if user:
        k.log.emit(6, f"traps: {task.name}[{task.pid}] {name} ip:{k.cpu.pc:x} sp:{k.cpu.gpr[k.arch.registers.sp]:x}")
        end(k, task, signo)
    else:
        die(k, f"Oops: {name}")


def _bug(k: Kernel) -> bool:
    """Is the instruction at pc a module's WARN or BUG? Then it has been dealt with."""
    bug = bugtable.find(k, k.cpu.pc)
    if bug is None:
        return False
    if bug.flags & bugtable.WARNING:
        bugtable.warn(k, bug)
        k.cpu.pc += k.arch.break_size(k.cpu.fetch(k.cpu.pc, 2))
    else:
        bugtable.announce(k, bug)
        die(k, "Oops: invalid opcode")
    return True


def take_signals(k: Kernel, task: Task) -> bool:
    """On the way to user mode: a fatal signal ends the task. Says whether it did."""
    number = fatal(task)
    if number is None or not task.user or task.state != RUNNABLE:
        return False
    end(k, task, number)
    return True


def end(k: Kernel, task: Task, code: int) -> None:
    """The current task is over with wait4's `code`; its files are closed first, and a module's release may run."""
    task.frames.clear()
    task.signals.clear()
    task.pending, task.exit_code = None, code
    if task.pid <= process.INIT:
        who = "init" if task.pid else "the idle task"
        panic(k, f"Kernel panic - not syncing: Attempted to kill {who}! exitcode=0x{code:08x}")
    elif task.fds is None:
        process.leave(k, task, code)
    else:
        deliver(k, task, "exit", task.fds.close_all(k), Pending("exit"))


FATAL = (KernelBug, GuestFault, Unimplemented, MemoryError)


def reason(error: BaseException) -> str:
    """First line of the oops for what a handler raised."""
    if isinstance(error, KernelBug):
        return error.text
    if isinstance(error, GuestFault):
        return symbolise.fault_line(error.address, error.write)
    return str(error)


def fail(k: Kernel, error: BaseException) -> None:
    """A handler raised one of FATAL: an oops. Closing the dead task's files may fail in turn."""
    again: BaseException | None = error
    while again is not None:
        try:
            die(k, reason(again))
            again = None
        except FATAL as next_error:
            again = next_error


def report(k: Kernel, why: str) -> str:
    """Log an oops at the current place, taint the kernel, and answer the text."""
    text = symbolise.report(k, why)
    for i, line in enumerate(text):
        k.log.emit(4 if i else 1, line)
    k.taints.add("D")
    return "\n".join(text)


def panic(k: Kernel, why: str) -> None:
    """The machine stops: `run` raises GuestPanic with the last report."""
    k.log.emit(0, why)
    oops = k.current.oops
    k.panic = f"{oops}\n{why}" if oops else why


def die(k: Kernel, why: str) -> None:
    """An oops: report it and end what caused it: the timer's function, or else the task."""
    task = k.current
    text = report(k, why)
    interrupts = [i for i, frame in enumerate(task.frames) if frame.kind == "interrupt"]
    if not interrupts:
        task.oops = text
        blocking.forget_locks(k)
        end(k, task, signal.SIGSEGV)
        return
    frame = task.frames[interrupts[0]]
    del task.frames[interrupts[0] :]
    if frame.context is not None:
        k.put_back(frame.context)
    blocking.forget_locks(k, frame.preempt_count)
    task.stint, task.stint_blocks = k.clock.now, k.clock.blocks
    k.log.emit(0, "Fatal exception in interrupt: its function was abandoned")
