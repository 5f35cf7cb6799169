"""The log of a borrowed kernel: rings that wrap, records that are not final, only what is new."""

import pickle
import struct

import pytest

from emukern.errors import ImageError
from emukern.linux.btf import Btf
from emukern.linux.printk import IDS, Layout, Ring
from tests.guestmem import DictMem
from tests.linux.btfwriter import BtfWriter

POINTER, RING, DESCS, INFOS, TEXT = 0xFFFF_0000, 0xFFFF_1000, 0xFFFF_2000, 0xFFFF_4000, 0xFFFF_8000
RESERVED, COMMITTED, FINAL, REUSABLE = range(4)
WORD = 1 << 64


def log_types():
    w = BtfWriter()
    u8, u16, u32, u64 = (w.int(f"u{n * 8}", n) for n in (1, 2, 4, 8))
    counter = w.typedef("atomic_long_t", w.struct("", 8, ("counter", u64, 0)))
    span = w.struct("prb_data_blk_lpos", 16, ("begin", u64, 0), ("next", u64, 8))
    desc = w.struct("prb_desc", 24, ("state_var", counter, 0), ("text_blk_lpos", span, 8))
    info = w.struct(
        "printk_info",
        32,
        ("seq", u64, 0),
        ("ts_nsec", u64, 8),
        ("text_len", u16, 16),
        ("facility", u8, 18),
        ("flags", u8, 19 * 8, 5),
        ("level", u8, 19 * 8 + 5, 3),
        ("caller_id", u32, 20),
    )
    descs = w.struct(
        "prb_desc_ring",
        48,
        ("count_bits", u32, 0),
        ("descs", w.ptr(desc), 8),
        ("infos", w.ptr(info), 16),
        ("head_id", counter, 24),
        ("tail_id", counter, 32),
        ("last_finalized_seq", counter, 40),
    )
    texts = w.struct("prb_data_ring", 32, ("size_bits", u32, 0), ("data", w.ptr(u8), 8), ("head_lpos", counter, 16))
    w.struct("printk_ringbuffer", 88, ("desc_ring", descs, 0), ("text_data_ring", texts, 48))
    return Btf(w.build())


