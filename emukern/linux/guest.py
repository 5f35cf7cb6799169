"""A borrowed kernel as users and tests hold it: booted, callable, with modules coming and going.

The kernel runs our agent as its first program. A child of the agent parks in a system call: there the host stops the
machine, takes snapshots and calls kernel functions, in a process that may sleep, on that process's kernel stack.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

from emukern.errors import GuestOops, GuestPanic, ModuleError, UsageError
from emukern.event import Break, Event, Hypercall, Return
from emukern.exchange import Completed, argument
from emukern.linux import agent as commands
from emukern.linux import oops, snapshot
from emukern.linux.machine import Machine, Stop
from emukern.machine.cpu import NO_QUOTA

if TYPE_CHECKING:
    from emukern.kernel.log import Record
    from emukern.linux.depends import ModuleTree
    from emukern.linux.facts import Facts

# A called function hangs when it does not come back within so much virtual time (ns), or so many executed blocks.
CALL_LIMIT, CALL_BLOCKS = 600_000_000_000, 6_000_000_000
SLICE_MS = 60_000  # of sleep at a time, well below CALL_LIMIT
RED_ZONE = 512  # bytes below the parked process's stack pointer that are left alone
GFP_KERNEL = 0xCC0
ERRORS_FROM = (1 << 64) - 4095  # from here on a result is a negative errno


@dataclass(slots=True)
class Moment:
    """A snapshot of a guest."""

    machine: snapshot.Snapshot
    records: int
    loaded: dict[str, Any]


class LinuxGuest:
    """A machine with somebody else's kernel; `emukern.linux.boot` makes one."""

    def __init__(self, machine: Machine, facts: Facts) -> None:
        self.machine, self.facts = machine, facts
        self.agent = commands.Agent()
        machine.more["agent"] = self.agent
        self.parked = False
        self.loaded: dict[str, Any] = {}  # what our loader knows of the modules it loaded
        self.overrides: dict[int, Callable[[], None]] = {}
        self._watched: set[int] = set()
        self.call_blocks = CALL_BLOCKS
        self._records: list[Record] = []
        self.find_tree: Callable[[], ModuleTree] | None = None
        self.agent.modules = self._modprobe_tree

    @property
    def arch(self) -> str:
        """"x86_64" or "riscv64"."""
        return self.machine.arch.name

    @property
    def release(self) -> str:
        """What `uname -r` says."""
        return self.facts.release

    @cached_property
    def tree(self) -> ModuleTree:
        """The module tree. Raises UsageError when there is none."""
        if self.find_tree is None:
            raise UsageError("no module tree was given")
        return self.find_tree()

    def _modprobe_tree(self) -> ModuleTree | None:
        """What modprobe in the guest sees."""
        try:
            return self.tree
        except UsageError:
            return None

    # Time.

    def _until(self, done: Callable[[Event], bool], limit: int | None = None, blocks: int = NO_QUOTA) -> Stop:
        """Run, answering what programs ask for, to an event that `done` is true for, or to a limit as in `run`.

        Raises GuestOops when a call that had been given up comes back to nobody.
        """
        machine = self.machine
        if self._at_rest():
            machine.pass_break()
        while True:
            stop = machine.run(limit, blocks)
            event = stop.event
            if event is None:
                return stop
            if isinstance(event, Hypercall):
                machine.platform.hypercall_result(self.agent.answer(machine, event.service, *event.args))
            if isinstance(event, Break) and machine.cpu.pc in self.overrides:
                self.overrides[machine.cpu.pc]()
            elif done(event):
                return stop
            if isinstance(event, Break):
                machine.pass_break()
            elif isinstance(event, Return):
                raise GuestOops("a function came back that had not come back in time")

    def _soon(self, done: Callable[[Event], bool]) -> Stop:
        """The same within the limits of a call."""
        clock = self.machine.clock
        return self._until(done, clock.now + CALL_LIMIT, clock.blocks + self.call_blocks)

    def run(self, limit: int | None = None, until: Callable[[], bool] = lambda: False) -> Stop:
        """Let the guest run until it is switched off, nothing will ever happen again, or the time is over.

        `until` is asked whenever a program has asked the host something; where it is true, the run ends.
        """
        self.parked = False
        stop = self._until(lambda event: until(), limit)
        if stop.why == "reset":
            raise GuestPanic(self._last_words())
        return stop

    def park(self, limit: int | None = None, blocks: int = NO_QUOTA) -> None:
        """Let the agent come to the system call where the host may call functions, and stop there.

        Raises GuestPanic when the machine goes down, or does not get there by the virtual time `limit` or in so many
        blocks.
        """
        if self.parked:
            return
        stop = self._until(lambda _: self._at_rest(), limit, blocks)
        if stop.why == "limit":
            raise GuestPanic(f"the kernel did not reach user space\n{self._last_words()}")
        if stop.event is None:
            raise GuestPanic(self._last_words())
        self.parked = True

    def perform(self, command: commands.Command) -> Any:
        """Have the agent do something, and park again; its result. Raises GuestOops when it never gets that far, or
        the kernel killed it for it."""
        self.park()
        self.parked = False
        self.agent.commands.append(command)
        # Another process may come by the parking place first.
        stop = self._soon(lambda _: self._at_rest() and bool(self.agent.results))
        if stop.event is None:
            raise GuestOops(self._why(stop, type(command).__name__))
        self.parked = True
        result = self.agent.results.pop()
        if isinstance(result, commands.Died):
            raise GuestOops(self._report())
        return result

    def _at_rest(self) -> bool:
        """Is it our agent that came to the parking place?"""
        return self.machine.cpu.pc == self.facts.park and self.agent.parking

    def _last_words(self) -> str:
        lines = list(self.machine.console.lines)
        start = next((i for i, line in enumerate(lines) if "Kernel panic" in line), max(0, len(lines) - 8))
        return "\n".join(lines[start:]) or "the guest went down without a word"

    def advance(self, seconds: float) -> None:
        """Let that much virtual time pass, with everything that happens in it."""
        left = max(1, round(seconds * 1000))
        while left > 0:
            self.call("msleep", min(left, SLICE_MS))
            left -= SLICE_MS

    # Calls.

    def address(self, name: str) -> int:
        """Address of a symbol of the kernel or of a loaded module, exported or not."""
        value = self.symbols.address(name) or self.module_symbol(name)
        if not value:
            raise UsageError(f"neither the kernel {self.release} nor a module has a symbol {name}")
        return int(value)

    def module_symbol(self, name: str) -> int:
        """Address of a loaded module's symbol, SYMBOL or MODULE:SYMBOL; 0 when there is none."""
        text = self.alloc(name.encode() + b"\0")
        try:
            return self.call("module_kallsyms_lookup_name", text)
        finally:
            self.free(text)

    def call(self, function: str | SupportsIndex, *args: SupportsIndex) -> int:
        """Call a kernel function by name or address; its result register, unsigned 64 bits.

        Raises GuestOops when it died or does not come back.
        """
        address = self.address(function) if isinstance(function, str) else function.__index__()
        self.park()
        cpu, registers = self.machine.cpu, self.machine.arch.registers
        before, pc = cpu.gpr[:], cpu.pc
        died = self.agent.died
        words = [arg.__index__() & (1 << 64) - 1 for arg in args]
        self.machine.platform.call(address, words, before[registers.sp] - RED_ZONE)
        self.parked = False
        stop = self._soon(lambda event: isinstance(event, Return) or self.agent.died != died)
        if not isinstance(stop.event, Return):
            raise GuestOops(self._why(stop, function))
        result = int(cpu.gpr[registers.result])
        cpu.gpr[:], cpu.pc = before, pc
        self.parked = True
        return result

    def _why(self, stop: Stop, function: str | SupportsIndex) -> str:
        """What became of a call that did not come back."""
        name = function if isinstance(function, str) else f"{function.__index__():#x}"
        if stop.why == "limit":
            where = self.facts.symbols.at(self.machine.cpu.pc)
            place = f"{where[0]}+{where[1]:#x}" if where else f"{self.machine.cpu.pc:#x}"
            return f"{name} did not come back in time; the CPU is at {place}"
        if stop.why in ("reset", "poweroff"):
            return self._last_words()
        return self._report() or f"{name} did not come back"

    def _report(self) -> str:
        return oops.report([record.text for record in self.dmesg()])

    def alloc(self, data: bytes | int) -> int:
        """kmalloc a block of `data` bytes, zeroed, or one that holds `data`."""
        size = data if isinstance(data, int) else len(data)
        address = self.call(self.facts.kmalloc, max(size, 1), GFP_KERNEL | 0x100)
        if not address:
            raise GuestOops(f"the guest has no {size} bytes")
        if not isinstance(data, int):
            self.machine.mem.write(address, data)
        return address

    def free(self, address: int) -> None:
        """kfree a block."""
        self.call("kfree", address)

    # Programs.

    def execute(self, argv: list[str]) -> Completed:
        """Run a program and wait for it; its output is what it writes to descriptors 1 and 2."""
        result = self.perform(commands.Exec(tuple(argv)))
        if isinstance(result, Exception):
            raise UsageError(f"cannot run {argv[0]}: {result}")
        return Completed(result.output.decode("utf-8", "replace"), result.status)

    def shell(self, line: str) -> Completed:
        """Run a line in the guest's shell and wait for it."""
        return self.execute(["/bin/sh", "-c", line])

    # Names and types.

    @property
    def mem(self) -> Any:
        """The kernel's memory by virtual address."""
        return self.machine.mem

    @property
    def symbols(self) -> Any:
        """The kernel's own symbols."""
        return self.facts.symbols

    @cached_property
    def percpu_base(self) -> int:
        """What to add to a per-CPU symbol for the CPU's own copy."""
        offsets = self.symbols.address("__per_cpu_offset")
        return int(self.mem.u64(offsets)) if offsets else 0

    @cached_property
    def kernel(self) -> Any:
        """The kernel's names: `guest.kernel.init_task.comm`, `guest.kernel.strlen("abc")`."""
        from emukern.linux.objects import TypedKernel

        return TypedKernel(self)

    def override(self, name: str) -> Callable[[Callable[..., Any]], Any]:
        """Let a Python function stand in for the kernel function `name`, for whoever calls it:

        @guest.override("clk_get")
        def clk_get(dev, id): ...
        """
        from emukern.linux.override import Override

        return lambda body: Override(self, name, body)

    def watch(self, address: int) -> None:
        """Stop at an address that has an override, whenever one is there."""
        if address not in self._watched:
            self._watched.add(address)
            self.machine.break_at(address)

    # The kernel log.

    @cached_property
    def ring(self) -> Any:
        """The reader of the printk ring."""
        from emukern.linux.printk import Ring

        return Ring(self.machine.mem, self.btf, self.facts.symbols)

    @cached_property
    def btf(self) -> Any:
        """The kernel's types."""
        from emukern.linux.btf import Btf

        start, end = self.facts.btf
        return Btf(self.machine.mem.read(start, end - start))

    def dmesg(self) -> list[Record]:
        """The kernel log, oldest first: .level, .text, .time_ns."""
        since = self._records[-1].seq + 1 if self._records else 0
        self._records += self.ring.records(since)
        return list(self._records)

    # Modules.

    def insmod(self, module: str | Path | bytes, params: str = "", *, via: str = "loader", **values: object) -> Any:
        """Load a module: its bytes, a path, a sample's name or one in the module tree.

        `via` "loader": ours places it; "kernel": the kernel's own init_module, from a program. Raises ModuleError with
        the kernel's errno.
        """
        from emukern.linux import loader, modprobe

        blob = module if isinstance(module, bytes) else modprobe.module_bytes(self, module)
        text = " ".join([params] * bool(params) + [argument(name, value) for name, value in values.items()])
        self.park()
        if via == "kernel":
            return LinuxModule(self, loader.by_the_kernel(self, blob, text).name)
        return LinuxModule(self, loader.load(self, blob, text).name)

    def modprobe(self, name: str, params: str = "", *, via: str = "loader", **values: object) -> Any:
        """Load a module as `insmod` does, after what it needs."""
        from emukern.linux import modprobe

        return modprobe.modprobe(self, name, params, via=via, **values)

    def rmmod(self, name: str) -> None:
        """Unload a module, whoever loaded it. Raises ModuleError with the kernel's errno."""
        from emukern.linux import unload

        unload.unload(self, name)

    def system_call(self, command: Any) -> None:
        """Have the agent make a system call. Raises ModuleError with the kernel's errno and its last words about it,
        GuestOops when the kernel killed the agent for it."""
        since = self.last_record()
        result = self.perform(command)
        if result.status:
            texts = [record.text for record in self.dmesg() if record.seq > since]
            raise ModuleError(result.status, texts[-1] if texts else "")

    def last_record(self) -> int:
        """The sequence number of the newest record in the kernel log, -1 when there is none."""
        records = self.dmesg()
        return records[-1].seq if records else -1

    def lsmod(self) -> list[tuple[str, int, list[str]]]:
        """Name, size in bytes and users of each module, newest first, as lsmod shows them."""
        rows = []
        for line in self.execute(["/bin/cat", "/proc/modules"]).output.splitlines():
            name, size, _, users = line.split()[:4]
            rows.append((name, int(size), [user for user in users.split(",") if user and user not in "-"]))
        return rows

    # Snapshots.

    def save(self) -> Moment:
        """A snapshot to `restore`."""
        self.park()
        self.dmesg()
        return Moment(snapshot.save(self.machine), len(self._records), dict(self.loaded))

    def restore(self, saved: Moment) -> None:
        """Put everything back as it was when `saved` was made."""
        snapshot.restore(self.machine, saved.machine)
        self.parked = True
        self.loaded = dict(saved.loaded)
        del self._records[saved.records :]


@dataclass(frozen=True, slots=True)
class LinuxModule:
    """A loaded module of a guest."""

    guest: LinuxGuest
    name: str

    def address(self, symbol: str) -> int:
        """Address of a function or variable of the module, exported or not."""
        value = self.guest.module_symbol(f"{self.name}:{symbol}")
        if not value:
            raise UsageError(f"module {self.name} has no symbol {symbol}")
        return value

    def call(self, symbol: str, *args: SupportsIndex) -> int:
        """Call a function of the module; returns its 64-bit result, unsigned."""
        return self.guest.call(self.address(symbol), *args)
