"""What the programs in a borrowed kernel's user space ask the host, and the host's answers.

guest/linux/include/hypercall.h tells the services and the records. One process, the worker, asks for one command after
the other; `Agent.commands` is what the host wants, `Agent.results` what became of it, in the same order and without a
result for Park. modprobe asks in any process and at any time. An answer below 0 is a negative errno for the program.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emukern.errors import Errno, GuestFault, ModuleError, SnapshotError, UsageError

if TYPE_CHECKING:
    from emukern.linux.depends import ModuleTree

VERSION = 2
PIECE = 65536  # bytes of a file at a time, and the longest record
O_NONBLOCK = 0o4000


class Service(IntEnum):
    """What a program can ask for; its arguments are in hypercall.h."""

    HELLO = 0
    NEXT = 1
    READ = 2
    WRITE = 3
    STATUS = 4
    MODPROBE = 5
    DIED = 6


# Commands.


@dataclass(frozen=True, slots=True)
class Park:
    """Call getppid(), where the host catches the kernel. This is also what comes when there is no command."""


@dataclass(frozen=True, slots=True)
class Exec:
    """Run a program; with `capture` its output comes back in the result, else it runs on the console.

    `env`: its whole environment as NAME=VALUE, or () for the usual one. Result: `Exited`, or `Errno`.
    """

    argv: tuple[str, ...]
    env: tuple[str, ...] = ()
    capture: bool = True


@dataclass(frozen=True, slots=True)
class Shell:
    """Run a program in a session of its own at the console. `rows` and `columns`: the terminal's size, 0 if unknown."""

    argv: tuple[str, ...] = ("/bin/sh",)
    env: tuple[str, ...] = ()
    rows: int = 0
    columns: int = 0


@dataclass(frozen=True, slots=True)
class Put:
    """Create a file with this content, or that of a host's file, and the folders above it. Result: `Done`."""

    path: str
    content: bytes | Path
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class Folder:
    """Create a folder, and those above it. Result: `Done`."""

    path: str
    mode: int = 0o755


@dataclass(frozen=True, slots=True)
class Link:
    """Create a symbolic link to `target`. Result: `Done`."""

    path: str
    target: str


@dataclass(frozen=True, slots=True)
class InitModule:
    """init_module(2) with these bytes; finit_module(2) when there are `flags`. Result: `Done`."""

    image: bytes
    params: str = ""
    flags: int | None = None


@dataclass(frozen=True, slots=True)
class DeleteModule:
    """delete_module(2). Result: `Done`."""

    name: str
    flags: int = O_NONBLOCK


@dataclass(frozen=True, slots=True)
class PowerOff:
    """sync(2), and switch the machine off. Result, before that: `Done`."""

    status: int = 0


@dataclass(frozen=True, slots=True)
class Reboot:
    """sync(2), and start the machine anew. Result, before that: `Done`."""


Command = Park | Exec | Shell | Put | Folder | Link | InitModule | DeleteModule | PowerOff | Reboot


# Results.


@dataclass(frozen=True, slots=True)
class Exited:
    """A program ended: its exit status (128 + signal when killed), and what it printed if that was captured."""

    status: int
    output: bytes = b""


@dataclass(frozen=True, slots=True)
class Done:
    """A system call came back: `status` is 0 or the errno, positive."""

    status: int


@dataclass(frozen=True, slots=True)
class Died:
    """The worker was killed in the middle of a command: 128 + signal. What it printed until then is in `output`."""

    status: int
    output: bytes = b""


Result = Exited | Done | Died | Errno


