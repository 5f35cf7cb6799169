"""The tiny kernel: a bag of parts and what is current. What its parts do stands in their own files."""

from __future__ import annotations

import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emukern import elf
from emukern.arch import Arch
from emukern.errors import GuestFault
from emukern.flow import Continuation
from emukern.kernel.area import Area
from emukern.kernel.bootinfo import built, constants
from emukern.kernel.chrdev import CharDevices
from emukern.kernel.heap import Heap
from emukern.kernel.log import Log
from emukern.kernel.mm import PageCache, UserMemory
from emukern.kernel.pages import Pages
from emukern.kernel.sched import Sched
from emukern.kernel.task import Task
from emukern.kernel.timer import Timers
from emukern.kernel.tty import Tty
from emukern.kmod.symbols import Exports, Symbol, SymbolChain, SymbolTable
from emukern.machine.clock import Clock
from emukern.machine.cpu import Cpu
from emukern.machine.memory import Memory
from emukern.machine.pagetable import PageTables
from emukern.machine.ram import PAGE, Ram

if TYPE_CHECKING:
    from emukern.kernel.devfs import DevFs
    from emukern.kernel.vfs import Vfs
    from emukern.kmod.module import Module
    from emukern.machine.console import Console
    from emukern.trap import Trap

STATE = (
    "pages", "vmalloc_area", "module_area", "data_area", "heap", "log", "sched", "vfs", "devfs", "tty", "timers",
    "clock", "rng", "symbols", "modules", "chrdev", "page_cache", "current", "exported_data", "power", "taints",
    "panic", "booted", "spare", "spare_home", "seen_jump", "next_tick", "kernel_context", "lazy", "lazy_symbols",
    "part_state",
)  # fmt: skip
DATA_OFFSET, DATA_SIZE = 0x10_0000, 0x40_0000  # exported variables, beyond the stub window


