"""The functions of guest/kernel/*.c, run on their CPU and compared with Python's own idea of them."""

from __future__ import annotations

import random
import struct

import pytest

E2BIG = 7


@pytest.fixture
def rng():
    return random.Random(2)


def sign(number):
    number = (number & 0xFFFFFFFF ^ 0x80000000) - 0x80000000
    return (number > 0) - (number < 0)


def test_memory_functions(m, rng):
    block = m.put(256)
    for _ in range(15):
        before = rng.randbytes(256)
        to, source, n = rng.randrange(100), rng.randrange(100), rng.randrange(100)
        m.k.mem.write(block, before)
        assert m.call("memmove", block + to, block + source, n) & (1 << 64) - 1 == block + to
        expected = bytearray(before)
        expected[to : to + n] = before[source : source + n]
        assert m.k.mem.read(block, 256) == expected
        m.call("memset", block + to, source, n)
        expected[to : to + n] = bytes([source]) * n
        assert m.k.mem.read(block, 256) == expected
        assert sign(m.call("memcmp", block, block + to, n)) == (
            (expected[:n] > expected[to : to + n]) - (expected[:n] < expected[to : to + n])
        )


def test_overlapping_moves_go_both_ways(m):
    block = m.put(bytes(range(64)))
    m.call("memmove", block + 1, block, 40)
    assert m.k.mem.read(block, 41) == b"\0" + bytes(range(40))
    m.call("memmove", block, block + 1, 40)
    assert m.k.mem.read(block, 40) == bytes(range(40))


@pytest.mark.parametrize(
    ("function", "text", "argument", "place"),
    [
        ("strchr", b"module", ord("d"), 2),
        ("strchr", b"module", 0, 6),
        ("strchr", b"module", ord("x"), None),
        ("strrchr", b"a/b/c", ord("/"), 3),
        ("strstr", b"finit_module", b"mod", 6),
        ("strstr", b"abc", b"", 0),
        ("strstr", b"abc", b"abcd", None),
        ("strpbrk", b"key=value", b"=:", 3),
        ("skip_spaces", b" \t\n x", 0, 4),
        ("strchrnul", b"abc", ord("z"), 3),
    ],
)
def test_searches(m, function, text, argument, place):
    s = m.put(text + b"\0")
    other = argument if isinstance(argument, int) else m.put(argument + b"\0")
    found = m.call(function, s, other)
    assert found & (1 << 64) - 1 == (0 if place is None else s + place)


def test_bounded_copies(m):
    to, s = m.put(b"\xff" * 16), m.put(b"emukern\0")
    assert m.call("strscpy", to, s, 16) == 7
    assert m.text(to) == b"emukern"
    assert m.call("strscpy", to, s, 4) == -E2BIG
    assert m.text(to) == b"emu"
    assert m.call("strscpy", to, s, 0) == -E2BIG
    assert m.call("strlcpy", to, s, 5) == 7
    assert m.text(to) == b"emuk"
    assert m.call("strlcat", to, s, 8) == 11
    assert m.text(to) == b"emukemu"
    assert "strlcat+0x" in m.oops("strlcat", to, s, 3)
    m.call("strncpy", to, s, 12)
    assert m.k.mem.read(to, 13) == b"emukern" + bytes(5) + b"\xff"


def test_comparisons(m):
    a, b = m.put(b"Abc\0"), m.put(b"abd\0")
    assert [sign(m.call(f, a, b)) for f in ("strcmp", "strcasecmp")] == [-1, -1]
    assert sign(m.call("strncasecmp", a, b, 2)) == 0
    assert m.call("sysfs_streq", m.put(b"on\n\0"), m.put(b"on\0")) & 0xFF == 1


def test_fields_are_cut_off_one_by_one(m):
    text = m.put(b"a,,b\0")
    cursor, comma = m.put(struct.pack("<Q", text)), m.put(b",\0")
    fields = []
    while field := m.call("strsep", cursor, comma):
        fields.append(m.text(field))
    assert fields == [b"a", b"", b"b"]
    assert m.text(m.call("strim", m.put(b"  two words \n\0"))) == b"two words"


def test_sorting_calls_the_comparison_back(m, rng):
    """strcmp compares: the elements are short strings in 8 bytes."""
    words = [bytes(rng.choices(b"abc", k=rng.randrange(1, 6))) for _ in range(40)]
    array = m.put(b"".join(word.ljust(8, b"\0") for word in words))
    m.call("sort", array, len(words), 8, m.guest.address("strcmp"), 0)
    ordered = sorted(words)
    assert m.k.mem.read(array, 320) == b"".join(word.ljust(8, b"\0") for word in ordered)
    found = m.call("bsearch", m.put(ordered[7] + b"\0"), array, len(words), 8, m.guest.address("strcmp"))
    assert m.text(found) == ordered[7]
    assert m.call("bsearch", m.put(b"zz\0"), array, len(words), 8, m.guest.address("strcmp")) == 0


def test_bits(m, rng):
    words = [rng.getrandbits(64) & rng.getrandbits(64) & rng.getrandbits(64) for _ in range(3)]
    bits = [words[i // 64] >> i % 64 & 1 for i in range(192)]
    array = m.put(struct.pack("<3Q", *words))
    for size, start in [(192, 0), (100, 30), (65, 64), (5, 0), (10, 10)]:
        ones = [i for i in range(start, size) if bits[i]]
        zeros = [i for i in range(start, size) if not bits[i]]
        assert m.call("_find_next_bit", array, size, start) == (ones or [size])[0]
        assert m.call("_find_next_zero_bit", array, size, start) == (zeros or [size])[0]
    assert m.call("_find_last_bit", array, 192) == max(i for i in range(192) if bits[i])
    assert m.call("__sw_hweight64", words[0]) == bin(words[0]).count("1")


def test_broken_lists_are_reported_in_linuxs_words(m):
    a, b, c = m.put(16), m.put(16), m.put(16)

    def link(node, following, previous):
        m.k.mem.write(node, struct.pack("<QQ", following, previous))

    link(a, b, b)
    link(b, a, a)
    assert m.call("__list_add_valid", c, a, b) & 0xFF == 1
    assert m.call("__list_del_entry_valid", b) & 0xFF == 1
    assert f"list_add double add: new={b:016x}, prev={a:016x}, next={b:016x}." in m.oops("__list_add_valid", b, a, b)
    assert f"next->prev should be prev ({c:016x}), but was {a:016x}" in m.oops("__list_add_valid", a, c, b)
    link(b, 0xDEAD000000000100, 0xDEAD000000000122)
    report = m.oops("__list_del_entry_valid", b)
    assert f"list_del corruption, {b:016x}->next is LIST_POISON1 (dead000000000100)" in report
    link(b, a, c)
    assert f"prev->next should be {b:016x}, but was 0000000000000000" in m.oops("__list_del_entry_valid", b)


def test_tables(m):
    table = m.k.mem.read(m.guest.address("byte_rev_table"), 256)
    assert all(table[i] == int(f"{i:08b}"[::-1], 2) for i in range(256))
    classes = m.k.mem.read(m.guest.address("_ctype"), 256)
    assert [chr(i) for i in range(128) if classes[i] & 4] == list("0123456789")
    assert [chr(i) for i in range(128) if classes[i] & 0x40] == list("ABCDEFabcdef")
