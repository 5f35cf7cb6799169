"""What the machine tells about itself, its log and its user; no CPU."""

from __future__ import annotations

import struct

import pytest

from emukern.flow import Wait
from tests.fakes import BUFFER, USER, USER_SIZE, FakeKernel


@pytest.fixture(params=["x86_64", "riscv64"])
def k(request):
    return FakeKernel(request.param)


def test_uname(k):
    assert k.sys("uname", BUFFER) == 0
    fields = [k.user.copy_from(BUFFER + 65 * i, 65).rstrip(b"\0").decode() for i in range(6)]
    assert fields == ["Linux", "emukern", "0.1.0", "#1", k.arch.name, "(none)"]
    assert k.sys("uname", 8) == "EFAULT"


def test_sysinfo_and_users(k):
    assert k.sys("sysinfo", BUFFER) == 0
    data = struct.unpack("<q3Q6QH6xQQI4x", k.user.copy_from(BUFFER, 112))
    assert (data[0], data[4], data[5], data[10], data[13]) == (12, 4_096_000, 3_072_000, 1, 1)
    k.current.compat = True
    assert k.sys("sysinfo", BUFFER) == 0
    for call in ("getuid", "geteuid", "getgid", "getegid", "getuid32"):
        assert k.sys(call) == 0


def test_random(k):
    assert k.sys("getrandom", BUFFER, 16, 0) == 16
    assert k.user.copy_from(BUFFER, 16) == FakeKernel().rng.randbytes(16)
    assert k.sys("getrandom", BUFFER, 16, 8) == "EINVAL"
    assert k.sys("getrandom", USER + USER_SIZE, 16, 0) == "EFAULT"


def test_syslog(k):
    assert k.sys("syslog", 2, BUFFER, 100) == Wait(("log",))
    k.log.emit(6, "one")
    k.log.emit(3, "two")
    one, two = b"<6>[   12.340000] one\n", b"<3>[   12.340000] two\n"
    assert k.sys("syslog", 3, BUFFER, 1000) == len(one + two)
    assert k.user.copy_from(BUFFER, len(one + two)) == one + two
    assert k.sys("syslog", 3, BUFFER, len(two)) == len(two)
    assert k.sys("syslog", 9, 0, 0) == len(one + two)
    assert k.sys("syslog", 2, 8, 100) == "EFAULT"
    assert k.sys("syslog", 2, BUFFER, len(one)) == len(one)
    assert k.sys("syslog", 2, BUFFER, 100) == len(two)
    k.current.woken = "signal"
    assert k.retry("syslog", 2, BUFFER, 100) == "EINTR"
    assert k.sys("syslog", 4, BUFFER, 1000) == len(one + two)
    assert k.sys("syslog", 3, BUFFER, 1000) == 0
    assert k.sys("syslog", 3, 0, 10) == "EINVAL"
    assert k.sys("syslog", 8, 0, 9) == "EINVAL"
    assert k.sys("syslog", 8, 0, 3) == 0
    assert k.log.console_level == 3
    assert k.sys("syslog", 6, 0, 0) == k.sys("syslog", 7, 0, 0) == k.sys("syslog", 5, 0, 0) == 0
    assert k.sys("syslog", 10, 0, 0) == 1 << 17
    assert k.sys("syslog", 11, 0, 0) == "EINVAL"