class DataArea:
    """Exported variables: never freed, so a counter suffices. `pages` of it are mapped."""

    def __init__(self, area: Area) -> None:
        self._area = area
        self._next = area.start
        self._mapped = area.start

    @property
    def end(self) -> int:
        """First address beyond what is in use."""
        return self._next

    def alloc(self, size: int, align: int = 8) -> int:
        """Address of `size` zeroed bytes that modules reach with a 32-bit displacement."""
        start = -(-self._next // align) * align
        self._next = start + size
        while self._mapped < self._next:
            self._area.extend(self._mapped)
            self._mapped += PAGE
        return start


class ArgumentWords:
    """The integer arguments of the C function that trapped, as its psABI passes them."""

    def __init__(self, arch: Arch, cpu: Cpu, mem: Memory) -> None:
        self._gpr, self._mem = cpu.gpr, mem
        self._order, self._sp = arch.registers.args, arch.registers.sp
        self._skip = arch.call_stack_slot
        self.nregs = len(self._order)

    def reg(self, i: int) -> int:
        """Register argument `i`."""
        return int(self._gpr[self._order[i]])

    def stack(self, i: int) -> int:
        """The `i`-th 8-byte argument on the stack."""
        return self._mem.u64(self._gpr[self._sp] + self._skip + 8 * i)


class Kernel:
    """Everything the handlers reach through `k`. The names in STATE are its snapshot; the rest is the machine."""

    release = "0.1.0"
    vermagic: str | None = None  # any module may try
    share: Path | None = None
    lazy_room = 1024  # stubs kept for symbols nobody exports
    init_args: tuple[str, ...] = ()
    trace: list[tuple[int, int, Trap]] | None = None  # block count, pc and trap of every exit, when wanted
    lockup_blocks = 400_000_000  # soft lockup: this much work in one stint; about a second of host time
    stack_size: int

    def __init__(self, arch: Arch, ram: Ram, cpu: Cpu, console: Console, *, seed: int) -> None:
        self.arch, self.ram, self.cpu, self.console = arch, ram, cpu, console
        self.image = built(arch.name, "kernel.elf")
        self.names = {s.name: s for s in elf.symbols(self.image) if s.name}
        self.stack_size = constants()["THREAD_SIZE"]
        layout = arch.layout
        end = self.names["_end"].value - layout.image + layout.ram
        self.pages = Pages(ram, -(-end // PAGE) * PAGE)
        # Not bound methods: restoring a snapshot replaces self.pages.
        self.tables = PageTables(
            arch.paging, ram, lambda: self.pages.alloc(), lambda phys: self.pages.free(phys)
        )
        self.mem = Memory(layout, ram, self.tables)
        self.user = UserMemory(self)
        self.args = ArgumentWords(arch, cpu, self.mem)
        self.kernel_root = self.names["boot_root"].value - layout.image + layout.ram
        self.mem.root = self.kernel_root
        self.percpu_base = self.names["percpu_area"].value if arch.percpu_relative else 0
        self.kret = self.names["kret"].value
        self.enter_user = self.names["enter_user"].value
        self._make_parts(seed)
        cpu.fetch = self._fetch

    def _make_parts(self, seed: int) -> None:
        layout = self.arch.layout

        def area(start: int, size: int) -> Area:
            return Area(self.cpu, self.tables, self.pages, self.kernel_root, start, size)

        self.vmalloc_area = area(layout.vmalloc, layout.vmalloc_size)
        self.module_area = area(layout.modules, layout.modules_size)
        self.data_area = DataArea(area(layout.stubs + DATA_OFFSET, DATA_SIZE))
        self.clock = Clock()
        self.rng = random.Random(seed)
        self.sched = Sched()
        self.log = Log(self.clock, self.console, self.sched)
        self.heap = Heap(self.mem, self.pages, self.vmalloc_area)
        self.timers = Timers()
        self.tty = Tty()
        self.chrdev = CharDevices()
        self.page_cache = PageCache()
        self.symbols = SymbolChain()
        self.modules: dict[str, Module] = {}
        self.exported_data: dict[str, int] = {}
        self.part_state: dict[str, Any] = {}  # what single export files remember, by their own key
        self.lazy: list[tuple[str, str]] = []  # stubs of missing symbols: (symbol, module)
        self.lazy_symbols = False
        self.vfs: Vfs
        self.devfs: DevFs
        self.power: tuple[str, int] | None = None
        self.panic: str | None = None
        self.spare: tuple[int, int] | None = None  # a kernel stack and task_struct ready for the next task
        self.spare_home = 0
        self.booted = False  # the boot task has become init and is now the idle task
        self.seen_jump = -1
        self.next_tick = 0
        self.taints: set[str] = set()
        self.kernel_context = b""
        self.current = Task(0, 0, "swapper", self.names["boot_stack"].value, self.names["init_task"].value)
        self.sched.tasks[0] = self.current

    def _fetch(self, address: int, size: int) -> bytes:
        try:
            return self.mem.read(address, size)
        except GuestFault as fault:
            raise LookupError(str(fault)) from None

    def put_back(self, context: bytes) -> None:
        """Let the CPU hold what it held when `context` was saved, in the address space of now."""
        self.cpu.restore(context)
        self.cpu.keep_root(self.mem.root)

    def use_root(self, root: int) -> None:
        """Switch the address space."""
        if root != self.mem.root:
            self.mem.root = root
            self.cpu.set_root(root)
        else:
            self.cpu.keep_root(root)

    def publish_symbols(self) -> int:
        """Offer what the image and the Python handlers export; returns how many names there are."""
        from emukern.kapi import export

        image, rows, stubs = Exports("image"), [], []
        for name, symbol in self.names.items():
            for prefix, gpl in (("__ksymtab_gpl_", True), ("__ksymtab_", False)):
                if name.startswith(prefix):
                    real = name[len(prefix) :]
                    kind = "func" if self.names[real].type == elf.STT_FUNC else "data"
                    image.table[real] = Symbol(real, self.names[real].value, None, gpl, kind)
                    break
            if symbol.shndx not in (elf.SHN_UNDEF, elf.SHN_ABS) and symbol.type != elf.STT_FILE:
                rows.append((name, symbol.value, "T" if symbol.type == elf.STT_FUNC else "D"))
        python = Exports("kernel")
        export.install_data(self)
        for made in export.kernel_symbols(self).values():
            kind = "data" if made.data else "func"
            python.table[made.name] = Symbol(made.name, made.value, None, made.gpl, kind)
            stubs.append((made.name, made.value, "D" if made.data else "T"))
        self.symbols.kernel = [image, python]
        self.symbols.kernel_table = SymbolTable.of(rows, self.names["_end"].value)
        self.symbols.stub_table = SymbolTable.of(stubs, self.data_area.end)
        return len(image.table) + len(python.table)

    @property
    def jiffies_address(self) -> int:
        """Where modules read the tick counter; 0 before exports are there."""
        return self.exported_data.get("jiffies", 0)

    def is_text(self, address: int) -> bool:
        """Is there kernel or module code at `address`?"""
        found = self.tables.lookup(self.kernel_root, address)
        return found is not None and "x" in found[1]

    @property
    def caller(self) -> str:
        """Who called the export or made the system call that is being answered, for messages."""
        if self.cpu.arch.user(self.cpu):
            return f"{self.current.name}[{self.current.pid}]"
        from emukern.kernel import symbolise

        return symbolise.name(self, self.arch.return_address(self), back=1)

    def lazy_stub(self, name: str, module: str) -> int | None:
        """An address for a symbol nobody exports: calling it stops with its name. None unless lazy symbols are on."""
        if not self.lazy_symbols:
            return None
        from emukern.kapi import export

        if (name, module) not in self.lazy:
            self.lazy.append((name, module))
        slot = len(export.slots()) + self.lazy.index((name, module))
        return self.arch.layout.stubs + slot * export.STUB_SIZE

    def spawn(self, name: str, function: Continuation, **data: Any) -> Task:
        """A kernel thread whose first act is `function(k, 0, **data)`."""
        from emukern.kernel.process import new_thread

        return new_thread(self, name, function, data)
