"""System calls on open files, and how all of them are registered and decoded; no CPU."""

from __future__ import annotations

import errno

import pytest

from emukern import arch
from emukern.errors import Errno
from emukern.flow import Call, Wait, continuation
from emukern.kernel.openfile import File
from emukern.syscalls import table
from tests.fakes import BUFFER, USER, FakeKernel

O_CREAT, O_TRUNC, O_APPEND, O_CLOEXEC, O_PATH = 0o100, 0o1000, 0o2000, 0o2000000, 0o10000000
HALF = 1 << 63


@pytest.fixture(params=["x86_64", "riscv64"])
def k(request):
    return FakeKernel(request.param)


@pytest.fixture
def fd(k):
    """A file "0123456789", open for reading and writing."""
    fd = k.sys("openat", -100, "/digits", O_CREAT | 2, 0o644)
    assert k.sys("write", fd, b"0123456789", 10) == 10
    assert k.sys("lseek", fd, 0, 0) == 0
    return fd


def vec(k, *parts):
    """An iovec array in user memory; a number stands for a bad pointer of that length."""
    rows = [(k.put(part), len(part)) if isinstance(part, bytes) else (8, part) for part in parts]
    return k.put(b"".join(base.to_bytes(8, "little") + size.to_bytes(8, "little") for base, size in rows))


# The table.


def test_every_system_call_has_a_number():
    known = {*arch.get("x86_64").syscalls, *arch.get("riscv64").syscalls}
    known |= set(arch.get("x86_64").compat_syscall_names.values())
    assert set(table.load_all()) <= known


def test_refusals_at_import():
    with pytest.raises(ValueError, match="read"):
        exec("def read(k): return 0\nsyscall(read)", {"syscall": table.syscall})
    with pytest.raises(TypeError, match="nonsense"):
        exec("def nonsense(k, fd): return 0\nsyscall(nonsense)", {"syscall": table.syscall})
    assert "nonsense" not in table.SYSCALLS


@pytest.mark.parametrize(
    ("kind", "bits", "raw", "value"),
    [
        ("Int", 64, 0xDEAD_FFFF_FFFF, -1),
        ("Int", 32, 0x8000_0000, -(1 << 31)),
        ("UInt", 64, 0xDEAD_FFFF_FFFF, 0xFFFF_FFFF),
        ("Long", 64, (1 << 64) - 2, -2),
        ("Long", 32, 0xFFFF_FFFE, -2),
        ("Size", 64, (1 << 64) - 2, (1 << 64) - 2),
        ("Ptr", 32, 0x1_0000_0004, 4),
    ],
)
def test_arguments(kind, bits, raw, value):
    assert table.decoder(kind, 0, bits)((raw,)) == value


def test_a_32_bit_program_passes_an_offset_in_two_registers():
    call = table.load_all()["pread64"]
    assert call.arguments((3, 0x1000, 16, 0xFFFFFFFE, 0xFFFFFFFF, 0), compat=True) == [3, 0x1000, 16, -2]
    assert call.arguments((3, 0x1000, 16, 5, 0, 0), compat=False) == [3, 0x1000, 16, 5]
    assert [kind for _, kind in call.parameters] == ["Int", "Ptr", "Size", "Loff"]


# Reading and writing.


def test_read_write_seek(k, fd):
    assert k.read(fd, 4) == b"0123"
    assert k.sys("lseek", fd, -2, 1) == 2
    assert k.sys("lseek", fd, -3, 2) == 7
    assert k.read(fd) == b"789"
    assert k.read(fd) == b""
    assert k.sys("lseek", fd, -1, 0) == "EINVAL"
    assert k.sys("lseek", fd, 0, 9) == "EINVAL"
    assert k.sys("lseek", fd, HALF - 1, 1) == "EINVAL"
    assert k.sys("lseek", fd, 12, 0) == 12
    assert k.sys("write", fd, b"end", 3) == 3
    assert k.cat("/digits") == b"0123456789\0\0end"


