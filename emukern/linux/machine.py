"""A machine that runs somebody else's kernel: CPU, RAM, board and one loop.

The loop runs the CPU to its next stop, lets the platform deliver what the architecture says, lets devices whose time
has come act, and goes on. Time is virtual: executed blocks, plus a jump to the next deadline whenever the CPU waits.
"""

from __future__ import annotations

import importlib
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emukern import arch as arches
from emukern.errors import EmukernError, GuestPanic, UsageError
from emukern.event import Break, Event, Idle, Stuck
from emukern.linux import rewriting
from emukern.linux.memory import KernelMemory
from emukern.machine import hooks
from emukern.machine.clock import EPOCH, Clock
from emukern.machine.codepages import CodePages
from emukern.machine.cpu import NO_QUOTA, Cpu
from emukern.machine.ram import Ram

if TYPE_CHECKING:
    from emukern.machine.console import Console

MIB = 1 << 20
# A slow CPU: what spins until time has passed, and distribution kernels do, costs the host less.
NS_PER_BLOCK = 16
LONGEST = 1 << 24  # blocks that run before keys and signals are looked after, should no device want anything
LAST_LINE = b"---[ end Kernel panic - not syncing"  # kernel/panic.c, where it does not reboot
LAST_LINES = 80  # of the console that are remembered: a panic with its registers and backtrace


@dataclass(frozen=True, slots=True)
class Stop:
    """Why `run` returned: an `event` of the platform that is the caller's business, or one of the words "poweroff",
    "reset", "idle" (nothing will ever happen again), "limit" (the time given is over)."""

    why: str
    event: Event | None = None


class LiveTime:
    """The virtual time, also in the middle of a run: what the devices go by."""

    def __init__(self, cpu: Cpu, clock: Clock) -> None:
        self._state, self._clock = cpu.state, clock

    @property
    def now(self) -> int:
        """Nanoseconds since reset."""
        return int(self._state.blocks) * self._clock.ns_per_block + self._clock.jumped


class Power:
    """What the board's power circuit has been told."""

    def __init__(self) -> None:
        self.state = "on"

    def off(self) -> None:
        """Power off."""
        self.state = "poweroff"

    def reset(self) -> None:
        """Reset."""
        self.state = "reset"


class Changes:
    """Stops the CPU at its next block when a device that was just touched wants something now."""

    def __init__(self, platform: Any, power: Power) -> None:
        self._state, self._platform, self._power = platform.cpu.state, platform, power
        self.deadline: int | None = None  # the one the CPU runs to

    def __call__(self) -> None:
        state, platform = self._state, self._platform
        if self._power.state != "on" or platform.board.deadline() != self.deadline:
            state.quota = state.deadline = 0  # also where no interrupt is taken
        elif platform.pending():
            state.quota = 0


class LineLog:
    """The console: remembers the last lines, passes everything on. While the kernel boots, its very last line switches
    the machine off: after that it does nothing any more, for ever. Later, programs may print such a line."""

    def __init__(self, console: Console, power: Power) -> None:
        self.console, self._power = console, power
        self.lines: deque[str] = deque(maxlen=LAST_LINES)
        self._part = b""
        self.booting = True

    def write(self, data: bytes) -> None:
        """The guest prints."""
        self.console.write(data)
        *lines, self._part = (self._part + data).split(b"\n")
        self.lines.extend(line.decode("utf-8", "replace").rstrip("\r") for line in lines)
        if self.booting and any(LAST_LINE in line for line in lines):
            self._power.reset()


