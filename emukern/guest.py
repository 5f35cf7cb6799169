"""What users and tests hold: a booted machine, in a few words each."""

from __future__ import annotations

import errno
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsIndex

from emukern import arch as arches
from emukern.errors import Errno, GuestOops, ModuleError, UsageError
from emukern.exchange import Completed, argument, module_bytes
from emukern.flow import Call, Continuation, Wait, continuation
from emukern.kernel import process
from emukern.kernel.kernel import Kernel
from emukern.kernel.log import Record
from emukern.kernel.task import Task
from emukern.machine.console import Console, Input
from emukern.machine.cpu import Cpu
from emukern.machine.ram import Ram
from emukern.run import Stop, run

if TYPE_CHECKING:
    from emukern.snapshot import Snapshot

MIB = 1 << 20
MIN_MEMORY, MAX_MEMORY = 32 * MIB, 1024 * MIB


@continuation
def host_call(k: Kernel, rv: int, address: int, args: tuple[int, ...]) -> Call:
    """First act of the thread that runs a guest function for the host."""
    return Call(address, *args)


@continuation
def host_sleep(k: Kernel, rv: int, ns: int) -> int | Wait:
    """Only act of the thread that lets time pass for the host."""
    return 0 if k.current.woken else Wait(None, timeout=ns, interruptible=False)


@continuation
def host_insmod(k: Kernel, rv: int, blob: bytes, args: str) -> Any:
    """First act of the thread that loads a module for the host."""
    from emukern.kmod.load import load_module

    if not blob:
        raise Errno(errno.EINVAL)  # as finit_module has it
    return load_module(k, blob, args)


@continuation
def host_rmmod(k: Kernel, rv: int, module: str) -> Any:
    """First act of the thread that unloads a module for the host."""
    from emukern.kmod.unload import unload_module

    return unload_module(k, module)


def power_on(
    arch: str = "x86_64",
    *,
    memory: int = 128 * MIB,
    seed: int = 0,
    share: Path | None = None,
    console: Callable[[bytes], object] | None = None,
    source: Input | None = None,
    init: tuple[str, ...] = ("-s",),
    lazy_symbols: bool = False,
    native: bool = True,
    fast: bool = True,
) -> Guest:
    """A machine at its reset vector with the kernel loaded; `run` boots it. `memory` in bytes."""
    if memory % (2 * MIB) or not MIN_MEMORY <= memory <= MAX_MEMORY:
        raise UsageError(f"memory must be an even number of MiB from {MIN_MEMORY // MIB} to {MAX_MEMORY // MIB}")
    if share is not None and not share.is_dir():
        raise UsageError(f"cannot share {share}: it is not a directory")
    record = arches.get(arch)
    ram = Ram(record.layout.ram, memory)
    cpu = Cpu(record, ram, native=native, fast=fast)
    k = Kernel(record, ram, cpu, Console(console, source), seed=seed)
    k.share, k.init_args, k.lazy_symbols = share, init, lazy_symbols
    load_image(k)
    return Guest(k)


def load_image(k: Kernel) -> None:
    """Put the kernel and boot_info in RAM and the CPU at the entry point, as a boot loader does."""
    from emukern import elf

    base = k.arch.layout.ram
    for segment in elf.program_headers(k.image):
        if segment.type == elf.PT_LOAD:
            start = segment.paddr - base
            k.ram.bytes[start : start + segment.filesz] = k.image[segment.offset : segment.offset + segment.filesz]
    info = base + 0x1000
    k.ram.bytes[0x1000:0x1010] = struct.pack("<QQ", k.ram.size, k.rng.getrandbits(56) << 8)
    entry = elf.header(k.image).entry - k.arch.layout.image + base
    k.arch.reset(k.cpu, entry, info)


def boot(arch: str = "x86_64", **options: Any) -> Guest:
    """A machine booted to its shell, which waits for input. Options as in `power_on`."""
    guest = power_on(arch, **options)
    guest.run()
    process.keep_spare(guest.k)
    return guest