def test_append_and_truncate(k, fd):
    other = k.sys("openat", -100, "/digits", O_APPEND | 1, 0)
    assert k.sys("write", other, b"ab", 2) == 2
    assert k.sys("pwrite64", other, b"c", 1, 0) == 1
    assert k.cat("/digits") == b"0123456789abc"
    assert k.sys("ftruncate", fd, 3) == 0
    assert k.sys("ftruncate", fd, 5) == 0
    assert k.cat("/digits") == b"012\0\0"
    assert k.sys("ftruncate", fd, -1) == "EINVAL"
    assert k.sys("ftruncate", fd, 1 << 40) == "EFBIG"
    assert k.sys("pwrite64", fd, b"x", 1, 1 << 40) == "EFBIG"
    k.sys("openat", -100, "/digits", O_TRUNC | 1, 0)
    assert k.cat("/digits") == b""


def test_positions_of_their_own(k, fd):
    assert k.sys("pread64", fd, BUFFER, 3, 4) == 3
    assert k.user.copy_from(BUFFER, 3) == b"456"
    assert k.sys("pwrite64", fd, b"XY", 2, 8) == 2
    assert k.sys("pread64", fd, BUFFER, 3, -1) == "EINVAL"
    assert k.read(fd) == b"01234567XY"


def test_vectors(k, fd):
    rows = b"".join(n.to_bytes(8, "little") for n in (BUFFER, 4, 0, 0, BUFFER + 8, 99))
    assert k.sys("readv", fd, rows, 3) == 10
    assert k.user.copy_from(BUFFER, 4) == b"0123"
    assert k.user.copy_from(BUFFER + 8, 6) == b"456789"
    assert k.sys("writev", fd, vec(k, b"ab", b"", b"cd"), 3) == 4
    assert k.cat("/digits") == b"0123456789abcd"
    assert k.sys("writev", fd, vec(k, b"ab", 5), 2) == "EFAULT"
    assert k.sys("writev", fd, 8, 2) == "EFAULT"
    assert k.sys("writev", fd, vec(k, b"ab"), -1) == "EINVAL"
    assert k.sys("writev", fd, vec(k, b"ab"), 1025) == "EINVAL"
    assert k.sys("writev", fd, vec(k, HALF), 1) == "EINVAL"
    assert k.sys("writev", fd, 0, 0) == 0
    assert k.cat("/digits") == b"0123456789abcd"


def test_vectors_of_a_32_bit_program():
    k = FakeKernel()
    k.current.compat = True
    fd = k.sys("openat", -100 & 0xFFFFFFFF, "/f", O_CREAT | 2, 0o644)
    words = b"".join(n.to_bytes(4, "little") for n in (k.put(b"ab"), 2, k.put(b"c"), 1))
    assert k.sys("writev", fd, words, 2) == 3
    assert k.sys("_llseek", fd, 0xFFFFFFFF, 0xFFFFFFFF, BUFFER, 2) == 0
    assert k.user.u64(BUFFER) == 2
    assert k.sys("_llseek", fd, 0, 0, 8, 0) == "EFAULT"
    assert k.read(fd) == b"c"


@pytest.mark.parametrize("call", ["read", "write"])
def test_bad_pointers_change_nothing(k, fd, call):
    assert k.sys(call, fd, 0x100, 4) == "EFAULT"
    assert k.sys(call, fd, 1 << 63, 4) == "EFAULT"
    assert k.read(fd) == b"0123456789"


def test_bad_descriptors(k, fd):
    reader = k.sys("openat", -100, "/digits", 0, 0)
    writer = k.sys("openat", -100, "/digits", 1, 0)
    path = k.sys("openat", -100, "/digits", O_PATH, 0)
    assert k.sys("write", reader, b"x", 1) == "EBADF"
    assert k.sys("read", writer, BUFFER, 1) == "EBADF"
    assert k.sys("ftruncate", reader, 0) == "EINVAL"
    for call, *args in (("read", BUFFER, 1), ("lseek", 0, 0), ("ioctl", 0, 0), ("fsync",), ("ftruncate", 0)):
        assert k.sys(call, path, *args) == "EBADF"
    for number in (99, -1):
        for call in ("read", "write", "lseek", "close", "dup", "fcntl", "ioctl", "fsync", "fstat"):
            assert k.sys(call, number, 0, 0) == "EBADF"


# Descriptors.


