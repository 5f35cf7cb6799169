"""printk, sprintf, sscanf, kstrto* and hex dumps as modules call them: words in, a word and guest memory out."""

from types import SimpleNamespace

import pytest

from emukern.errors import Errno
from emukern.kapi import hexdump, kstrtox, printk, sprintf
from emukern.kapi.export import DATA, EXPORTS
from emukern.kernel.log import Log
from tests.guestmem import DictMem

MASK = 2**64 - 1
BUF, TEXT = 0x10000, 0x20000
ALL = (hexdump, kstrtox, printk, sprintf)


class Call:
    """`k.args` for one call; texts are put into guest memory."""

    nregs = 6

    def __init__(self, words):
        self.words = words

    def reg(self, i):
        return self.words[i] & MASK

    def stack(self, i):
        return self.words[self.nregs + i] & MASK


@pytest.fixture
def k():
    clock = SimpleNamespace(now=0, hz=250, jiffies=1000)
    k = SimpleNamespace(mem=DictMem(), clock=clock, log=Log(clock), caller="hello_init [hello]", part_state={})
    k.arch = SimpleNamespace(va_list="pointer")
    k.symbols = SimpleNamespace(where=lambda address: ("probe", 4, 8, "hello"))
    k.heap = SimpleNamespace(alloc=lambda size, by: k.mem.put(0x30000, bytes(size)))
    k.user = SimpleNamespace(copy_from=k.mem.read)
    k.mem.put(BUF, b"\xee" * 256)
    return k


@pytest.fixture
def call(k):
    def call(name, *args):
        words = [k.mem.put(TEXT + 0x1000 * i, a + b"\0") if isinstance(a, bytes) else a for i, a in enumerate(args)]
        k.args = Call(words)
        word = EXPORTS[name].invoke(k)
        return word - (1 << 64) if word >> 63 else word

    return call


def buf(k):
    return k.mem.cstr(BUF)


def test_printk(k, call):
    assert call("_printk", b"\x016%s: %d\n", b"hello", -5) == len("hello: -5")
    assert [(r.level, r.text) for r in k.log.records] == [(6, "hello: -5")]
    assert EXPORTS["kprintf"] is EXPORTS["printk"] is EXPORTS["_printk"]


def test_vprintk(k, call):
    k.mem.put(0x40000, (77).to_bytes(8, "little"))
    call("vprintk", b"%d\n", 0x40000)
    assert k.log.records[0].text == "77"


def test_snprintf_truncates(k, call):
    assert call("snprintf", BUF, 5, b"%s", b"longer") == 6
    assert buf(k) == b"long"
    assert call("scnprintf", BUF, 4, b"%s", b"longer") == 3
    assert buf(k) == b"lon"
    assert call("snprintf", 0, 0, b"%d", 12345) == 5
    assert call("scnprintf", 0, 0, b"%d", 12345) == 0
    assert call("snprintf", BUF, -1, b"%d", 5) == 0
    assert "hello_init [hello]" in k.log.records[0].text


def test_sprintf_takes_arguments_from_the_stack(k, call):
    assert call("sprintf", BUF, b"%d%d%d%d%d%c", 1, 2, 3, 4, 5, 0x36) == 6
    assert buf(k) == b"123456"


def test_kasprintf(k, call):
    assert call("kasprintf", 0xCC0, b"%s-%u", b"a", -1) == 0x30000
    assert bytes(k.mem.blocks[0x30000]) == b"a-4294967295\0"
    k.heap.alloc = lambda size, by: 0
    assert call("kasprintf", 0xCC0, b"x") == 0


def test_sscanf(k, call):
    assert call("sscanf", b"7 seas", b"%d %s", BUF, BUF + 8) == 2
    assert (k.mem.u32(BUF), k.mem.cstr(BUF + 8)) == (7, b"seas")


def test_sprint_symbol(k, call):
    assert call("sprint_symbol", BUF, 0x1234) == len(b"probe+0x4/0x8 [hello]")
    assert buf(k) == b"probe+0x4/0x8 [hello]"


@pytest.mark.parametrize(
    ("name", "text", "answer", "stored"),
    [
        ("kstrtoint", b"-7\n", 0, b"\xf9\xff\xff\xff\xee"),
        ("kstrtou8", b"256", -34, b"\xee"),
        ("kstrtou8", b"255", 0, b"\xff\xee"),
        ("kstrtos16", b"-32768", 0, b"\0\x80\xee"),
        ("kstrtoull", b"x", -22, b"\xee"),
        ("_kstrtol", b"-1", 0, b"\xff" * 8 + b"\xee"),
    ],
)
def test_kstrto(k, call, name, text, answer, stored):
    assert call(name, text, 0, BUF) == answer
    assert k.mem.read(BUF, len(stored)) == stored


def test_kstrto_from_user(k, call):
    assert call("kstrtoint_from_user", b"12\n", 3, 0, BUF) == 0
    assert k.mem.u32(BUF) == 12

    def fault(addr, n):
        raise Errno(14)

    k.user.copy_from = fault
    assert call("kstrtoul_from_user", 0, 3, 0, BUF) == -14


