"""A kernel with real memory and no CPU: enough for address spaces, areas and programs."""

from __future__ import annotations

import random
from types import SimpleNamespace

from emukern import arch as arches
from emukern.kernel.area import Area
from emukern.kernel.log import Log
from emukern.kernel.mm import AddressSpace, PageCache, UserMemory
from emukern.kernel.pages import Pages
from emukern.kernel.sched import Sched
from emukern.kernel.task import Task
from emukern.machine.clock import Clock
from emukern.machine.memory import Memory
from emukern.machine.pagetable import PageTables
from emukern.machine.ram import PAGE, Ram


class CountingCpu:
    """Counts what is flushed."""

    def __init__(self):
        self.code_flushes = 0
        self.translation_flushes = 0

    def flush_code(self):
        self.code_flushes += 1

    def flush_translations(self):
        self.translation_flushes += 1


class MemoryKernel:
    """`frames` page frames, one process that is `current`."""

    def __init__(self, arch="x86_64", frames=512):
        self.arch = arches.get(arch)
        base = self.arch.layout.ram
        self.ram = Ram(base, frames * PAGE)
        self.pages, self.cpu = Pages(self.ram, base), CountingCpu()
        self.tables = PageTables(self.arch.paging, self.ram, self.pages.alloc, self.pages.free)
        self.mem = Memory(self.arch.layout, self.ram, self.tables)
        self.kernel_root = self.mem.root = self.pages.alloc()
        self.user, self.page_cache = UserMemory(self), PageCache()
        self.rng, self.clock, self.sched = random.Random(1), Clock(), Sched()
        self.log = Log(self.clock, None, self.sched)
        self.names, self.part_state = {}, {}
        self.current = self.process("first")

    @property
    def current(self):
        """The process that runs, in its address space."""
        return self._current

    @current.setter
    def current(self, task):
        self._current = task
        self.mem.root = task.mm.root

    def area(self, npages=64):
        """A range of kernel addresses, seen from the kernel's own tables."""
        self.mem.root = self.kernel_root
        start = self.arch.layout.vmalloc
        return Area(self.cpu, self.tables, self.pages, self.kernel_root, start, npages * PAGE)

    def process(self, name):
        """A process with an empty address space; pids from 2 on, for 1 is init."""
        task = Task(self.sched.new_pid() + 1, 1, name, 0, 0)
        task.mm = AddressSpace(self, self.arch.layout.user_top)
        task.mm.brk_start = task.mm.brk = 0x500000
        task.fds = SimpleNamespace()
        self.sched.add(task)
        return task

    def fork(self, parent):
        """A child as fork makes it."""
        child = Task(self.sched.new_pid() + 1, parent.pid, parent.name, 0, 0)
        child.mm = parent.mm.copy(self)
        self.sched.add(child)
        return child

    def end(self, task):
        """Give a process's memory back."""
        task.mm.destroy(self)
        self.sched.remove(task)