class Agent:
    """The host's end. Everything but `modules` and `options` is state of the machine and goes into snapshots.

    `modules`: the tree that modprobe sees, or a function that gives it, or None when there is none. `options`: module
    name → parameters that modprobe passes to it.
    """

    __slots__ = ("__dict__", "modules", "options")
    modules: ModuleTree | Callable[[], ModuleTree | None] | None
    options: dict[str, str]

    def __init__(self) -> None:
        self.modules = None
        self.options = {}
        self.commands: list[Command] = []
        self.results: list[Result] = []
        self.parking = False  # the worker is on its way into the system call, or in it
        self.died = 0  # workers that were killed
        self.running: Command | None = None
        self._output = bytearray()
        self._files: dict[int, bytes | str] = {}  # by handle: content, or a path in the module tree
        self._last_handle = 0

    def answer(self, machine: Any, service: int, a: int, b: int, c: int) -> int:
        """The answer to one hypercall; `machine.mem` is the asking program's memory."""
        try:
            match service:
                case Service.HELLO:
                    return self._hello(a)
                case Service.NEXT:
                    return self._next(machine.mem, a, b)
                case Service.READ:
                    return self._read(machine.mem, a, b, c)
                case Service.WRITE:
                    return self._write(machine.mem, b, c)
                case Service.STATUS:
                    return self._status(a)
                case Service.MODPROBE:
                    return self._modprobe(machine.mem, a, b, c)
                case Service.DIED:
                    return self._died(a)
        except GuestFault:
            return -errno.EFAULT
        return -errno.ENOSYS

    def _hello(self, version: int) -> int:
        if version != VERSION:
            raise SnapshotError(f"the guest's programs speak version {version} of our language, not {VERSION}")
        return 0

    # The worker.

    def _next(self, mem: Any, buf: int, room: int) -> int:
        self.running, self.parking = None, False
        self._forget()
        while self.commands:
            command = self.commands.pop(0)
            try:
                record = self._record(command)
                problem = 0 if len(record) <= room else errno.E2BIG
            except OSError as error:
                problem = error.errno or errno.EIO
            if not problem:
                break
            self.results.append(self._result(command, -problem))
            self._forget()
        else:
            command, record = Park(), _strings("park")
        mem.write(buf, record)
        self.parking = isinstance(command, Park)
        self.running = None if self.parking else command
        return len(record)

    def _record(self, command: Command) -> bytes:
        """A command as the worker reads it. Raises `OSError` when a host's file cannot be read."""
        match command:
            case Park():
                return _strings("park")
            case Exec(argv, env, True):
                return _strings("exec", len(argv), *argv, *env)
            case Exec(argv, env):
                return _strings("shell", 0, 0, len(argv), *argv, *env)
            case Shell(argv, env, rows, columns):
                return _strings("shell", rows, columns, len(argv), *argv, *env)
            case Put(path, content, mode):
                return _strings("file", path, mode, *self._offer(content))
            case Folder(path, mode):
                return _strings("folder", path, mode)
            case Link(path, target):
                return _strings("link", path, target)
            case InitModule(image, params, flags):
                how = ("insmod", ()) if flags is None else ("finsmod", (flags,))
                return _strings(how[0], *self._offer(image), params, *how[1])
            case DeleteModule(name, flags):
                return _strings("rmmod", name, flags)
            case PowerOff(status):
                return _strings("poweroff", status)
            case Reboot():
                return _strings("reboot")

    def _offer(self, content: bytes | Path) -> tuple[int, int]:
        """A file for the running command: handle and size."""
        data = content.read_bytes() if isinstance(content, Path) else content
        return self._open(data), len(data)

    def _open(self, file: bytes | str) -> int:
        self._last_handle += 1
        self._files[self._last_handle] = file
        return self._last_handle

    def _read(self, mem: Any, handle: int, offset: int, buf: int) -> int:
        file = self._files.get(handle)
        if isinstance(file, str):
            try:
                file = self._tree().blob(file)
            except ModuleError as refusal:
                return -refusal.errno
            except OSError as error:
                return -(error.errno or errno.EIO)
        if file is None:
            return -errno.EBADF
        piece = file[offset : offset + PIECE]
        mem.write(buf, piece)
        return len(piece)

    def _write(self, mem: Any, buf: int, n: int) -> int:
        if n > PIECE:
            return -errno.EINVAL
        self._output += mem.read(buf, n)
        return n

    def _status(self, status: int) -> int:
        command, self.running = self.running, None
        if command is None:
            return -errno.EINVAL
        self.results.append(self._result(command, status - (1 << 64) if status >> 63 else status))
        self._forget()
        return 0

    def _result(self, command: Command, status: int) -> Result:
        if isinstance(command, Exec | Shell):
            return Exited(status, bytes(self._output)) if status >= 0 else Errno(-status)
        return Done(abs(status))

    def _died(self, status: int) -> int:
        """The worker was killed, perhaps by an oops; there is a new one."""
        self.died += 1
        self.parking = False
        if self.running is not None:
            self.results.append(Died(status, bytes(self._output)))
        self.running = None
        self._forget()
        return 0

    def _forget(self) -> None:
        """What was offered for a command is not needed any more."""
        self._output.clear()
        self._files = {handle: file for handle, file in self._files.items() if isinstance(file, str)}

    # modprobe.

    def _tree(self) -> ModuleTree:
        try:
            tree = self.modules() if callable(self.modules) else self.modules
        except UsageError as problem:
            raise ModuleError(errno.ENOENT, str(problem)) from None
        if tree is None:
            raise ModuleError(errno.ENOENT, "there is no module tree")
        return tree

    def _modprobe(self, mem: Any, buf: int, length: int, room: int) -> int:
        if length > PIECE:
            return -errno.E2BIG
        request: bytes = mem.read(buf, length)
        what, name, *_ = [*request.decode("utf-8", "replace").split("\0"), "", ""]
        try:
            rows = self._removal(name) if what == "remove" else self._insertion(name)
            answers = b"".join(rows)
        except ModuleError as refusal:
            return -refusal.errno
        except OSError as error:
            return -(error.errno or errno.EIO)
        if len(answers) > room:
            return -errno.E2BIG
        mem.write(buf, answers)
        return len(answers)

    def _insertion(self, name: str) -> Iterable[bytes]:
        tree = self._tree()
        for target, steps in tree.plan(name).items():
            yield _strings("target", target)
            for step in steps:
                if not step.path:
                    yield _strings("builtin", step.name)
                    continue
                kind = "target" if step.name == target else "required" if step.required else "wanted"
                size, options = len(tree.blob(step.path)), self.options.get(step.name, "")
                yield _strings("module", step.name, step.path, self._module(step.path), size, kind, options)

    def _module(self, path: str) -> int:
        """The handle of a module in the tree: always the same, for nobody tells when it is not needed any more."""
        known = (handle for handle, file in self._files.items() if file == path)
        return next(known, 0) or self._open(path)

    def _removal(self, name: str) -> Iterable[bytes]:
        for target, steps in self._tree().plan(name).items():
            order = [step.name for step in steps if step.path]
            if target not in order:
                yield _strings("builtin", target)
                continue
            at = order.index(target)  # behind it are its own soft dependencies
            for after in reversed(order[at + 1 :]):
                yield _strings("unused", after)
            yield _strings("target", target)
            for before in reversed(order[:at]):
                yield _strings("unused", before)


def _strings(*fields: str | int) -> bytes:
    """A record: its fields with a 0 behind each. A 0 within one ends it early."""
    return b"".join(str(field).partition("\0")[0].encode("utf-8", "surrogateescape") + b"\0" for field in fields)