def test_kstrtobool(k, call):
    assert call("kstrtobool", b"on", BUF) == 0
    assert k.mem.read(BUF, 2) == b"\1\xee"
    assert call("kstrtobool", 0, BUF) == -22
    assert call("kstrtobool_from_user", b"n\n", 2, BUF) == 0
    assert k.mem.u8(BUF) == 0


def test_simple_strtol(k, call):
    assert call("simple_strtol", b"-12x", BUF, 10) == -12
    assert k.mem.u64(BUF) == TEXT + 3
    assert call("simple_strtoull", b"0x10", 0, 0) == 16
    assert call("memparse", b"2k!", BUF) == 2048
    assert k.mem.u64(BUF) == TEXT + 2


def test_get_options(k, call):
    end = call("get_options", b"3,5-7,-9;", 10, BUF)
    assert end == TEXT + 8
    assert [k.mem.u32(BUF + 4 * i) for i in range(6)] == [5, 3, 5, 6, 7, 2**32 - 9]
    call("get_options", b"1,2,3-5", 0, BUF)
    assert k.mem.u32(BUF) == 5


def test_get_option(k, call):
    k.mem.put(0x50000, TEXT.to_bytes(8, "little"))
    k.mem.put(TEXT, b"0x20,x\0")
    assert call("get_option", 0x50000, BUF) == 2
    assert (k.mem.u32(BUF), k.mem.u64(0x50000)) == (32, TEXT + 5)
    assert call("get_option", 0x50000, BUF) == 0


def test_hex(k, call):
    assert [call("hex_to_bin", ord(c)) for c in "09afAFg/:@`"] == [0, 9, 10, 15, 10, 15, -1, -1, -1, -1, -1]
    assert call("hex2bin", BUF, b"00fFzz", 2) == 0
    assert k.mem.read(BUF, 3) == b"\0\xff\xee"
    assert call("hex2bin", BUF, b"12zz", 2) == -22
    assert k.mem.read(BUF, 2) == b"\x12\xff"
    assert call("bin2hex", BUF, b"\1\xab", 2) == BUF + 4
    assert k.mem.read(BUF, 5) == b"01ab\xee"
    assert DATA["hex_asc"].type.size == 17


SAMPLE = bytes(range(0x41, 0x51))


@pytest.mark.parametrize(
    ("length", "row", "group", "ascii", "line"),
    [
        (16, 16, 1, 0, b"41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f 50"),
        (4, 16, 1, 1, b"41 42 43 44".ljust(49) + b"ABCD"),
        (16, 16, 8, 1, b"4847464544434241 504f4e4d4c4b4a49  ABCDEFGHIJKLMNOP"),
        (16, 16, 4, 0, b"44434241 48474645 4c4b4a49 504f4e4d"),
        (3, 16, 2, 0, b"41 42 43"),
        (2, 99, 3, 1, b"41 42".ljust(49) + b"AB"),
        (0, 16, 1, 1, b""),
    ],
)
def test_hex_dump_to_buffer(k, call, length, row, group, ascii, line):
    assert call("hex_dump_to_buffer", SAMPLE, length, row, group, BUF, 200, ascii) == len(line)
    assert buf(k) == line


def test_hex_dump_to_a_small_buffer(k, call):
    assert call("hex_dump_to_buffer", SAMPLE, 16, 16, 1, BUF, 6, 0) == 47
    assert buf(k) == b"41 42"


def test_print_hex_dump(k, call):
    call("print_hex_dump", b"\x017", b"raw: ", 2, 16, 1, SAMPLE + b"\0\xff", 18, 1)
    assert [(r.level, r.text) for r in k.log.records] == [
        (7, "raw: 00000000: 41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f 50  ABCDEFGHIJKLMNOP"),
        (7, "raw: 00000010: 00 ff".ljust(64) + ".."),
    ]
    call("print_hex_dump", b"\x016", b"", 1, 16, 1, SAMPLE, 1, 0)
    assert k.log.records[-1].text.startswith("00000000")
    assert k.log.records[-1].text.endswith(": 41")


def test_ratelimit(k, call):
    state = k.mem.put(0x60000, bytes(4) + b"".join(n.to_bytes(4, "little") for n in (1250, 2, 0, 0)) + bytes(20))
    assert [call("___ratelimit", state, b"f") for _ in range(4)] == [1, 1, 0, 0]
    k.clock.jiffies += 1251
    assert call("___ratelimit", state, b"f") == 1
    assert [r.text for r in k.log.records] == ["f: 2 callbacks suppressed"]


def test_printk_ratelimit(k, call):
    assert [call("__printk_ratelimit", b"f") for _ in range(12)] == [1] * 10 + [0, 0]
    k.clock.jiffies += 1251
    assert call("__printk_ratelimit", b"f") == 1
    assert k.log.records[-1].text == "f: 2 callbacks suppressed"


def test_timed_ratelimit(k, call):
    k.mem.put_u64(BUF, 0)
    assert [call("printk_timed_ratelimit", BUF, 1000) for _ in range(2)] == [1, 0]
    k.clock.jiffies += 251
    assert call("printk_timed_ratelimit", BUF, 1000) == 1
