"""The terminal: editing, echo, signals, raw mode, ioctls."""

from __future__ import annotations

import struct

import pytest

import emukern.kernel.signal
from emukern.flow import Wait
from emukern.kernel import tty
from tests.fakes import BUFFER, FakeKernel

WAIT = Wait(("tty",))


@pytest.fixture
def k():
    kernel = FakeKernel()
    assert kernel.sys("openat", -100, "/dev/console", 2, 0) == 0
    return kernel


@pytest.fixture
def sent(monkeypatch):
    calls = []
    monkeypatch.setattr(emukern.kernel.signal, "send_group", lambda k, pgid, sig: calls.append((pgid, sig)))
    return calls


def type_(k, data):
    """Type, and answer what the screen shows of it."""
    k.console.output = b""
    k.tty.receive(k, data)
    return k.console.output


def set_flags(k, **flags):
    """Change the terminal through TCGETS and TCSETS, as stty does."""
    assert k.sys("ioctl", 0, tty.TCGETS, BUFFER) == 0
    names = ("iflag", "oflag", "cflag", "lflag", "line", "keys")
    fields = dict(zip(names, tty.TERMIOS.unpack(k.user.copy_from(BUFFER, 36)), strict=True))
    fields.update(flags)
    assert k.sys("ioctl", 0, tty.TCSETS, k.put(tty.TERMIOS.pack(*fields.values()))) == 0


def raw(k, vmin=1, vtime=0):
    keys = bytearray(tty.default_keys())
    keys[tty.VMIN], keys[tty.VTIME] = vmin, vtime
    set_flags(k, lflag=tty.ISIG, keys=bytes(keys))


def test_a_line_is_read_when_it_is_complete(k):
    assert k.read(0) == WAIT
    assert k.tty.waiting
    assert type_(k, b"ls") == b"ls"
    assert k.read(0) == WAIT
    assert type_(k, b" -l\r") == b" -l\r\n"
    assert not k.tty.waiting
    assert k.sched.woken[-1] == ("tty",)
    assert k.read(0, 3) == b"ls "
    assert k.read(0) == b"-l\n"


def test_one_read_takes_one_line(k):
    type_(k, b"one\ntwo\n")
    assert k.read(0) == b"one\n"
    assert k.read(0) == b"two\n"


@pytest.mark.parametrize(
    ("typed", "screen", "line"),
    [
        (b"lsx\x7f\n", b"lsx\b \b\r\n", b"ls\n"),
        (b"\x7f\n", b"\r\n", b"\n"),
        (b"one two  \x17x\n", b"one two  " + b"\b \b" * 5 + b"x\r\n", b"one x\n"),
        (b"abc\x15d\n", b"abc" + b"\b \b" * 3 + b"d\r\n", b"d\n"),
        (b"a\x01\x7f\n", b"a^A\b \b\b \b\r\n", b"a\n"),
        (b"a\tb\x7f\x7f\n", b"a\tb\b \b" + b"\b" * 7 + b"\r\n", b"a\n"),
        ("ü\x7fo\n".encode(), "ü\b \bo\r\n".encode(), b"o\n"),
    ],
)
def test_editing(k, typed, screen, line):
    assert type_(k, typed) == screen
    assert k.read(0) == line


def test_a_tab_goes_back_to_where_it_came_from(k):
    k.sys("write", 0, b"/ # ", 4)
    assert type_(k, b"\t\x7f") == b"\t" + b"\b" * 4


def test_end_of_file(k):
    type_(k, b"\x04")
    assert k.read(0) == b""
    assert k.read(0) == WAIT
    type_(k, b"ab\x04")
    assert k.read(0) == b"ab"
    assert k.read(0) == WAIT


def test_a_script_ends(k):
    k.tty.receive(k, b"last")
    k.tty.end_of_input(k)
    assert k.read(0) == b"last"
    assert k.read(0) == b""
    assert k.read(0) == b""


def test_keys_that_send_signals(k, sent):
    k.sys("ioctl", 0, tty.TIOCSCTTY, 0)
    k.sys("ioctl", 0, tty.TIOCSPGRP, struct.pack("<i", 7))
    k.current.pgid = 7
    assert type_(k, b"half\x03") == b"half^C"
    assert sent == [(7, 2)]
    type_(k, b"\x1c")
    assert sent[1:] == [(7, 3)]
    type_(k, b"x\n")
    assert k.read(0) == b"x\n"


