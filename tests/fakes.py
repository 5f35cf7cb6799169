"""A kernel without a CPU: enough parts to call system calls with, and user memory as one block."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from types import SimpleNamespace

from emukern import flow
from emukern.arch.riscv64 import userabi as riscv64_abi
from emukern.arch.x86_64 import userabi as x86_64_abi
from emukern.errors import Errno
from emukern.kernel.devfs import DevFs
from emukern.kernel.fdtable import FileTable, FsContext
from emukern.kernel.log import Log
from emukern.kernel.procfs import ProcFs
from emukern.kernel.ramfs import RamFs
from emukern.kernel.tty import Tty
from emukern.kernel.vfs import Vfs
from emukern.syscalls import table

EFAULT, ENAMETOOLONG = 14, 36
USER, USER_SIZE = 0x10000, 0x80000


class FakeUser:
    """User memory at [USER, USER + USER_SIZE); everything else is a bad pointer."""

    def __init__(self):
        self.memory = bytearray(USER_SIZE)

    def _place(self, addr, count):
        if count and not USER <= addr <= addr + count <= USER + USER_SIZE:
            raise Errno(EFAULT)
        return addr - USER

    def copy_from(self, addr, count):
        place = self._place(addr, count)
        return bytes(self.memory[place : place + count])

    def copy_to(self, addr, data):
        place = self._place(addr, len(data))
        self.memory[place : place + len(data)] = data

    def cstr(self, addr, limit):
        for count in range(limit + 1):
            if self.copy_from(addr + count, 1) == b"\0":
                return self.copy_from(addr, count)
        raise Errno(ENAMETOOLONG)

    def u32(self, addr):
        return int.from_bytes(self.copy_from(addr, 4), "little")

    def put_u32(self, addr, value):
        self.copy_to(addr, (value & 0xFFFFFFFF).to_bytes(4, "little"))

    def u64(self, addr):
        return int.from_bytes(self.copy_from(addr, 8), "little")

    def put_u64(self, addr, value):
        self.copy_to(addr, (value & (1 << 64) - 1).to_bytes(8, "little"))


@dataclass
class FakeTask:
    pid: int
    fds: FileTable
    fs: FsContext
    name: str = "test"
    ppid: int = 0
    pgid: int = 1
    sid: int = 1
    compat: bool = False
    woken: str | None = None
    progress: int = 0
    state: str = "R"
    argv: tuple[str, ...] = ("test", "-x")
    mm: None = None
    user: bool = True
    interruptible: bool = True
    exit_code: int = 0
    signals: set = field(default_factory=set)
    ignored: set = field(default_factory=set)


class FakeSched:
    def __init__(self):
        self.tasks = {}
        self.woken = []

    def wake(self, on, count=None):
        self.woken.append(on)
        return 0

    def wake_task(self, task, why):
        task.woken = why
        return True


class FakeConsole:
    def __init__(self):
        self.output = b""

    def write(self, data):
        self.output += data


class FakeClock:
    jumped = 10_000_000_000
    now = 12_340_000_000
    realtime = 1_700_000_000_123_456_789
    hz = 250


class FakeArch:
    def __init__(self, name="x86_64"):
        self.name = name
        self.userabi = {"x86_64": x86_64_abi, "riscv64": riscv64_abi}[name]


class FakeKernel:
    """`k` as far as files go. `sys(name, *args)` is a system call; text and bytes go into user memory."""

    release = "0.1.0"
    chrdev = None

    def __init__(self, arch="x86_64"):
        self.arch = FakeArch(arch)
        self.user, self.sched, self.console = FakeUser(), FakeSched(), FakeConsole()
        self.clock, self.rng = FakeClock(), random.Random(1)
        self.log = Log(self.clock, None, self.sched)
        self.pages = SimpleNamespace(total=1000, used=250)
        self.tty, self.vfs, self.devfs = Tty(), Vfs(RamFs()), DevFs()
        self.vfs.mkdir("/dev")
        self.vfs.mount("/dev", self.devfs)
        self.vfs.mkdir("/proc")
        self.vfs.mount("/proc", ProcFs())
        self.current = self.task(2)
        self.pointer = USER
        self.modules, self.init_args = {}, ()

    def task(self, pid):
        task = FakeTask(pid, FileTable(), FsContext(self.vfs.root))
        self.sched.tasks[pid] = task
        return task

    def put(self, data):
        """Bytes into fresh user memory; answers their address."""
        address = self.pointer
        self.pointer = address + len(data) + 7 & ~7
        if self.pointer > USER + USER_SIZE // 2:
            self.pointer = USER
            return self.put(data)
        self.user.copy_to(address, data)
        return address

    def retry(self, name, *args):
        """The system call's answer, or "ENAME"; for the task it is the one before, tried again."""
        raw = tuple(self.put(a.encode() + b"\0") if isinstance(a, str) else a for a in args)
        raw = tuple(self.put(a) if isinstance(a, bytes) else a for a in raw)
        call = table.load_all()[name]
        try:
            return call.invoke(self, (raw + (0,) * 6)[:6], self.current.compat)
        except Errno as failure:
            return str(failure).split()[0]

    def sys(self, name, *args):
        """A fresh system call."""
        self.current.progress, self.current.woken = 0, None
        return self.retry(name, *args)

    def read(self, fd, count=4096):
        """What read(2) puts into memory, or what it answers instead of a count."""
        answer = self.sys("read", fd, BUFFER, count)
        return self.user.copy_from(BUFFER, answer) if isinstance(answer, int) else answer

    def cat(self, path):
        """A file's content, through open, read and close."""
        fd = self.sys("openat", -100, path, 0, 0)
        if not isinstance(fd, int):
            return fd
        parts = []
        while part := self.read(fd):
            if not isinstance(part, bytes):
                return part
            parts.append(part)
        self.sys("close", fd)
        return b"".join(parts)

    def finish(self, call, rv):
        """Let the guest function of a `Call` answer `rv`."""
        return flow.CONTINUATIONS[call.then](self, rv & (1 << 64) - 1, **call.data)


BUFFER = USER + USER_SIZE // 2