class Machine:
    """One machine of architecture `arch` with `memory` bytes of RAM."""

    def __init__(self, arch: str, memory: int, console: Console) -> None:
        if memory % (2 * MIB):
            raise UsageError("memory must be an even number of MiB")
        self.arch = arches.get(arch)
        self.ram = Ram(self.arch.layout.ram, memory)
        self.cpu = Cpu(self.arch, self.ram, ns_per_block=NS_PER_BLOCK)
        if not self.cpu.fast:
            raise EmukernError("this build of the CPU engine keeps its state where emukern cannot see it")
        self.clock = Clock(NS_PER_BLOCK)
        self.time = LiveTime(self.cpu, self.clock)
        self.power = Power()
        self.console = LineLog(console, self.power)
        self.mem = KernelMemory(self.cpu, self.ram)
        self.cpu.fetch = self.mem.read
        platform = importlib.import_module(f"emukern.arch.{arch}.platform").Platform
        board = importlib.import_module(f"emukern.devices.{platform.BOARD}")
        self.board = board.build(self.time, self.console, self.power, memory, EPOCH)
        self.platform = platform(self.cpu, self.mem, self.board)
        self.changes = self.platform.changed = Changes(self.platform, self.power)
        self.cpu.set_gates(self.platform.gates)
        self.more: dict[str, Any] = {}  # parts that the machine's user adds
        self.rewritten: list[tuple[int, int | None]] = []  # code that is being written now: address, length
        self._passed: tuple[int, int] | None = None
        self.code_pages = CodePages(self.cpu, self.mem)
        hooks.open_bus(self.cpu, self.board.bus, self.changes)

    def break_at(self, address: int) -> None:
        """From now on `run` returns with `Break` before the instruction at `address`."""
        gpr, sp = self.cpu.gpr, self.cpu.arch.registers.sp

        def reached() -> bool:
            if self._passed != (address, gpr[sp]):
                return True
            self._passed = None
            return False

        hooks.watch(self.cpu, address, reached)

    def pass_break(self) -> None:
        """The CPU goes on from a `Break`: the instruction here is executed, if after an interrupt or two."""
        self._passed = self.cpu.pc, self.cpu.gpr[self.cpu.arch.registers.sp]

    def parts(self) -> dict[str, Any]:
        """Everything with a state of its own besides CPU and RAM, by name."""
        return {"clock": self.clock, "power": self.power, "console": self.console, **self.board.devices, **self.more}

    def forget_code(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Forget code translated from these ranges of RAM (offsets), whatever address it ran at."""
        physical = sorted((self.ram.base + start, self.ram.base + end) for start, end in ranges)
        with self.platform.identity_mapped():
            self.cpu.forget_code(physical)
        self.code_pages.forget(physical)

    def load(self, image: Any, cmdline: bytes, initrd: bytes) -> None:
        """Put a kernel into RAM and the CPU at its entry."""
        self.platform.load(image, cmdline, initrd)

    def run(self, limit: int | None = None, blocks: int = NO_QUOTA) -> Stop:
        """Run to the next event that is the caller's business, at most to the virtual time `limit` (ns) or until
        the block clock says `blocks`."""
        while True:
            if self.power.state != "on":
                return Stop(self.power.state)
            event = self._step(limit, blocks)
            if event is None:
                if (limit is not None and self.clock.now >= limit) or self.clock.blocks >= blocks:
                    return Stop("limit")
            elif isinstance(event, Idle):
                if event.for_good or not self._wait(limit):
                    return Stop("idle")
            elif isinstance(event, Stuck):
                raise GuestPanic("\n".join([event.text, *self.console.lines]))
            else:
                return Stop("event", event)

    def _step(self, limit: int | None, blocks: int) -> Event | None:
        """Run the CPU to its next stop and settle it."""
        if self.rewritten:
            rewriting.forget(self)
        state, platform = self.cpu.state, self.platform
        self._expire()
        state.waiting = 0
        if platform.pending():
            if platform.takes_interrupts():
                stuck: Event | None = platform.interrupt()
                if stuck is not None:
                    return stuck
            else:
                state.waiting = 1
        deadline = self.changes.deadline = self.board.deadline()
        if limit is not None and (deadline is None or limit < deadline):
            deadline = limit
        longest = LONGEST if deadline is None else min(LONGEST, self.clock.blocks_until(deadline))
        state.deadline = min(state.blocks + longest, blocks)
        error = self.cpu.run(0 if state.waiting else state.deadline)
        self.clock.blocks = state.blocks
        self.mem.changed()
        failure = hooks.failure(self.cpu)
        if failure is not None:
            raise failure
        if state.kind == self.cpu.TICK:
            self._poll()
            return None
        if state.kind == self.cpu.BREAK:
            return Break()
        if error and state.kind == self.cpu.NONE:
            return Stuck(f"the CPU stopped at {self.cpu.pc:#x}: {hooks.error_text(error)}")
        event: Event | None = platform.exit(state.kind, state.number)
        self.clock.blocks = state.blocks  # some exits take time
        return event

    def _expire(self) -> None:
        """Let the devices whose time has come act."""
        deadline = self.board.deadline()
        if deadline is not None and deadline <= self.clock.now:
            self.board.expire(self.clock.now)

    def _poll(self) -> None:
        """Take what somebody has typed while the CPU was busy."""
        source = self.console.console.input
        keys = source.poll() if source is not None else b""
        if keys:
            self.board.receive(keys)

    def _wait(self, limit: int | None) -> bool:
        """The CPU waits for an interrupt: let time pass to the next deadline. False when there is none."""
        while not self.platform.pending():
            deadline = self.board.deadline()
            if limit is not None and (deadline is None or deadline > limit):
                deadline = limit
            if self._typed(deadline):
                continue
            if deadline is None:
                return False
            self.clock.jump_to(deadline)
            self.cpu.time_jumped(self.clock.jumped)
            self._expire()
            if limit is not None and self.clock.now >= limit:
                break
        return True

    def _typed(self, deadline: int | None) -> bool:
        """Give a person until `deadline` to type; says whether he did."""
        source = self.console.console.input
        if source is None:
            return False
        keys = source.wait(None if deadline is None else max(0, deadline - self.clock.now))
        self.cpu.time_jumped(self.clock.jumped)
        if keys is None:
            self.console.console.input = None
        elif keys:
            self.board.receive(keys)
        return bool(keys)


__all__ = ["Machine", "Stop"]
