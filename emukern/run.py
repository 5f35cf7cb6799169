"""The loop: run the CPU, take a Trap, answer it, go on (DESIGN §3). No Python frame is suspended meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from emukern import dispatch
from emukern.errors import GuestPanic
from emukern.kernel.kernel import Kernel
from emukern.kernel.task import RUNNABLE, ZOMBIE, Task
from emukern.machine.clock import NS_PER_JIFFY
from emukern.syscalls import table
from emukern.trap import Halt, Tick

LOCKUP_NS = 22_000_000_000  # Linux's soft lockup threshold, 2 × watchdog_thresh + 2


@dataclass(frozen=True, slots=True)
class Stop:
    """Why `run` returned: "done" (what the caller waited for), "poweroff" (`status`), "idle" (nothing will ever
    happen again), "interrupted" (the host asked)."""

    why: str
    status: int = 0


def run(k: Kernel, until: Callable[[], bool] | None = None) -> Stop:
    """Run the machine until `until()`, power-off or eternal idleness. Raises GuestPanic.

    `until` is asked whenever a task gives up the CPU, and at ticks.
    """
    table.load_all()
    while True:
        try:
            return _loop(k, until)
        except dispatch.FATAL as error:
            dispatch.fail(k, error)


def _loop(k: Kernel, until: Callable[[], bool] | None) -> Stop:
    tick = k.next_tick
    while True:
        if k.panic is not None:
            raise GuestPanic(k.panic)
        if k.power is not None:
            return Stop("poweroff", k.power[1])
        task = k.current
        if task.state != RUNNABLE or task.pid == 0 and k.booted:
            if until is not None and until():
                return Stop("done")
            if not _switch(k):
                stop = _idle(k)
                if stop is not None:
                    return stop
        elif task.pending is not None:
            pending, task.pending = task.pending, None
            dispatch.resume(k, task, pending)
        elif tick != k.next_tick and until is not None and until():
            return Stop("done")
        else:
            tick = k.next_tick
            _step(k, task)


def _step(k: Kernel, task: Task) -> None:
    """Run the CPU to its next trap and answer it."""
    if k.clock.jumped != k.seen_jump:
        _sync_time(k)
    trap = k.cpu.run_to(k.next_tick)
    k.clock.blocks = k.cpu.state.blocks
    if k.trace is not None:
        k.trace.append((k.clock.blocks, k.cpu.pc, trap))
    if isinstance(trap, Tick):
        _tick(k, task)
    elif isinstance(trap, Halt):
        _halt(k, task)
    else:
        dispatch.answer(k, task, trap)


def _tick(k: Kernel, task: Task) -> None:
    """The quota ran out: time has passed."""
    _sync_time(k)
    k.sched.expire(k.clock.now)
    if k.console.input is not None:
        keys = k.console.input.poll()
        if keys:
            k.tty.receive(k, keys)
    user = k.arch.user(k.cpu)
    if user:
        if task.signals:
            dispatch.take_signals(k, task)
        elif k.sched.queue:
            k.sched.queue.append(task.pid)
            _switch(k)
    elif (
        k.clock.now - task.stint > LOCKUP_NS or k.clock.blocks - task.stint_blocks > k.lockup_blocks
    ):
        seconds = max((k.clock.now - task.stint) // 1_000_000_000, 1)
        dispatch.die(k, f"watchdog: BUG: soft lockup - CPU#0 stuck for {seconds}s! [{task.name}:{task.pid}]")
        return
    if not k.current.in_interrupt and (user or k.arch.interrupts(k.cpu)):
        _fire(k)


def _fire(k: Kernel) -> None:
    """Run the next timer that is due, over whatever the current task does; the rest follow at its end or next tick."""
    task = k.current
    while task.state == RUNNABLE and task.pending is None and not task.in_interrupt:
        timer = k.timers.pop_due(k.clock.now)
        if timer is None:
            return
        dispatch.take(k, task, "interrupt", timer.continuation, 0, timer.data)


def _sync_time(k: Kernel) -> None:
    """Tell the guest what time it is, and find when to look at the clock next."""
    clock = k.clock
    k.seen_jump = clock.jumped
    k.cpu.time_jumped(clock.jumped)
    jiffies = clock.jiffies
    if k.jiffies_address:
        k.mem.put_u64(k.jiffies_address, jiffies)
    k.next_tick = clock.blocks + clock.blocks_until((clock.now // NS_PER_JIFFY + 1) * NS_PER_JIFFY)


def _halt(k: Kernel, task: Task) -> None:
    """hlt or wfi: the boot task has nothing to run; anybody else waits for the next tick."""
    if task.pid == 0:
        k.power = ("halted", 0)
    else:
        k.clock.jump_to((k.clock.now // NS_PER_JIFFY + 1) * NS_PER_JIFFY)
        _tick(k, task)


# Who runs.


def _switch(k: Kernel) -> bool:
    """Give the CPU to the next task; False when none is ready."""
    old, new = k.current, k.sched.pick()
    if new is None:
        return False
    if new is old:
        return True
    if old.state != ZOMBIE:
        old.context = k.cpu.save() if old.pid else None
    k.current = new
    if new.context is not None:
        k.cpu.restore(new.context)
        new.context = None
    k.use_root(new.mm.root if new.mm is not None else k.kernel_root)
    new.stint, new.stint_blocks = k.clock.now, k.clock.blocks
    return True


def _idle(k: Kernel) -> Stop | None:
    """Every task sleeps: fire what is due, take keys, or jump to the next deadline."""
    if k.current.pid:
        old, k.current = k.current, k.sched.tasks[0]
        if old.state != ZOMBIE:
            old.context = k.cpu.save()
        k.use_root(k.kernel_root)
    deadlines = [d for d in (k.timers.next_deadline(), k.sched.next_deadline()) if d is not None]
    deadline = min(deadlines, default=None)
    if deadline is not None and deadline <= k.clock.now:
        k.sched.expire(k.clock.now)
        _fire(k)
        while k.current.frames and k.power is None:  # a timer's function runs on the boot task's CPU
            _step(k, k.current)
        return None
    source = k.console.input
    if source is not None and (k.tty.waiting or source.paced):
        keys = source.wait(None if deadline is None else deadline - k.clock.now)
        if keys is None:
            k.console.input = None
            k.tty.end_of_input(k)
        elif keys:
            k.tty.receive(k, keys)
        if keys != b"":
            return None
    if deadline is None:
        return Stop("idle")
    k.clock.jump_to(deadline)
    _sync_time(k)
    return None
