"""System calls about time: all of it virtual."""

import struct

import pytest

from emukern.flow import Wait
from emukern.machine.clock import EPOCH
from tests.kernel.machine import MemoryKernel

SECOND = 10**9
TIMER_ABSTIME = 1


@pytest.fixture
def k():
    kernel = MemoryKernel()
    kernel.clock.advance(5 * SECOND + 7)
    return kernel


def timespec(k, where):
    return struct.unpack("<qq", k.user.copy_from(where, 16))


def test_clocks_tell_virtual_time(k):
    where = k.put(b"")
    assert k.sys("clock_gettime", 1, where) == 0
    assert timespec(k, where) == (5, 7)
    assert k.sys("clock_gettime", 0, where) == 0
    assert timespec(k, where) == (EPOCH // SECOND + 5, 7)
    assert k.sys("gettimeofday", where, where + 16) == 0
    assert timespec(k, where) == (EPOCH // SECOND + 5, 0)
    assert k.sys("time", where) == EPOCH // SECOND + 5
    assert k.sys("clock_gettime", 42, where) == "EINVAL"
    assert k.sys("clock_gettime", 1, 8) == "EFAULT"
    assert k.sys("clock_getres", 1, 0) == 0


def test_32_bit_programs_get_32_bit_times_and_nothing_beyond(k):
    k.current.compat = True
    where = k.put(b"\xff" * 16)
    assert k.sys("time", where, compat=True) == EPOCH // SECOND + 5
    assert k.user.copy_from(where + 4, 4) == b"\xff" * 4
    k.clock.advance(1 << 61)  # long after 2038
    assert k.sys("clock_gettime", 0, where, compat=True) == 0
    seconds, ns = struct.unpack("<Ii", k.user.copy_from(where, 8))
    assert (seconds, ns) == (k.clock.realtime // SECOND % (1 << 32), k.clock.realtime % SECOND)


@pytest.mark.parametrize(("seconds", "ns"), [(-1, 0), (0, -1), (0, SECOND)])
def test_no_time_at_all_is_refused(k, seconds, ns):
    assert k.sys("nanosleep", k.put(struct.pack("<qq", seconds, ns)), 0) == "EINVAL"


def test_a_sleep_ends_by_its_deadline_or_a_signal(k):
    request = k.put(struct.pack("<qq", 3, 500))
    assert k.sys("nanosleep", request, 0) == Wait(None, timeout=3 * SECOND + 500)
    k.current.woken = "timeout"
    assert k.sys("nanosleep", request, 0) == 0
    k.current.woken, k.current.deadline = "signal", k.clock.now + SECOND
    assert k.sys("nanosleep", request, request + 64) == "EINTR"
    assert timespec(k, request + 64) == (1, 0)


def test_an_absolute_time_that_is_over_waits_for_nothing(k):
    request = k.put(struct.pack("<qq", 1, 0))
    assert k.sys("clock_nanosleep", 1, TIMER_ABSTIME, request, 0) == Wait(None, timeout=0)
    assert k.sys("clock_nanosleep", 1, 0, request, 0) == Wait(None, timeout=SECOND)
    assert k.sys("clock_nanosleep", 42, 0, request, 0) == "EINVAL"


def test_the_longest_sleep_keeps_the_clock_in_range(k):
    answer = k.sys("nanosleep", k.put(struct.pack("<qq", (1 << 63) - 1, 0)), 0)
    k.clock.advance(answer.timeout)
    where = k.put(b"")
    for clock in (0, 1):
        assert k.sys("clock_gettime", clock, where) == 0
    assert k.sys("nanosleep", k.put(struct.pack("<qq", 1 << 40, 0)), 0) == Wait(None, timeout=0)
