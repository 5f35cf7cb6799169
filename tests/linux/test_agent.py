"""The host's answers to the programs of a borrowed kernel's user space."""

import errno
import pickle
import re
from pathlib import Path

import pytest

from emukern.errors import Errno, GuestFault, SnapshotError, UsageError
from emukern.linux import busybox
from emukern.linux.agent import (
    PIECE,
    VERSION,
    Agent,
    DeleteModule,
    Died,
    Done,
    Exec,
    Exited,
    Folder,
    InitModule,
    Link,
    Park,
    PowerOff,
    Put,
    Reboot,
    Service,
    Shell,
)
from emukern.linux.depends import ModuleTree
from tests.elfwriter import ElfWriter

HEADER = Path(__file__).parents[2] / "guest/linux/include/hypercall.h"
BUF = 0x1000


class Memory:
    """A program's memory: one buffer, and nothing around it."""

    def __init__(self, size=2 * PIECE):
        self.data = bytearray(size)

    def _place(self, address, n, write=False):
        if not BUF <= address <= address + n <= BUF + len(self.data):
            raise GuestFault(address, write=write)
        return slice(address - BUF, address - BUF + n)

    def read(self, address, n):
        return bytes(self.data[self._place(address, n)])

    def write(self, address, data):
        self.data[self._place(address, len(data), True)] = data


class Program:
    """What asks: a process on a machine whose `mem` is its memory."""

    def __init__(self, agent):
        self.agent, self.mem = agent, Memory()

    def ask(self, service, a=0, b=0, c=0):
        return self.agent.answer(self, service, a & (1 << 64) - 1, b, c)

    def fields(self, length):
        assert length > 0
        return self.mem.read(BUF, length).decode().removesuffix("\0").split("\0")

    def next(self, room=PIECE):
        return self.fields(self.ask(Service.NEXT, BUF, room))

    def fetch(self, handle, size):
        found = b""
        while len(found) < size:
            n = self.ask(Service.READ, int(handle), len(found), BUF)
            assert 0 < n <= PIECE
            found += self.mem.read(BUF, n)
        assert self.ask(Service.READ, int(handle), len(found), BUF) == 0
        return found

    def modprobe(self, what, name, room=PIECE):
        request = f"{what}\0{name}\0".encode()
        self.mem.write(BUF, request)
        return self.ask(Service.MODPROBE, BUF, len(request), room)


@pytest.fixture
def agent():
    return Agent()


@pytest.fixture
def program(agent):
    return Program(agent)


def test_numbers_are_the_headers():
    """Said in C and in Python: the same."""
    header = dict(re.findall(r"#define HYPERCALL_(\w+) (\w+)", HEADER.read_text()))
    assert {name: int(header[name]) for name in Service.__members__} == {s.name: s.value for s in Service}
    assert int(header["PIECE"]) == PIECE
    assert int(header["VERSION"]) == VERSION
    assembly = (HEADER.parents[1] / "lib/riscv64/hypercall.S").read_text()
    assert f"li a7, {header['BASE']}\n" in assembly


def test_hello(program):
    assert program.ask(Service.HELLO, VERSION) == 0
    with pytest.raises(SnapshotError, match=f"speak version 1 of our language, not {VERSION}"):
        program.ask(Service.HELLO, 1)


def test_unknown_services(program):
    assert program.ask(99) == program.ask(1 << 63) == -errno.ENOSYS


def test_nothing_to_do_is_to_park(agent, program):
    assert not agent.parking
    assert program.next() == ["park"]
    assert agent.parking
    agent.commands.append(Park())
    assert program.next() == ["park"]
    assert agent.commands == agent.results == []


@pytest.mark.parametrize(
    ("command", "record"),
    [
        (Exec(("ls", "-l")), ["exec", "2", "ls", "-l"]),
        (Exec(("ls",), ("A=1", "B=")), ["exec", "1", "ls", "A=1", "B="]),
        (Exec(("ls",), capture=False), ["shell", "0", "0", "1", "ls"]),
        (Shell(rows=24, columns=80), ["shell", "24", "80", "1", "/bin/sh"]),
        (Folder("/a", 0o700), ["folder", "/a", "448"]),
        (Link("/l", "to"), ["link", "/l", "to"]),
        (DeleteModule("dummy"), ["rmmod", "dummy", "2048"]),
        (DeleteModule("dummy", 0), ["rmmod", "dummy", "0"]),
        (PowerOff(3), ["poweroff", "3"]),
        (Reboot(), ["reboot"]),
    ],
)
def test_commands_as_records(agent, program, command, record):
    agent.commands.append(command)
    assert program.next() == record
    assert not agent.parking