def test_the_lowest_free_descriptor(k, fd):
    assert k.sys("dup", fd) == 1
    assert k.sys("dup", fd) == 2
    assert k.sys("close", 1) == 0
    assert k.sys("openat", -100, "/dev/null", 0, 0) == 1
    assert k.sys("fcntl", fd, 0, 10) == 10
    assert k.sys("fcntl", fd, 1030, 10) == 11
    assert [k.sys("fcntl", each, 1, 0) for each in (10, 11)] == [0, 1]
    assert k.sys("fcntl", fd, 0, 5000) == "EINVAL"
    assert k.sys("fcntl", fd, 77, 0) == "EINVAL"


def test_there_is_a_last_descriptor(k):
    for number in range(1024):
        assert k.sys("openat", -100, "/dev/null", 0, 0) == number
    assert k.sys("openat", -100, "/new", O_CREAT, 0o644) == "EMFILE"
    assert k.sys("dup", 0) == "EMFILE"
    assert k.cat("/new") == "EMFILE"
    k.sys("close", 0)
    assert k.cat("/new") == "ENOENT"


def test_dup2_and_dup3(k, fd):
    assert k.sys("dup2", fd, fd) == fd
    assert k.sys("dup2", 5, 5) == "EBADF"
    assert k.sys("dup3", fd, fd, 0) == "EINVAL"
    assert k.sys("dup3", fd, 1, 1) == "EINVAL"
    assert k.sys("dup3", fd, 9, O_CLOEXEC) == 9
    assert k.sys("dup2", fd, 1024) == "EBADF"
    k.read(fd, 5)
    assert k.read(9) == b"56789"
    other = k.sys("openat", -100, "/dev/null", 0, 0)
    file = k.current.fds.get(other)
    assert k.sys("dup2", fd, other) == other
    assert (file.refs, k.current.fds.get(fd).refs) == (0, 3)


def test_exec_and_exit_close(k, fd):
    keep, gone = k.sys("dup", fd), k.sys("fcntl", fd, 1030, 0)
    k.sys("fcntl", fd, 2, 1)
    assert k.current.fds.close_on_exec(k) == 0
    assert sorted(k.current.fds.files) == [keep]
    assert gone not in k.current.fds.cloexec
    assert k.current.fds.close_all(k) == 0
    assert not k.current.fds.files


def test_flags(k, fd):
    assert k.sys("fcntl", fd, 3, 0) == 2
    assert k.sys("fcntl", fd, 4, O_APPEND | O_TRUNC | 1) == 0
    assert k.sys("fcntl", fd, 3, 0) == O_APPEND | 2
    assert k.sys("ioctl", fd, 0x5451, 0) == 0
    assert k.sys("fcntl", fd, 1, 0) == 1
    assert k.sys("ioctl", fd, 0x5450, 0) == 0
    assert k.sys("ioctl", fd, 0x5421, (1).to_bytes(4, "little")) == 0
    assert k.sys("fcntl", fd, 3, 0) == O_APPEND | 0o4000 | 2
    assert k.sys("ioctl", fd, 0x5401, BUFFER) == "ENOTTY"


# Devices.


def test_dev(k):
    assert k.cat("/dev/null") == b""
    fd = k.sys("openat", -100, "/dev/zero", 2, 0)
    assert k.read(fd, 5) == bytes(5)
    assert k.sys("write", fd, BUFFER, 9) == 9
    assert k.sys("read", fd, BUFFER, 1 << 21) == "EFAULT"
    fd = k.sys("openat", -100, "/dev/full", 2, 0)
    assert k.sys("write", fd, BUFFER, 9) == "ENOSPC"
    fd = k.sys("openat", -100, "/dev/urandom", 0, 0)
    assert k.read(fd, 8) == FakeKernel().rng.randbytes(8)
    k.vfs.mknod("/block", 0o60600, 0x700)
    assert k.sys("openat", -100, "/block", 0, 0) == "ENXIO"


def test_kmsg(k):
    fd = k.sys("openat", -100, "/dev/kmsg", 2, 0)
    assert k.sys("read", fd, BUFFER, 100) == Wait(("log",))
    assert k.sys("write", fd, b"<14>note\n", 9) == 9
    assert k.sys("write", fd, b"plain", 5) == 5
    assert k.sys("read", fd, BUFFER, 4) == "EINVAL"
    assert k.read(fd) == b"6,0,12340000,-;note\n"
    assert k.read(fd) == b"4,1,12340000,-;plain\n"
    k.current.woken = "signal"
    assert k.retry("read", fd, BUFFER, 100) == "EINTR"
    assert k.sys("lseek", fd, 0, 0) == 0
    assert k.read(fd)[:4] == b"6,0,"
    k.sys("lseek", fd, 0, 2)
    k.sys("fcntl", fd, 4, 0o4000)
    assert k.sys("read", fd, BUFFER, 100) == "EAGAIN"


