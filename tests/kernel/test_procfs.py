"""/proc: what is there, and in which format."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from emukern.kernel import procfs
from emukern.kernel.ramfs import RamFs
from emukern.kmod.module import Module, State
from emukern.kmod.symbols import SymbolChain, SymbolTable
from tests.fakes import FakeKernel


@pytest.fixture
def k():
    kernel = FakeKernel()
    kernel.chrdev = SimpleNamespace(majors=lambda: {10: "misc", 250: "scull"})
    kernel.symbols = SymbolChain()
    kernel.symbols.kernel_table = SymbolTable.of([("printk", 0xFFFFFFFF81000000, "T")], 1 << 64)
    kernel.symbols.tables["hello"] = SymbolTable.of([("greet", 0xFFFFFFFFC0000010, "t")], 1 << 64)
    return kernel


def test_listing(k):
    k.task(7)
    names = [name for name, _, _ in k.vfs.directory(k, "/proc").entries(k)]
    assert {"cmdline", "kallsyms", "meminfo", "modules", "uptime", "version", "self"} < set(names)
    assert names[-2:] == ["2", "7"]
    k.sched.tasks[0] = k.current
    assert k.cat("/proc/0/stat") == k.cat("/proc/07/stat") == k.cat("/proc/9/stat") == "ENOENT"


def test_every_listed_file_can_be_read_and_keeps_its_number(k):
    for path in ("/proc", "/proc/self"):
        directory = k.vfs.directory(k, path)
        for name, ino, mode in directory.entries(k):
            inode = directory.lookup(k, name)
            assert (inode.ino, inode.mode & 0o170000) == (ino, mode & 0o170000)
            if inode.is_regular:
                assert isinstance(k.cat(f"{path}/{name}"), bytes)


def test_texts(k):
    assert k.cat("/proc/version") == b"Linux version 0.1.0 (emukern) #1\n"
    assert k.cat("/proc/uptime") == b"12.34 10.00\n"
    assert k.cat("/proc/meminfo").splitlines()[:2] == [
        b"MemTotal:           4000 kB",
        b"MemFree:            3000 kB",
    ]

    assert k.cat("/proc/mounts").splitlines()[0] == b"rootfs / ramfs rw 0 0"
    assert k.cat("/proc/cmdline") == b"\n"
    k.init_args = ("-c", "ls")
    assert k.cat("/proc/cmdline") == b"-- -c ls\n"
    assert k.cat("/proc/devices") == (
        b"Character devices:\n  1 mem\n  5 tty\n 10 misc\n250 scull\n\nBlock devices:\n"
    )


def test_modules_newest_first(k):
    k.modules["a"] = Module("a", State.LIVE, core=0xFFFFFFFFC0000000, core_size=16384, refcnt=1, holders=["b"])
    k.modules["b"] = Module("b", State.COMING, core=0xFFFFFFFFC0010000, core_size=4096)
    assert k.cat("/proc/modules").decode().splitlines() == [
        "b 4096 0 - Loading 0xffffffffc0010000 (+)",
        "a 16384 1 b, Live 0xffffffffc0000000",
    ]


def test_kallsyms(k):
    assert k.cat("/proc/kallsyms") == b"ffffffff81000000 T printk\nffffffffc0000010 t greet\t[hello]\n"


def test_a_process(k):
    area = SimpleNamespace(start=0x400000, end=0x402000, prot="rx", offset=0x1000, shared=False, name="/bin/sh")
    k.current.mm = SimpleNamespace(areas=[area], pages={1: 2})
    assert k.cat("/proc/self/comm") == b"test\n"
    assert k.cat("/proc/2/cmdline") == b"test\0-x\0"
    stat = k.cat("/proc/2/stat").split()
    assert stat[:8] == [b"2", b"(test)", b"R", b"0", b"1", b"1", b"0", b"-1"]
    assert (len(stat), stat[22]) == (52, b"8192")
    assert b"State:\tR (running)\n" in k.cat("/proc/2/status")
    assert k.cat("/proc/2/maps") == b"00400000-00402000 r-xp 00001000 00:00 0".ljust(73) + b"/bin/sh\n"
    fd = k.sys("openat", -100, "/proc/2/stat", 0, 0)
    del k.sched.tasks[2]
    assert k.read(fd) == "ESRCH"


def test_a_text_is_fixed_until_it_is_read_from_its_start_again(k):
    fd = k.sys("openat", -100, "/proc/uptime", 0, 0)
    assert k.read(fd, 3) == b"12."
    k.clock = SimpleNamespace(now=99_000_000_000, jumped=0)
    assert k.read(fd, 3) == b"34 "
    k.sys("lseek", fd, 0, 0)
    assert k.read(fd) == b"99.00 0.00\n"


def test_nothing_can_be_made_or_changed(k):
    assert k.sys("openat", -100, "/proc/x", 0o101, 0o644) == "EACCES"
    assert k.sys("mkdirat", -100, "/proc/x", 0o755) == "EPERM"
    assert k.sys("unlinkat", -100, "/proc/version", 0) == "EPERM"
    assert k.sys("fchmodat", -100, "/proc/version", 0o777) == "EPERM"
    fd = k.sys("openat", -100, "/proc/version", 1, 0)
    assert k.sys("write", fd, b"x", 1) == "EINVAL"
    assert k.sys("mount", "none", "/proc/2", "ramfs", 0, 0) == "EPERM"


def test_filesystems_lists_each_kind_once(k):
    k.vfs.mkdir("/x")
    k.vfs.mount("/x", RamFs())
    lines = k.cat("/proc/filesystems").splitlines()
    assert sorted(lines) == [b"nodev\tdevtmpfs", b"nodev\tproc", b"nodev\tramfs", b"nodev\ttmpfs"]


def test_names_are_unique():
    with pytest.raises(ValueError, match="version"):
        procfs.proc("version")(lambda k: "")