def test_program_and_its_output(agent, program):
    agent.commands += [Exec(("a",)), Exec(("b",))]
    assert program.next()[2] == "a"
    program.mem.write(BUF, b"some output")
    assert program.ask(Service.WRITE, 1, BUF, 4) == 4
    assert program.ask(Service.WRITE, 1, BUF + 4, 7) == 7
    assert program.ask(Service.STATUS, 3) == 0
    assert program.next()[2] == "b"
    assert program.ask(Service.STATUS, -errno.ENOENT) == 0
    assert program.next() == ["park"]
    exited, failed = agent.results
    assert exited == Exited(3, b"some output")
    assert isinstance(failed, Errno)
    assert failed.number == errno.ENOENT


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 5 * PIECE + 7])
def test_file_in_pieces(agent, program, size):
    content = bytes(range(256)) * (size // 256) + bytes(size % 256)
    agent.commands.append(Put("/tmp/x", content, 0o755))
    kind, path, mode, handle, told = program.next()
    assert (kind, path, int(mode), int(told)) == ("file", "/tmp/x", 0o755, size)
    assert program.fetch(handle, size) == content
    program.ask(Service.STATUS, 0)
    assert agent.results == [Done(0)]
    assert program.ask(Service.READ, int(handle), 0, BUF) == -errno.EBADF  # it is not kept


def test_hosts_file(agent, program, tmp_path):
    (tmp_path / "here").write_bytes(b"content")
    agent.commands += [Put("/a", tmp_path / "missing"), Put("/b", tmp_path / "here"), Put("/c", tmp_path)]
    _, path, _, handle, size = program.next()
    assert (path, program.fetch(handle, int(size))) == ("/b", b"content")
    program.ask(Service.STATUS, -errno.EROFS)
    assert program.next() == ["park"]
    assert agent.results == [Done(errno.ENOENT), Done(errno.EROFS), Done(errno.EISDIR)]


def test_modules(agent, program):
    agent.commands += [InitModule(b"image", "a=1 b=2"), InitModule(b"image", "", 4), DeleteModule("m")]
    kind, handle, size, params = program.next()
    assert (kind, params, program.fetch(handle, int(size))) == ("insmod", "a=1 b=2", b"image")
    program.ask(Service.STATUS, -errno.EEXIST)
    kind, handle, size, params, flags = program.next()
    assert (kind, params, flags) == ("finsmod", "", "4")
    program.ask(Service.STATUS, 0)
    program.next()
    program.ask(Service.STATUS, -errno.EAGAIN)
    assert agent.results == [Done(errno.EEXIST), Done(0), Done(errno.EAGAIN)]


def test_command_that_is_too_long(agent, program):
    agent.commands += [Exec(("sh", "-c", "x" * PIECE)), Exec(("ls",))]
    assert program.next() == ["exec", "1", "ls"]
    (failed,) = agent.results
    assert failed.number == errno.E2BIG


def test_worker_that_is_killed(agent, program):
    agent.commands += [Exec(("ls",)), Exec(("ps",))]
    program.next()
    program.mem.write(BUF, b"half")
    program.ask(Service.WRITE, 1, BUF, 4)
    assert program.ask(Service.DIED, 139) == 0
    assert (agent.died, agent.results) == (1, [Died(139, b"half")])
    assert program.next()[2] == "ps"
    program.ask(Service.STATUS, 0)
    assert agent.results[1] == Exited(0, b"")
    program.next()
    program.ask(Service.DIED, 137)  # in the middle of a call by the host: that is the caller's business
    assert (agent.died, len(agent.results), agent.parking) == (2, 2, False)


def test_nonsense_of_a_program(agent, program):
    assert program.ask(Service.STATUS, 0) == -errno.EINVAL
    assert program.ask(Service.READ, 5, 0, BUF) == -errno.EBADF
    assert program.ask(Service.WRITE, 1, 0xDEAD0000, 5) == -errno.EFAULT
    assert program.ask(Service.WRITE, 1, BUF, 1 << 40) == -errno.EINVAL
    assert program.ask(Service.NEXT, 0, PIECE) == -errno.EFAULT
    assert program.ask(Service.MODPROBE, BUF, 1 << 50, PIECE) == -errno.E2BIG
    agent.commands.append(Put("/x", b"data"))
    handle = int(program.next()[3])
    assert program.ask(Service.READ, handle, 1 << 62, BUF) == 0
    assert program.ask(Service.READ, handle, 0, 4) == -errno.EFAULT


def test_state_is_plain(agent, program, tmp_path):
    agent.commands += [Exec(("a",)), Put("/x", b"content")]
    program.next()
    other = Agent()
    other.modules = ModuleTree(tmp_path)
    vars(other).update(pickle.loads(pickle.dumps(vars(agent))))
    again = Program(other)
    again.ask(Service.STATUS, 7)
    handle, size = again.next()[3:]
    assert again.fetch(handle, int(size)) == b"content"
    assert other.results == [Exited(7)]
    assert agent.results == []
    assert isinstance(other.modules, ModuleTree)  # the host's, not the machine's


# modprobe


@pytest.fixture
def tree(tmp_path):
    """disk needs bus, wants sum before it and late after it."""
    said = {
        "bus": ["depends=", "alias=bus-alias"],
        "disk": ["depends=bus", "softdep=pre: sum post: late"],
        "sum": ["depends="],
        "late": ["depends=disk"],
    }
    for name, entries in said.items():
        writer = ElfWriter()
        writer.modinfo(*entries)
        (tmp_path / f"{name}.ko").write_bytes(writer.build())
    (tmp_path / "modules.builtin").write_text("kernel/inside.ko\n")
    return ModuleTree(tmp_path)


def test_what_modprobe_inserts(agent, program, tree):
    agent.modules, agent.options = (lambda: tree), {"bus": "speed=3"}
    told = program.fields(program.modprobe("insert", "disk"))
    assert told[:2] == ["target", "disk"]
    rows = [told[i : i + 7] for i in range(2, len(told), 7)]
    assert [(row[0], row[1], row[2], row[5], row[6]) for row in rows] == [
        ("module", "bus", "bus.ko", "required", "speed=3"),
        ("module", "sum", "sum.ko", "wanted", ""),
        ("module", "disk", "disk.ko", "target", ""),
        ("module", "late", "late.ko", "wanted", ""),
    ]
    for row in rows:
        assert program.fetch(row[3], int(row[4])) == (tree.root / row[2]).read_bytes()
    again = program.fields(program.modprobe("insert", "bus-alias"))
    assert again[4:6] == ["bus.ko", rows[0][3]]  # a file has one handle
    assert program.fields(program.modprobe("insert", "inside")) == ["target", "inside", "builtin", "inside"]


def test_what_modprobe_removes(agent, program, tree):
    agent.modules = tree
    assert program.fields(program.modprobe("remove", "disk")) == [
        "unused", "late", "target", "disk", "unused", "sum", "unused", "bus",
    ]  # fmt: skip
    assert program.fields(program.modprobe("remove", "inside")) == ["builtin", "inside"]


def no_tree():
    raise UsageError("there is no module tree")


@pytest.mark.parametrize("modules", [None, no_tree])
def test_modprobe_without_a_tree(agent, program, modules):
    agent.modules = modules
    assert program.modprobe("insert", "disk") == -errno.ENOENT


def test_modprobe_fails(agent, program, tree):
    agent.modules = tree
    assert program.modprobe("insert", "nosuch") == program.modprobe("remove", "") == -errno.ENOENT
    assert program.modprobe("insert", "disk", room=20) == -errno.E2BIG
    handle = int(program.fields(program.modprobe("insert", "bus"))[5])
    (tree.root / "bus.ko").unlink()
    fresh = Agent()
    fresh.modules = ModuleTree(tree.root)
    vars(fresh).update(vars(agent))
    assert Program(fresh).ask(Service.READ, handle, 0, BUF) == -errno.ENOENT


def test_modprobe_in_the_middle_of_a_command(agent, program, tree):
    """What the kernel asks for while the worker does something else."""
    agent.modules = tree
    agent.commands.append(Put("/x", b"content"))
    handle, size = program.next()[3:]
    other = Program(agent)
    told = other.fields(other.modprobe("insert", "bus"))
    assert program.fetch(handle, int(size)) == b"content"
    program.ask(Service.STATUS, 0)
    assert program.next() == ["park"]
    assert other.fetch(told[5], int(told[6])) == (tree.root / "bus.ko").read_bytes()
    assert agent.results == [Done(0)]


# busybox


def test_busybox_is_checked(tmp_path, arch):
    place = tmp_path / "tool"

    def complaint():
        with pytest.raises(UsageError) as error:
            busybox.install(lambda commands: [], place, arch)
        return str(error.value)

    assert complaint() == f"cannot read {place}: No such file or directory"
    place.write_bytes(b"#!/bin/sh\n")
    assert complaint() == f"{place} is no program"
    place.write_bytes(ElfWriter(183).build())
    assert complaint() == f"{place} is a program for aarch64, the kernel is for {arch}"


def test_busybox_tools(tmp_path, arch):
    place = tmp_path / "busybox"
    names = ["ash", "busybox", "insmod", "ls", "modprobe", "more", "sh"]
    table = "\0".join(names).encode() + b"\0"
    place.write_bytes(ElfWriter({"x86_64": 62, "riscv64": 243}[arch]).build() + table)
    done = []

    def perform(commands):
        done.extend(commands)
        return [Exited(0, "\n".join(names).encode()) if isinstance(one, Exec) else Done(0) for one in commands]

    assert busybox.install(perform, place, arch) == ["ash", "ls", "more", "sh"]
    assert [one for one in done if isinstance(one, Link)][0] == Link("/bin/ash", "/bin/busybox")
    last = [one for one in done if isinstance(one, Put)][-1]
    assert last.content.endswith(b"\0insmo\x7f\0ls\0modprob\x7f\0more\0sh\0")
    assert len(last.content) == len(place.read_bytes())


@pytest.mark.parametrize("answer", [Errno(errno.ENOEXEC), Exited(127), Exited(0, b"ls\n"), Died(139)])
def test_other_programs_are_no_busybox(tmp_path, arch, answer):
    place = tmp_path / "other"
    place.write_bytes(ElfWriter({"x86_64": 62, "riscv64": 243}[arch]).build())
    with pytest.raises(UsageError, match=r"the kernel cannot run .*ENOEXEC|is no busybox with a shell in it"):
        busybox.install(lambda commands: [Done(0), answer], place, arch)
