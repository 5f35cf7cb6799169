"""System calls about processes: their answers and errnos, without a CPU."""

import pytest

from emukern.flow import Exit, Wait
from tests.kernel.machine import MemoryKernel

SIG_IGN, SIGTERM, SIGKILL = 1, 15, 9
BAD = 8  # nothing is mapped there


@pytest.fixture
def k():
    return MemoryKernel()


def test_wait4_tells_and_forgets(k):
    child = k.fork(k.current)
    assert k.sys("wait4", -1, 0, 1) == 0
    assert isinstance(k.sys("wait4", -1), Wait)
    k.end(child, 5 << 8)
    where = k.put(b"\xff" * 300)
    assert k.sys("wait4", child.pid, where, 0, where + 8) == child.pid
    told = (5 << 8).to_bytes(4, "little") + b"\xff" * 4 + bytes(144) + b"\xff" * 8
    assert k.user.copy_from(where, 160) == told
    assert k.sys("wait4", -1) == "ECHILD"


def test_a_child_is_gone_even_when_its_status_went_nowhere(k):
    k.end(k.fork(k.current))
    assert k.sys("wait4", -1, BAD) == "EFAULT"
    assert k.sys("wait4", -1, 0) == "ECHILD"


def test_wait4_chooses_by_pid_and_group(k):
    one, other = k.fork(k.current), k.fork(k.current)
    other.pgid = other.pid
    for task in (one, other):
        k.end(task)
    assert k.sys("wait4", -other.pid) == other.pid
    assert k.sys("wait4", 0) == one.pid


def test_wait4_refuses_nonsense(k):
    k.fork(k.current)
    assert k.sys("wait4", -1, 0, 0x1000) == "EINVAL"
    assert k.sys("wait4", -1 << 31) == "ESRCH"
    assert k.sys("wait4", 1) == "ECHILD"


def test_exit_codes_are_bytes(k):
    assert k.sys("exit", 0x1FF) == Exit(0xFF00)
    assert k.sys("exit_group", -1) == Exit(0xFF00)


def test_kill_reaches_whom_it_names(k):
    child = k.fork(k.current)
    assert k.sys("kill", child.pid, 0) == 0
    assert k.sys("kill", child.pid, SIGTERM) == 0
    assert child.signals == {SIGTERM}
    assert [k.sys("kill", *words) for words in ((4711, 9), (-4711, 9), (child.pid, 65), (child.pid, -1))] == [
        "ESRCH",
        "ESRCH",
        "EINVAL",
        "EINVAL",
    ]
    k.end(child)
    assert k.sys("kill", -1, SIGTERM) == 0  # the zombie is still somebody


def test_kill_everybody_needs_somebody(k):
    assert k.sys("kill", -1, SIGTERM) == "ESRCH"


SIZES = [("x86_64", False, 32), ("x86_64", True, 20), ("riscv64", False, 24)]


@pytest.mark.parametrize(("arch", "compat", "size"), SIZES)
def test_sigaction_writes_as_much_as_the_structure_has(arch, compat, size):
    k = MemoryKernel(arch)
    k.current.compat = compat
    where = k.put(SIG_IGN.to_bytes(size, "little") + b"\xff" * 64)
    assert k.sys("rt_sigaction", SIGTERM, where, 0, 8) == 0
    assert k.sys("rt_sigaction", SIGTERM, 0, where + 32, 8) == 0
    assert k.user.copy_from(where + 32, 40) == SIG_IGN.to_bytes(size, "little") + b"\xff" * (40 - size)


def test_sigaction_refusals(k):
    where = k.put(bytes(32))
    assert k.sys("rt_sigaction", SIGTERM, where, 0, 16) == "EINVAL"
    assert k.sys("rt_sigaction", SIGKILL, where, 0, 8) == "EINVAL"
    assert k.sys("rt_sigaction", 65, 0, 0, 8) == "EINVAL"
    assert k.sys("rt_sigaction", SIGTERM, BAD, 0, 8) == "EFAULT"
    assert k.sys("rt_sigaction", SIGTERM, k.put((0x400000).to_bytes(32, "little")), 0, 8) == "ENOSYS"
    assert "handler for signal 15 is not implemented" in k.log.records[-1].text


def test_sigprocmask_blocks_nothing(k):
    where = k.put(bytes(8) + b"\x01" + bytes(7))
    assert k.sys("rt_sigprocmask", 0, where, where + 8, 8) == 0
    assert k.sys("rt_sigprocmask", 1, k.put(b"\x01"), 0, 8) == 0
    assert k.sys("rt_sigprocmask", 2, where, 0, 8) == "ENOSYS"
    assert k.sys("rt_sigprocmask", 3, where, 0, 8) == "EINVAL"
    assert k.sys("rt_sigprocmask", 0, 0, where, 1 << 40) == "EINVAL"


def test_groups_and_sessions(k):
    leader = k.current
    child = k.fork(leader)
    assert k.sys("setsid") == "EPERM"
    assert k.sys("setpgid", 0, 0) == "EPERM"
    assert k.sys("setpgid", child.pid, 4711) == "EPERM"
    assert k.sys("setpgid", child.pid, -1) == "EINVAL"
    assert k.sys("setpgid", 4711, 0) == "ESRCH"
    assert k.sys("setpgid", 1, 0) == "ESRCH"
    assert k.sys("setpgid", child.pid, 0) == 0
    assert k.sys("getpgid", child.pid) == child.pid
    k.current = child
    assert k.sys("setsid") == "EPERM"
    assert k.sys("setpgid", 0, leader.pgid) == 0
    assert k.sys("setsid") == child.pid
    assert (child.sid, child.pgid) == (child.pid, child.pid)
    k.current = leader
    assert k.sys("setpgid", child.pid, 0) == "EPERM"


def test_execve_words_are_counted(k):
    words = k.put(b"x" * 4095 + b"\0")
    table = k.put(b"".join(words.to_bytes(8, "little") for _ in range(1000)), 0x700000)
    path = k.put(b"/x\0", 0x800000)
    assert k.sys("execve", path, table, 0) == "E2BIG"
    assert k.sys("execve", path, BAD, 0) == "EFAULT"


def test_clone_makes_no_threads(k):
    assert k.sys("clone", 0x100, 0) == "ENOSYS"
    assert k.sys("clone", 17, 0x1000) == "EINVAL"
    assert k.sys("clone", 17, 0) in k.sched.tasks


def test_reboot_wants_its_magic(k):
    k.power = None
    assert k.sys("reboot", 1, 2, 0x4321FEDC) == "EINVAL"
    assert k.sys("reboot", 0xFEE1DEAD, 672274793, 0x1234) == "EINVAL"
    assert k.power is None
    assert k.sys("reboot", 0xFEE1DEAD, 672274793, 0x4321FEDC, 0x103) == 0
    assert k.power == ("poweroff", 3)
