"""Numbers in text: what is accepted, what is out of range, what stops a number."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.errors import Errno
from emukern.kernel.kstrtox import get_option, kstrto, kstrtobool, leading_number, memparse, simple_number

TYPES = [(8, False), (8, True), (16, False), (16, True), (32, False), (32, True), (64, False), (64, True)]


@given(st.integers(-(2**65), 2**65), st.sampled_from(TYPES), st.sampled_from(["", "\n"]), st.sampled_from("dxo"))
def test_every_number_is_read_or_out_of_range(value, type_, newline, form):
    bits, signed = type_
    prefix = {"d": "", "x": "0x", "o": "0"}[form]
    text = ("-" if value < 0 else "") + prefix + format(abs(value), form) + newline
    low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1)) if signed else (0, 2**bits)
    if low <= value < high:
        assert kstrto(text.encode(), bits, signed=signed) == value
        return
    with pytest.raises(Errno) as error:
        kstrto(text.encode(), bits, signed=signed)
    assert error.value.number == (errno.EINVAL if value < 0 and not signed else errno.ERANGE)


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\n",
        b"-",
        b"+",
        b"0x",
        b"0xg",
        b"08",
        b" 1",
        b"1 ",
        b"1\n\n",
        b"1_0",
        b"--1",
        b"-+1",
        b"+-1",
        b"1\n2",
        b"\xb2",
    ],
)
def test_not_a_number(text):
    with pytest.raises(Errno) as error:
        kstrto(text, 32, signed=True)
    assert error.value.number == errno.EINVAL


@pytest.mark.parametrize(
    ("text", "base", "value"),
    [(b"ff", 16, 255), (b"0xFF", 16, 255), (b"+12", 10, 12), (b"010", 10, 10), (b"010", 0, 8), (b"101", 2, 5)],
)
def test_base(text, base, value):
    assert kstrto(text, 32, signed=False, base=base) == value


def test_range_is_checked_before_what_follows():
    with pytest.raises(Errno) as error:
        kstrto(b"99999999999999999999x", 64, signed=False)
    assert error.value.number == errno.ERANGE


@pytest.mark.parametrize("text", [b"y", b"Yes", b"true", b"1", b"on", b"ON", b"1\n"])
def test_true(text):
    assert kstrtobool(text) is True


@pytest.mark.parametrize("text", [b"n", b"No", b"false", b"0", b"off", b"oF"])
def test_false(text):
    assert kstrtobool(text) is False


@pytest.mark.parametrize("text", [b"", b"o", b"x", b"2", b" y"])
def test_neither(text):
    with pytest.raises(Errno):
        kstrtobool(text)


@pytest.mark.parametrize(
    ("text", "base", "signed", "value", "length"),
    [
        (b"12abc", 10, False, 12, 2),
        (b"12abc", 16, False, 0x12ABC, 5),
        (b"0x1fz", 0, False, 31, 4),
        (b"-5,", 0, True, 2**64 - 5, 2),
        (b"-5", 0, False, 0, 0),
        (b"0xz", 0, False, 0, 1),
        (b"18446744073709551617", 10, False, 1, 20),
        (b"", 10, True, 0, 0),
    ],
)
def test_simple_number(text, base, signed, value, length):
    assert simple_number(text, base, signed=signed) == (value, length)


def test_a_limit_that_ends_in_the_prefix():
    assert leading_number(b"0x12", 0, 2) == (0, 2)
    assert leading_number(b"0x12", 0, 3) == (1, 3)


@pytest.mark.parametrize(
    ("text", "value", "length"),
    [(b"4k", 4096, 2), (b"0x10M,", 16 << 20, 5), (b"1E", 1 << 60, 2), (b"7", 7, 1), (b"7x", 7, 1), (b"", 0, 0)],
)
def test_memparse(text, value, length):
    assert memparse(text) == (value, length)


@pytest.mark.parametrize(
    ("text", "kind", "value", "length"),
    [(b"", 0, 0, 0), (b"x", 0, 0, 0), (b"5", 1, 5, 1), (b"5,6", 2, 5, 2), (b"5-7", 3, 5, 1), (b"-5x", 1, -5, 2)],
)
def test_get_option(text, kind, value, length):
    assert get_option(text) == (kind, value, length)