@continuation
def module_answer(k, rv, number):
    return number if number >= 0 else fail(-number)


def fail(number):
    raise Errno(number)


class Chrdev:
    """A module's device whose functions all are guest code at 0x5000."""

    def __init__(self):
        self.answer = 0
        self.released = []

    def call(self, *_):
        return Call(0x5000, then=module_answer, number=self.answer)

    open = read = write = ioctl = llseek = call

    def release(self, k, file):
        self.released.append(file)
        return self.call()


@pytest.fixture
def chrdev(k):
    k.chrdev = Chrdev()
    k.devfs.add("scull", 250, 0, 0o666)
    return k.chrdev


def opened(k, chrdev):
    fd = k.finish(k.sys("openat", -100, "/dev/scull", 2, 0), 0)
    assert isinstance(fd, int)
    return fd


def test_a_modules_device_opens_through_its_own_code(k, chrdev):
    call = k.sys("openat", -100, "/dev/scull", 2, 0)
    assert (call.address, list(k.current.fds.files)) == (0x5000, [0])
    assert k.finish(call, 0) == 0
    chrdev.answer = -errno.EBUSY
    call = k.sys("openat", -100, "/dev/scull", 2, 0)
    assert k.finish(call, 0) == -errno.EBUSY
    assert list(k.current.fds.files) == [0]
    chrdev.open = lambda *_: Wait(("device",))
    assert k.sys("openat", -100, "/dev/scull", 2, 0) == Wait(("device",))
    assert list(k.current.fds.files) == [0]
    chrdev.open = lambda *_: fail(errno.ENXIO)
    assert k.sys("openat", -100, "/dev/scull", 2, 0) == "ENXIO"
    assert list(k.current.fds.files) == [0]


def test_a_modules_device_reads_and_closes(k, chrdev):
    fd = opened(k, chrdev)
    chrdev.answer = 5
    assert k.finish(k.sys("read", fd, BUFFER, 9), 0) == 5
    assert k.finish(k.sys("writev", fd, vec(k, b"one", b"two"), 2), 0) == 5
    assert k.finish(k.sys("readv", fd, vec(k, b"one", b"two"), 2), 0) == 5
    k.current.fds.get(fd).pos = 3
    call = k.sys("pread64", fd, BUFFER, 9, 100)
    assert k.current.fds.get(fd).pos == 100
    assert k.finish(call, 0) == 5
    assert k.current.fds.get(fd).pos == 3
    k.sys("dup", fd)
    assert k.sys("close", fd) == 0
    chrdev.answer = -errno.EIO
    assert k.finish(k.sys("close", fd + 1), 0) == 0
    assert len(chrdev.released) == 1
    k.devfs.remove("scull")
    assert k.sys("openat", -100, "/dev/scull", 2, 0) == "ENOENT"


def test_exit_closes_one_device_after_the_other(k, chrdev):
    for _ in range(3):
        opened(k, chrdev)
    k.sys("openat", -100, "/dev/null", 2, 0)
    answer, calls = k.current.fds.close_all(k), 0
    while isinstance(answer, Call):
        answer, calls = k.finish(answer, 0), calls + 1
    assert (answer, calls, len(chrdev.released)) == (0, 3, 3)
    assert not k.current.fds.files


def test_release_without_guest_code(k, chrdev):
    fd = opened(k, chrdev)
    chrdev.release = lambda *_: fail(errno.EIO)
    assert k.sys("close", fd) == 0


def test_files_refuse_what_they_cannot_do(k):
    file = File(k.vfs.root, 2)
    for name, *args in (
        ("read", USER, 1), ("write", USER, 1), ("pread", USER, 1, 0), ("lseek", 0, 0), ("ioctl", 0, 0),
        ("readdir",), ("truncate", 0), ("fsync",), ("read_all",),
    ):  # fmt: skip
        with pytest.raises(Errno):
            getattr(file, name)(k, *args)