def test_no_foreground_group_no_signal(k, sent):
    type_(k, b"\x03")
    assert sent == []


def test_a_signal_ends_a_read(k):
    assert k.read(0) == WAIT
    k.current.woken = "signal"
    assert k.retry("read", 0, BUFFER, 1) == "EINTR"
    k.sys("fcntl", 0, 4, 0o4000)
    assert k.sys("read", 0, BUFFER, 1) == "EAGAIN"


def test_raw_mode(k):
    type_(k, b"early")
    raw(k)
    assert type_(k, b"\x7f\x04\r") == b""
    assert k.read(0) == b"early\x7f\x04\n"
    assert k.read(0) == WAIT
    raw(k, vmin=3)
    type_(k, b"ab")
    assert k.read(0) == WAIT
    type_(k, b"c")
    assert k.read(0, 2) == b"ab"
    assert k.read(0, 1) == b"c"


def test_raw_mode_with_time(k):
    raw(k, vmin=0)
    assert k.read(0) == b""
    raw(k, vmin=0, vtime=5)
    assert k.read(0) == Wait(("tty",), timeout=500_000_000)
    k.current.woken = "timeout"
    assert k.retry("read", 0, BUFFER, 4) == 0
    type_(k, b"z")
    assert k.read(0) == b"z"


def test_a_bad_pointer_costs_no_input(k):
    type_(k, b"line\n")
    assert k.sys("read", 0, 8, 10) == "EFAULT"
    assert k.read(0) == b"line\n"


def test_output_is_processed_unless_it_is_raw(k):
    k.console.output = b""
    k.sys("write", 0, b"a\nb", 3)
    set_flags(k, oflag=0)
    k.sys("write", 0, b"a\nb", 3)
    assert k.console.output == b"a\r\nba\nb"


def test_window_size(k, sent):
    k.tty.foreground = 9
    k.tty.resize(k, 50, 132)
    assert sent == [(9, 28)]
    assert k.sys("ioctl", 0, tty.TIOCGWINSZ, BUFFER) == 0
    assert struct.unpack("<HHHH", k.user.copy_from(BUFFER, 8)) == (50, 132, 0, 0)
    k.sys("ioctl", 0, tty.TIOCSWINSZ, struct.pack("<HHHH", 25, 80, 0, 0))
    assert (k.tty.rows, k.tty.columns) == (25, 80)
    k.tty.resize(k, 25, 80)
    assert len(sent) == 2


def test_sessions(k):
    assert k.sys("ioctl", 0, tty.TIOCSCTTY, 0) == 0
    k.sys("ioctl", 0, tty.TIOCGPGRP, BUFFER)
    assert k.user.u32(BUFFER) == 1
    k.sys("ioctl", 0, tty.TIOCGSID, BUFFER)
    assert k.user.u32(BUFFER) == 1
    k.current.sid = 5
    assert k.sys("ioctl", 0, tty.TIOCSCTTY, 0) == "EPERM"
    assert k.sys("ioctl", 0, tty.TIOCSPGRP, struct.pack("<i", 7)) == "ENOTTY"
    assert k.sys("openat", -100, "/dev/tty", 2, 0) == "ENXIO"
    assert k.sys("openat", -100, "/dev/console", 2, 0) == 1
    k.current.sid, k.current.pgid = 1, 3
    assert k.sys("read", 0, BUFFER, 1) == "EIO"


def test_counts_and_flushes(k):
    type_(k, b"abc\nde")
    k.sys("ioctl", 0, tty.FIONREAD, BUFFER)
    assert k.user.u32(BUFFER) == 4
    assert k.sys("ioctl", 0, tty.TCFLSH, 1) == 0
    assert k.tty.available() == 4
    assert k.sys("ioctl", 0, tty.TCFLSH, 0) == 0
    assert k.read(0) == WAIT
    assert k.sys("ioctl", 0, 0x1234, 0) == "ENOTTY"
    assert k.sys("ioctl", 0, tty.TCGETS, 8) == "EFAULT"


def test_typing_ahead_has_an_end(k):
    assert type_(k, b"x" * 5000).count(b"\a") == 5000 - 4095
    type_(k, b"\n")
    assert len(k.tty.line) == 0
    assert k.read(0, 5000) == b"x" * 4095 + b"\n"
