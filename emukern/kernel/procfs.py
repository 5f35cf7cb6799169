"""/proc: files whose text is made when they are read, each by one small function.

    @proc("uptime")
    def uptime(k: Kernel) -> str: ...

    @proc("<pid>/comm")
    def comm(k: Kernel, task: Task) -> str: ...

Formats are those of proc(5).
"""

from __future__ import annotations

import errno
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from emukern.errors import Errno
from emukern.kernel.inode import FILESYSTEMS, Directory, Filesystem, Inode, encode, filesystem
from emukern.kernel.openfile import DEVICES, File, TextFile, makedev

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel
    from emukern.kernel.task import Task

VERSION = "#1"  # uname -v
PAGE = 4096
PID_INO = 1 << 16  # inode numbers of one process's files start at pid times this
MODE = stat.S_IFREG | 0o444
NANOSECONDS = 10**9

Maker = Callable[..., str]
FILES: dict[str, Maker] = {}
PID_FILES: dict[str, Maker] = {}


def proc(path: str) -> Callable[[Maker], Maker]:
    """Decorator: the function makes the text of /proc/`path`, which may start with "<pid>/"."""

    def register(make: Maker) -> Maker:
        per_process = path.startswith("<pid>/")
        registry, name = (PID_FILES, path[len("<pid>/") :]) if per_process else (FILES, path)
        if name in registry:
            raise ValueError(f"two files are named /proc/{path}")
        registry[name] = make
        return make

    return register


class ProcFs(Filesystem):
    """The whole tree; nothing of it is kept."""

    kind = "proc"
    fixed = True

    def __init__(self) -> None:
        super().__init__()
        self.root: Directory = ProcRoot(self)


@filesystem("proc")
def new_procfs(k: Kernel) -> ProcFs:
    return ProcFs()


class ProcText(Inode):
    """One file, of process `pid` or of the system (0)."""

    __slots__ = ("name", "pid")

    def __init__(self, fs: Filesystem, pid: int, name: str) -> None:
        super().__init__(fs, number_of(pid, name), MODE)
        self.pid = pid
        self.name = name

    def open(self, k: Kernel, flags: int) -> File:
        return TextFile(self, flags)

    def text(self, k: Kernel) -> bytes:
        """Raises ESRCH when the process is gone."""
        if not self.pid:
            return encode(FILES[self.name](k))
        task = k.sched.tasks.get(self.pid)
        if task is None:
            raise Errno(errno.ESRCH)
        return encode(PID_FILES[self.name](k, task))

    def read_all(self, k: Kernel | None) -> bytes:
        assert k is not None
        return self.text(k)


class ProcSelf(Inode):
    """/proc/self, the link to the reader's own directory."""

    __slots__ = ()

    def __init__(self, fs: Filesystem) -> None:
        super().__init__(fs, 2, stat.S_IFLNK | 0o777)

    def readlink(self, k: Kernel | None) -> str:
        assert k is not None
        return str(k.current.pid)


def number_of(pid: int, name: str) -> int:
    """The inode number of a file: its place among its kind, which no order of use changes."""
    return pid * PID_INO + 16 + sorted(PID_FILES if pid else FILES).index(name)


class ProcPid(Directory):
    """The directory of one process."""

    __slots__ = ("pid",)

    def __init__(self, above: Directory, pid: int) -> None:
        super().__init__(above.fs, pid * PID_INO + 1, 0o555, above, str(pid))
        self.pid = pid
        self.nlink = 2

    def lookup(self, k: Kernel | None, name: str) -> Inode | None:
        return ProcText(self.fs, self.pid, name) if name in PID_FILES else None

    def entries(self, k: Kernel | None) -> list[tuple[str, int, int]]:
        return [(name, number_of(self.pid, name), MODE) for name in sorted(PID_FILES)]


class ProcRoot(Directory):
    """The top: the system's files, then the processes."""

    __slots__ = ()

    def __init__(self, fs: Filesystem) -> None:
        super().__init__(fs, 1, 0o555, None, "")
        self.nlink = 2

    def lookup(self, k: Kernel | None, name: str) -> Inode | None:
        if name in FILES:
            return ProcText(self.fs, 0, name)
        if name == "self":
            return ProcSelf(self.fs)
        if k is None or not name.isdecimal() or not name.isascii() or name != str(int(name)):
            return None
        return ProcPid(self, int(name)) if int(name) in processes(k) else None

    def entries(self, k: Kernel | None) -> list[tuple[str, int, int]]:
        assert k is not None
        rows = [(name, number_of(0, name), MODE) for name in sorted(FILES)]
        rows.append(("self", 2, stat.S_IFLNK))
        return rows + [(str(pid), pid * PID_INO + 1, stat.S_IFDIR) for pid in sorted(processes(k))]


def processes(k: Kernel) -> dict[int, Task]:
    """Every task but the idle one."""
    return {pid: task for pid, task in k.sched.tasks.items() if pid}


# The system.


@proc("cmdline")
def cmdline(k: Kernel) -> str:
    """The boot has no parameters but what init gets; those follow "--", as for Linux."""
    return " ".join(("--", *k.init_args) if k.init_args else ()) + "\n"


