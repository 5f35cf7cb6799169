"""The kernel's sscanf."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.kernel.vsscanf import vsscanf
from emukern.varargs import HostArgs
from tests.guestmem import DictMem

SLOTS = [0x1000 * n for n in range(1, 7)]


def scan(text, fmt):
    """The number of conversions and the 32 bytes behind each of six pointers, which held 0xee before."""
    k = SimpleNamespace(mem=DictMem())
    for slot in SLOTS:
        k.mem.put(slot, b"\xee" * 32)
    count = vsscanf(k, text, fmt, HostArgs(k.mem, SLOTS))
    return count, [bytes(k.mem.blocks[slot]) for slot in SLOTS]


def ints(fmt, text, size=4):
    count, slots = scan(text, fmt)
    return [int.from_bytes(slot[:size], "little", signed=True) for slot in slots[:count]]


@pytest.mark.parametrize(
    ("fmt", "text", "values"),
    [
        (b"%d %d", b"1 -2", [1, -2]),
        (b"%d,%d", b"1,2", [1, 2]),
        (b"%d,%d", b"1 ,2", [1]),
        (b"a%db", b"a 7b", [7]),
        (b"%x %X %o", b"ff 0x1F 17", [255, 31, 15]),
        (b"%i %i %i", b"0x10 010 10", [16, 8, 10]),
        (b"%u", b"-1", []),
        (b"%d", b"", []),
        (b"%2d%3d", b"12345", [12, 345]),
        (b"%1d", b"-5", []),
        (b"%*d %d", b"skipped 5", [5]),
        (b"%*s%d", b"skipped 5", [5]),
        (b"%d%%%d", b"50%60", [50, 60]),
        (b"%d %q", b"5 6", [5]),
        (b"x%d", b"y5", []),
    ],
)
def test_numbers(fmt, text, values):
    assert ints(fmt, text) == values


def test_sizes():
    count, slots = scan(b"-1 -1 -1 -1 4", b"%hhd %hd %d %lld %zu")
    assert count == 5
    assert [slot.count(b"\xff") for slot in slots] == [1, 2, 4, 8, 0, 0]
    assert slots[4][:9] == b"\4\0\0\0\0\0\0\0\xee"


def test_texts():
    count, slots = scan(b"  word xyz  rest", b"%s %2c%c%4s")
    assert count == 4
    assert [slots[0][:5], slots[1][:3], slots[2][:2], slots[3][:5]] == [b"word\0", b"xy\xee", b"z\xee", b"rest\0"]


@pytest.mark.parametrize(
    ("fmt", "text", "count", "first"),
    [
        (b"%5[abc]", b"abcabcabc", 1, b"abcab\0"),
        (b"%9[^,],%d", b"one two,5", 2, b"one two\0"),
        (b"%9[a-c]", b"a-cb", 1, b"a-c\0"),
        (b"%[abc]", b"abc", 0, b"\xee"),
        (b"%9[abc]", b"xyz", 0, b"\xee"),
        (b"%9[^]]", b"x]", 0, b"\xee"),
        (b"%9[abc", b"abc", 0, b"\xee"),
        (b"%*[abc]%d", b"abc5", 0, b"\xee"),
    ],
)
def test_sets(fmt, text, count, first):
    found, slots = scan(text, fmt)
    assert found == count
    assert slots[0].startswith(first)


def test_position():
    count, slots = scan(b"12 34", b"%d%n %d%n")
    assert (count, slots[1][0], slots[3][0]) == (2, 2, 5)


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=6))
def test_reads_what_printf_wrote(values):
    text = ";".join(str(value) for value in values).encode()
    assert ints(b";".join([b"%d"] * len(values)), text) == values


@given(st.binary(max_size=20).filter(lambda b: 0 not in b), st.binary(max_size=20).filter(lambda b: 0 not in b))
def test_no_input_breaks_it(text, fmt):
    k = SimpleNamespace(mem=DictMem())
    k.mem.put(0x1000, bytes(64))
    assert vsscanf(k, text, fmt, HostArgs(k.mem, [0x1000] * 40)) >= 0