class Guest:
    """A machine and its kernel, `k`."""

    def __init__(self, k: Kernel) -> None:
        self.k = k

    @property
    def arch(self) -> str:
        """"x86_64" or "riscv64"."""
        return self.k.arch.name

    def run(self, until: Callable[[], bool] | None = None) -> Stop:
        """Let the guest run until `until()`, power-off or until nothing will ever happen again."""
        return run(self.k, until)

    def advance(self, seconds: float) -> None:
        """Let that much virtual time pass, with everything that happens in it."""
        task = self._thread("host", host_sleep, ns=round(seconds * 1_000_000_000))
        self._result(task)

    def call(self, function: str | SupportsIndex, *args: SupportsIndex) -> int:
        """Call a guest function by exported name or address; returns its 64-bit result, unsigned."""
        address = self.address(function) if isinstance(function, str) else function.__index__()
        task = self._thread("host", host_call, address=address, args=tuple(a.__index__() for a in args))
        return self._result(task)

    def address(self, name: str) -> int:
        """Address of what the kernel or a module exports as `name`."""
        symbol = self.k.symbols.find(name)
        if symbol is None:
            raise UsageError(f"nothing is exported as {name}")
        return symbol.value

    def _ready(self) -> None:
        """Raise UsageError unless the guest runs."""
        if self.k.power is not None:
            raise UsageError("the guest is switched off")
        if not self.k.booted:
            raise UsageError("the guest has not booted yet: run() it first")

    def _thread(self, name: str, function: Continuation, **data: Any) -> Task:
        """A kernel thread that works for the host."""
        self._ready()
        try:
            return self.k.spawn(name, function, **data)
        except (MemoryError, Errno):
            raise GuestOops(f"the guest has no memory for a thread named {name}") from None

    def _result(self, task: Task) -> int:
        """Run until the thread is over."""
        stop = self.run(lambda: task.state == "Z")
        if task.oops is not None:
            raise GuestOops(task.oops)
        if task.result is None:
            raise GuestOops(f"the guest stopped ({stop.why}) before {task.name} came back")
        return task.result

    def insmod(self, module: str | Path | bytes, params: str = "", **values: object) -> ModuleHandle:
        """Load a module: a path, its bytes, or the name of a sample. Raises ModuleError with Linux's errno."""
        blob = module if isinstance(module, bytes) else module_bytes(str(module), self.arch)
        text = " ".join([params] * bool(params) + [argument(name, value) for name, value in values.items()])
        before = set(self.k.modules)
        self._errno(self._thread("insmod", host_insmod, blob=blob, args=text))
        (name,) = set(self.k.modules) - before
        return ModuleHandle(self, name)

    def _errno(self, task: Task) -> None:
        """Wait for a thread that answers 0 or a negative errno; the reason is the last line the kernel logged."""
        seen = self.k.log.records[-1].seq if self.k.log.records else -1
        result = self._result(task)
        if result >> 63 or result < 0:
            reasons = [record.text for record in self.k.log.records if record.seq > seen]
            raise ModuleError(-result if result < 0 else (1 << 64) - result, reasons[-1] if reasons else "")

    def rmmod(self, name: str) -> None:
        """Unload a module. Raises ModuleError with Linux's errno."""
        self._errno(self._thread("rmmod", host_rmmod, module=name))

    def module(self, name: str) -> ModuleHandle:
        """A loaded module."""
        if name not in self.k.modules:
            raise UsageError(f"module {name} is not loaded")
        return ModuleHandle(self, name)

    def dmesg(self) -> list[Record]:
        """The kernel log, oldest first: .level, .text, .time_ns."""
        return list(self.k.log.records)

    def lsmod(self) -> list[tuple[str, int, list[str]]]:
        """Name, size in bytes and users of each module, newest first, as lsmod shows them."""
        modules = reversed(list(self.k.modules.values()))
        return [(m.name, m.core_size, sorted(m.holders)) for m in modules]

    def shell(self, line: str) -> Completed:
        """Run a line in the guest's shell, as a child of init, and wait for it."""
        return self.execute(["/bin/sh", "-c", line])

    def execute(self, argv: list[str]) -> Completed:
        """Run a program and wait for it; its output is what it writes to descriptors 1 and 2."""
        from emukern.kernel.capture import CaptureFile, captured_table

        self._ready()
        output = CaptureFile(self.k)
        try:
            task = process.user_process(self.k, argv, fds=captured_table(self.k, output))
        except Errno as error:
            raise UsageError(f"cannot run {argv[0]}: {error}") from None
        except MemoryError:
            raise GuestOops(f"the guest has no memory to run {argv[0]}") from None
        self.k.sched.add(task)
        stop = self.run(lambda: task.pid not in self.k.sched.tasks)  # over, and reaped by init
        if task.state != "Z":
            raise GuestOops(f"the guest stopped ({stop.why}) before {' '.join(argv)} came back")
        code = task.exit_code
        status = code >> 8 if not code & 0x7F else 128 + (code & 0x7F)
        return Completed(output.text(), status)

    def alloc(self, data: bytes | int) -> int:
        """kmalloc a block of `data` bytes, or one that holds `data`."""
        size = data if isinstance(data, int) else len(data)
        address = self.k.heap.alloc(size, by="host")
        if not address:
            raise GuestOops(f"the guest has no {size} bytes")
        if not isinstance(data, int):
            self.k.mem.write(address, data)
        return address

    def leaks(self) -> list[tuple[int, int, str]]:
        """Heap blocks alive: address, size and who allocated them."""
        return [block for block in self.k.heap.live() if block[2] != "host"]

    def save(self) -> Snapshot:
        """A snapshot to `restore`."""
        from emukern import snapshot

        return snapshot.save(self.k)

    def restore(self, saved: Snapshot) -> None:
        """Put everything back as it was when `saved` was made."""
        from emukern import snapshot

        snapshot.restore(self.k, saved)


@dataclass(frozen=True, slots=True)
class ModuleHandle:
    """A loaded module of a guest."""

    guest: Guest
    name: str

    def address(self, symbol: str) -> int:
        """Address of a function or variable of the module, exported or not."""
        value = self.guest.k.symbols.tables[self.name].address_of(symbol)
        if value is None:
            raise UsageError(f"module {self.name} has no symbol {symbol}")
        return value

    def call(self, symbol: str, *args: SupportsIndex) -> int:
        """Call a function of the module; returns its 64-bit result, unsigned."""
        return self.guest.call(self.address(symbol), *args)