class Kernel:
    """Writes a ring as the kernel does; `exact`: a block may end where the ring ends, as since Linux 6.18."""

    def __init__(self, count_bits=3, text_bits=8, exact=False):
        self.mem, self.exact = DictMem(), exact
        self.count, self.size = 1 << count_bits, 1 << text_bits
        self.head = self.tail = -(self.count + 1) & IDS
        self.position = -self.size % WORD
        self.seq = 0
        self.mem.put(POINTER, struct.pack("<Q", RING))
        self.mem.put(RING, bytes(88))
        self.mem.put(DESCS, bytes(24 * self.count))
        self.mem.put(INFOS, bytes(32 * self.count))
        self.mem.put(TEXT, bytes(self.size))
        self.mem.write(RING, struct.pack("<IIQQ", count_bits, 0, DESCS, INFOS))
        self.mem.write(RING + 48, struct.pack("<IIQ", text_bits, 0, TEXT))
        self.describe(self.head, REUSABLE, 1, 1)
        self.publish()

    def publish(self):
        self.mem.write(RING + 24, struct.pack("<QQ", self.head, self.tail))

    def describe(self, id_, state, begin, end):
        self.mem.write(DESCS + id_ % self.count * 24, struct.pack("<QQQ", state << 62 | id_, begin, end))

    def block(self, id_, text):
        """Room for a text in the ring: its positions."""
        begin, need = self.position, 8 + -(-len(text) // 8) * 8
        end = (begin + need) % WORD
        at = begin % self.size
        if at + need > self.size - (0 if self.exact else 1):
            at, end = 0, (end & -self.size) + need
        self.mem.write(TEXT + begin % self.size, struct.pack("<Q", id_))
        self.mem.write(TEXT + at, struct.pack("<Q", id_) + text)
        self.position = end
        return begin, end

    def printk(self, text, level=6, state=FINAL, span=None):
        self.head = self.head + 1 & IDS
        if (self.head - self.tail & IDS) >= self.count:
            self.tail = self.tail + 1 & IDS
        begin, end = span or self.block(self.head, text.encode())
        info = struct.pack("<QQHBBI", self.seq, self.seq * 1000, len(text.encode()), 0, 2 | level << 5, 0)
        self.mem.write(INFOS + self.head % self.count * 32, info)
        self.describe(self.head, state, begin, end)
        self.seq += 1
        self.publish()

    def ring(self):
        return Ring(self.mem, log_types(), self)

    def address(self, name):
        return POINTER if name == "prb" else None


def texts(records):
    return [record.text for record in records]


def test_nothing_was_printed_yet():
    ring = Kernel().ring()
    assert ring.records() == ring.records(3) == []


def test_records():
    kernel = Kernel()
    kernel.printk("one")
    kernel.printk("two\nlines", level=3)
    first, second = kernel.ring().records()
    assert (first.seq, first.level, first.time_ns, first.text) == (0, 6, 0, "one")
    assert (second.seq, second.level, second.time_ns, second.text) == (1, 3, 1000, "two\nlines")


@pytest.mark.parametrize("exact", [False, True], ids=["older", "newer"])
@pytest.mark.parametrize("length", range(30))
def test_rings_wrap(exact, length):
    kernel = Kernel(exact=exact)
    for i in range(40):
        kernel.printk(f"{i:02}" + "x" * length)
        got = kernel.ring().records()
        assert texts(got)[-4:] == [f"{n:02}" + "x" * length for n in range(max(0, i - 3), i + 1)]
        assert [record.seq for record in got] == list(range(got[0].seq, i + 1))


def test_only_what_is_new():
    kernel = Kernel()
    ring = kernel.ring()
    seen = []
    for i in range(50):
        for n in range(i % 4):
            kernel.printk(f"{i} {n}")
        seen += ring.records(seen[-1].seq + 1 if seen else 0)
    assert texts(seen) == [f"{i} {n}" for i in range(50) for n in range(i % 4)]
    assert [record.seq for record in seen] == list(range(len(seen)))


def test_an_unfinished_record_and_what_follows_wait():
    kernel = Kernel()
    kernel.printk("whole")
    kernel.printk("half", state=COMMITTED)
    ring = kernel.ring()
    assert texts(ring.records()) == ["whole"]
    kernel.printk("next")
    assert ring.records(1) == []
    half = kernel.head - 1 & IDS
    begin, end = struct.unpack("<QQ", kernel.mem.read(DESCS + half % kernel.count * 24 + 8, 16))
    kernel.describe(half, FINAL, begin, end)
    assert texts(ring.records(1)) == ["half", "next"]


def test_a_record_that_is_just_being_made():
    kernel = Kernel()
    kernel.printk("whole")
    kernel.printk("being made", state=RESERVED)
    kernel.mem.write(INFOS + kernel.head % kernel.count * 32, bytes(32))
    ring = kernel.ring()
    assert texts(ring.records()) == ["whole"]
    assert ring.records(1) == []


def test_lost_and_empty_texts():
    kernel = Kernel()
    kernel.printk("", span=(3, 3))
    kernel.printk("", span=(1, 1))
    kernel.printk("gone", state=REUSABLE)
    kernel.printk("here")
    assert [(record.seq, record.text) for record in kernel.ring().records()] == [(0, ""), (3, "here")]


def test_a_block_that_another_text_has_taken_is_lost():
    kernel = Kernel()
    kernel.printk("old")
    kernel.mem.write(TEXT, struct.pack("<Q", 77))
    assert kernel.ring().records() == []


def test_bytes_that_are_no_text_survive():
    kernel = Kernel()
    kernel.printk("??")
    kernel.mem.write(TEXT + 8, b"\xff\xe4")
    (record,) = kernel.ring().records()
    assert record.text.encode("utf-8", "surrogateescape") == b"\xff\xe4"


def test_layout_can_be_kept():
    kernel = Kernel()
    kernel.printk("one")
    layout = pickle.loads(pickle.dumps(Layout.of(log_types())))
    assert texts(Ring(kernel.mem, layout, kernel).records()) == ["one"]


def test_kernels_without_such_a_log():
    with pytest.raises(ImageError, match="no struct printk"):
        Layout.of(Btf(BtfWriter().build()))
    kernel = Kernel()
    kernel.address = lambda name: None
    with pytest.raises(ImageError, match="no symbol prb"):
        kernel.ring()
    damaged = Kernel()
    damaged.mem.write(RING, struct.pack("<I", 60))
    with pytest.raises(ImageError, match="log is damaged"):
        damaged.ring().records()


def test_a_running_kernel(borrowed):
    records = borrowed.dmesg()
    assert [record.seq for record in records] == list(range(len(records)))
    assert any(record.text.startswith(f"Linux version {borrowed.release}") for record in records[:3])
    assert [record.time_ns for record in records] == sorted(record.time_ns for record in records)
    kernel = borrowed.kernel
    kernel.printk("\0014emukern: two\nlines\n")
    kernel.printk("\0016emukern: no end")
    assert [(record.level, record.text) for record in borrowed.dmesg()[len(records) :]] == [(4, "emukern: two\nlines")]
    kernel.printk("\001c, or is there\n")
    assert borrowed.dmesg()[-1].text == "emukern: no end, or is there"


def test_the_guest_reads_the_same(borrowed):
    ours = [line for record in borrowed.dmesg() for line in record.formatted.split("\n")]
    theirs = borrowed.shell("dmesg").output.splitlines()
    assert theirs[: len(ours)] == ours
