"""The printk ring: levels, continuation, capacity, the console and syslog(2)'s view."""

from types import SimpleNamespace

import pytest

from emukern.kernel.log import CAPACITY, LINE_MAX, Log


class Console:
    def __init__(self):
        self.text = b""

    def write(self, data):
        self.text += data


@pytest.fixture
def k():
    k = SimpleNamespace(sched=SimpleNamespace(woken=[]), console=Console(), clock=SimpleNamespace(now=4_000_000))
    k.sched.wake = k.sched.woken.append
    k.log = Log(k.clock, k.console, k.sched)
    return k


def said(k):
    return [(record.level, record.text) for record in k.log.records]


@pytest.mark.parametrize(
    ("data", "level", "text"),
    [
        (b"plain\n", 4, "plain"),
        (b"\x016hello\n", 6, "hello"),
        (b"\x013\x016two prefixes\n", 3, "two prefixes"),
        (b"\x016one\ntwo\n", 6, "one\ntwo"),
        (b"\x016blank line below\n\n", 6, "blank line below\n"),
        (b"\x01x no level\n", 4, "\x01x no level"),
        (b"", 4, ""),
        (b"\x016\xff\xc3\xa9\n", 6, "\udcffé"),
    ],
)
def test_prefix(k, data, level, text):
    k.log.printk(data)
    assert said(k) == [(level, text)]


def test_length_is_that_of_the_text_alone(k):
    assert k.log.printk(b"\x016hello\n") == 5
    assert k.log.printk(b"x" * 2000) == LINE_MAX


def test_continuation_joins_an_open_record_only(k):
    k.log.printk(b"\x016a")
    k.log.printk(b"\x01cb")
    k.log.printk(b"\x01cc\n")
    k.log.printk(b"\x01calone\n")
    assert said(k) == [(6, "abc"), (4, "alone")]
    assert k.console.text == b"abc\r\nalone\r\n"


def test_a_new_record_ends_an_open_one(k):
    k.log.printk(b"\x016open")
    k.log.printk(b"\x017hidden\n")
    k.log.printk(b"\x01cno longer\n")
    assert said(k) == [(6, "open"), (7, "hidden"), (4, "no longer")]
    assert k.console.text == b"open\r\nno longer\r\n"


def test_console_shows_what_is_urgent_enough(k):
    k.log.set_console_level(5)
    k.log.emit(4, "warning")
    k.log.emit(5, "notice")
    k.log.console_off()
    k.log.console_off()
    k.log.emit(1, "alert")
    k.log.console_on()
    k.log.emit(3, "error")
    assert k.console.text == b"warning\r\nerror\r\n"
    assert len(k.log.records) == 4


def test_emit_wakes_readers(k):
    k.log.emit(6, "news")
    assert k.sched.woken == [("log",)]


def test_format(k):
    k.clock.now = 12_345_678_901
    k.log.emit(6, "one\ntwo")
    assert k.log.records[0].formatted == "[   12.345678] one\n[   12.345678] two"
    assert k.log.read_all(1000) == b"<6>[   12.345678] one\n<6>[   12.345678] two\n"


def test_destructive_read(k):
    k.log.emit(6, "one")
    k.log.emit(6, "two")
    line = len(b"<6>[    0.004000] one\n")
    assert k.log.size_unread() == 2 * line
    assert k.log.read(line + 5) == b"<6>[    0.004000] one\n"
    assert k.log.read(10) == b"<6>[    0."
    assert k.log.size_unread() == line - 10
    assert k.log.read(100) == b"004000] two\n"
    assert k.log.read(100) == b""
    k.log.emit(6, "three")
    assert k.log.read(100).endswith(b"three\n")


def test_read_all_takes_the_newest_and_may_clear(k):
    for text in ("one", "two", "six"):
        k.log.emit(6, text)
    assert b"".join(k.log.read_all(50).split()[2::3]) == b"twosix"
    assert k.log.read_all(1000, clear=True).count(b"\n") == 3
    assert k.log.read_all(1000) == b""
    assert k.log.size_unread() > 0


def test_capacity_drops_the_oldest(k):
    for i in range(300):
        k.log.printk(b"%d %s\n" % (i, b"x" * 980))
    assert sum(len(record.text) + 1 for record in k.log.records) <= CAPACITY
    assert k.log.records[-1].seq == 299
    assert k.log.records[0].seq > 100
    assert b" %d x" % k.log.records[0].seq in k.log.read(1100)
