"""A kernel with real memory and no CPU: enough for address spaces, areas and programs."""

from __future__ import annotations

import random

from emukern import arch as arches
from emukern.errors import Errno
from emukern.kernel import process
from emukern.kernel.area import Area
from emukern.kernel.fdtable import FileTable, FsContext
from emukern.kernel.log import Log
from emukern.kernel.mm import AddressSpace, PageCache, UserMemory, VmArea
from emukern.kernel.pages import Pages
from emukern.kernel.sched import Sched
from emukern.machine.clock import Clock
from emukern.machine.memory import Memory
from emukern.machine.pagetable import PageTables
from emukern.machine.ram import PAGE, Ram
from emukern.syscalls import table


class CountingCpu:
    """Counts what is flushed."""

    def __init__(self):
        self.code_flushes = 0
        self.translation_flushes = 0

    def flush_code(self):
        self.code_flushes += 1

    def flush_translations(self):
        self.translation_flushes += 1

    def save(self):
        return b""


class MemoryKernel:
    """Init and a process that is `current`; `free`: how many page frames are left to them."""

    def __init__(self, arch="x86_64", free=None):
        self.arch = arches.get(arch)
        base = self.arch.layout.ram
        self.ram = Ram(base, 1024 * PAGE)
        self.pages, self.cpu = Pages(self.ram, base), CountingCpu()
        self.tables = PageTables(self.arch.paging, self.ram, self.pages.alloc, self.pages.free)
        self.mem = Memory(self.arch.layout, self.ram, self.tables)
        self.kernel_root = self.mem.root = self.pages.alloc()
        self.user, self.page_cache = UserMemory(self), PageCache()
        self.rng, self.clock, self.sched = random.Random(1), Clock(), Sched()
        self.log = Log(self.clock, None, self.sched)
        self.spare, self.spare_home, self.stack_size = None, -1, PAGE
        self.vmalloc_area = self.area(1024)
        self.init = self.process("init", ppid=0)
        self.current = self.process("first")
        self.held = self.hold(free)

    def hold(self, free):
        """Take all frames but `free` away; answers them."""
        count = self.pages.total - self.pages.used - free if free is not None else 0
        return [self.pages.alloc() for _ in range(count)]

    @property
    def current(self):
        """The process that runs, in its address space."""
        return self._current

    @current.setter
    def current(self, task):
        self._current = task
        self.mem.root = task.mm.root

    def area(self, npages, offset=0):
        """A range of kernel addresses, seen from the kernel's own tables."""
        self.mem.root = self.kernel_root
        start = self.arch.layout.vmalloc + offset
        return Area(self.cpu, self.tables, self.pages, self.kernel_root, start, npages * PAGE)

    def use_root(self, root):
        self.mem.root = root

    def process(self, name, ppid=1):
        """A process with an empty address space."""
        task = process.new_task(self, name, ppid)
        task.mm = AddressSpace(self, self.arch.layout.user_top)
        task.mm.brk_start = task.mm.brk = 0x500000
        task.fds, task.fs = FileTable(), FsContext(None)
        self.sched.add(task)
        return task

    def fork(self, parent):
        """A child of `parent`."""
        return process.fork(self, parent)

    def end(self, task, code=0):
        """The process exits; its parent has not waited for it."""
        process.leave(self, task, code)
        if task is not self.current:
            self.use_root(self.current.mm.root)

    def sys(self, name, *args, compat=False):
        """A system call's answer, or "ENAME". Long and pointer arguments as numbers."""
        try:
            return table.load_all()[name].invoke(self, (args + (0,) * 6)[:6], compat)
        except Errno as failure:
            return str(failure).split()[0]

    def put(self, data, address=0x600000):
        """Map fresh memory of the current process at `address` with `data` in it; answers the address."""
        mm = self.current.mm
        mm.unmap(self, address, address + 4 * PAGE)
        mm.add(VmArea(address, address + 4 * PAGE, "rw"))
        self.user.copy_to(address, data)
        return address