@proc("devices")
def devices(k: Kernel) -> str:
    """Major numbers in use: the kernel's own, then those of modules."""
    own = {1: "mem", 5: "tty"}
    assert {number for number, _ in DEVICES} == set(own)
    rows = sorted({**own, **k.chrdev.majors()}.items())
    listed = "".join(f"{major:3d} {name}\n" for major, name in rows)
    return f"Character devices:\n{listed}\nBlock devices:\n"


@proc("filesystems")
def filesystems(k: Kernel) -> str:
    kinds = list(FILESYSTEMS) + [each.fs.kind for each in k.vfs.mounts]
    return "".join(f"nodev\t{kind}\n" for kind in dict.fromkeys(kinds))


@proc("kallsyms")
def kallsyms(k: Kernel) -> str:
    rows = []
    for address, kind, name, module in k.symbols.kallsyms():
        rows.append(f"{address:016x} {kind} {name}" + (f"\t[{module}]\n" if module else "\n"))
    return "".join(rows)


@proc("meminfo")
def meminfo(k: Kernel) -> str:
    free = k.pages.total - k.pages.used
    rows = (("MemTotal", k.pages.total), ("MemFree", free), ("MemAvailable", free))
    return "".join(f"{name + ':':<16}{pages * PAGE // 1024:8d} kB\n" for name, pages in rows)


@proc("modules")
def modules(k: Kernel) -> str:
    """The newest first, as in Linux."""
    return "".join(f"{module.proc_line}\n" for module in reversed(k.modules.values()))


@proc("mounts")
def mounts(k: Kernel) -> str:
    rows = []
    for each in k.vfs.mounts:
        rows.append(f"{each.source} {each.path} {each.fs.kind} {'ro' if each.fs.readonly else 'rw'} 0 0\n")
    return "".join(rows)


@proc("uptime")
def uptime(k: Kernel) -> str:
    """Seconds since boot, and how many of them the machine slept."""
    numbers = (k.clock.now, k.clock.jumped)
    return " ".join(f"{ns // NANOSECONDS}.{ns % NANOSECONDS // 10**7:02d}" for ns in numbers) + "\n"


@proc("version")
def version(k: Kernel) -> str:
    return f"Linux version {k.release} (emukern) {VERSION}\n"


# One process.


def state_of(task: Task) -> str:
    """The letter ps shows."""
    return "D" if task.state == "S" and not task.interruptible else task.state


@proc("<pid>/cmdline")
def pid_cmdline(k: Kernel, task: Task) -> str:
    return "".join(f"{word}\0" for word in task.argv)


@proc("<pid>/comm")
def pid_comm(k: Kernel, task: Task) -> str:
    return f"{task.name[:15]}\n"


@proc("<pid>/maps")
def pid_maps(k: Kernel, task: Task) -> str:
    rows = []
    for area in task.mm.areas if task.mm else ():
        letters = "".join(letter if letter in area.prot else "-" for letter in "rwx")
        where = f"{area.start:08x}-{area.end:08x} {letters}{'s' if area.shared else 'p'}"
        row = f"{where} {area.offset:08x} 00:00 0"
        rows.append(f"{row:<73}{area.name}\n" if area.name else f"{row} \n")
    return "".join(rows)


@proc("<pid>/stat")
def pid_stat(k: Kernel, task: Task) -> str:
    """The 52 fields of proc(5); 0 for what nobody counts here."""
    fields: list[Any] = [0] * 52
    on_tty = k.tty.session != 0 and task.sid == k.tty.session
    fields[:8] = (
        task.pid, f"({task.name[:15]})", state_of(task), task.ppid, task.pgid, task.sid,
        makedev(5, 1) if on_tty else 0, k.tty.foreground if on_tty else -1,
    )  # fmt: skip
    fields[17], fields[19] = 20, 1  # priority, threads
    fields[22] = vm_size(task)
    fields[23] = len(task.mm.pages) if task.mm else 0
    fields[37] = 17  # exit_signal: SIGCHLD
    fields[51] = task.exit_code
    return " ".join(map(str, fields)) + "\n"


@proc("<pid>/status")
def pid_status(k: Kernel, task: Task) -> str:
    words = {"R": "running", "S": "sleeping", "D": "disk sleep", "Z": "zombie"}
    state = state_of(task)
    rows = [
        ("Name", task.name[:15]),
        ("State", f"{state} ({words[state]})"),
        ("Tgid", task.pid),
        ("Pid", task.pid),
        ("PPid", task.ppid),
        ("Uid", "0\t0\t0\t0"),
        ("Gid", "0\t0\t0\t0"),
        ("Threads", 1),
    ]
    if task.fs:
        rows.insert(1, ("Umask", f"{task.fs.umask:04o}"))
    if task.fds:
        rows.append(("FDSize", len(task.fds.files)))
    if task.mm:
        rows += [("VmSize", f"{vm_size(task) // 1024:8d} kB"), ("VmRSS", f"{len(task.mm.pages) * 4:8d} kB")]
    return "".join(f"{name}:\t{value}\n" for name, value in rows)


def vm_size(task: Task) -> int:
    """Bytes of address space in use."""
    return sum(area.end - area.start for area in task.mm.areas) if task.mm else 0
