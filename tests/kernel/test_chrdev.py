"""Device numbers and who serves them; the operations themselves are driven by the sample modules' tests."""

from __future__ import annotations

import errno

import pytest

from emukern.errors import Errno
from emukern.kernel.chrdev import MINOR_BITS, CharDevices


@pytest.fixture
def devices():
    return CharDevices()


def fails(number, function, *args):
    with pytest.raises(Errno) as caught:
        function(*args)
    return caught.value.number == number


def test_dynamic_majors_come_in_linuxs_order(devices):
    assert [devices.reserve(0, 0, 1, name) for name in "abc"] == [254, 253, 252]
    devices.release_numbers(253, 0, 1)
    assert devices.reserve(0, 0, 1, "d") == 253


def test_below_234_they_go_on_from_511(devices):
    majors = [devices.reserve(0, 0, 1, "x") for _ in range(22)]
    assert majors[20:] == [234, 511]


def test_ranges_of_one_major_must_not_overlap(devices):
    devices.reserve(60, 0, 10, "a")
    devices.reserve(60, 10, 5, "b")
    assert fails(errno.EBUSY, devices.reserve, 60, 9, 1, "c")
    assert fails(errno.EBUSY, devices.reserve, 60, 14, 5, "c")
    devices.release_numbers(60, 0, 10)
    assert devices.reserve(60, 9, 1, "c") == 60
    assert devices.majors() == {10: "misc", 60: "c"}


@pytest.mark.parametrize(("major", "first", "count"), [(512, 0, 1), (60, 1 << 20, 1), (60, 0, 0)])
def test_numbers_that_do_not_exist(devices, major, first, count):
    assert fails(errno.EINVAL, devices.reserve, major, first, count, "x")


def test_the_narrowest_range_serves_a_number(devices):
    base = 60 << MINOR_BITS
    devices.map(base, 256, 0x1000)
    devices.map(base + 7, 1, 0x2000)
    assert [devices.cdev_of(base + minor) for minor in (6, 7, 8, 256)] == [0x1000, 0x2000, 0x1000, 0]
    assert devices.unmap(0x2000)
    assert not devices.unmap(0x2000)
    assert devices.cdev_of(base + 7) == 0x1000


def test_dynamic_misc_minors_count_down_and_run_out(devices):
    for minor in range(127, -1, -1):
        assert devices.free_misc_minor() == minor
        devices.misc[minor] = 1
    assert fails(errno.EBUSY, devices.free_misc_minor)
