"""lru_cache keeps a set of hot objects for its user, from a slab cache of the kernel's."""

from __future__ import annotations

import struct

from corpus import Bench

ELEMENT_SIZE = 48  # sizeof(struct lc_element)
NUMBER = 40  # offset of lc_number in it
SLOTS = 3


def statistics(bench: Bench, cache: int) -> str:
    """What lc_seq_printf_stats prints into a seq_file."""
    text = bench.buffer(256)
    seq = bench.buffer(struct.pack("<4Q", text, 256, 0, 0).ljust(128, b"\0"))
    bench.call("lc_seq_printf_stats", seq, cache)
    return bench.read(text, bench.word(seq + 24)).decode()


def test_the_least_recently_used_makes_room(bench: Bench) -> None:
    bench.load("lru_cache")
    name = bench.buffer(b"hot\0")
    slab = bench.call("kmem_cache_create", name, ELEMENT_SIZE, 8, 0, 0)
    cache = bench.call("lc_create", name, slab, 1, SLOTS, ELEMENT_SIZE, 0)
    assert cache

    def use(number: int) -> None:
        """Get an object, as its user does: a changed set is committed before the object counts as there."""
        element = bench.call("lc_get", cache, number)
        assert element
        bench.call("lc_committed", cache)
        assert int.from_bytes(bench.read(element + NUMBER, 4), "little") == number
        bench.call("lc_put", cache, element)

    for number in (1, 2, 3, 1, 4):
        use(number)
    assert [number for number in (1, 2, 3, 4) if bench.call("lc_find", cache, number)] == [1, 3, 4]
    line = statistics(bench, cache)
    assert line == "\thot: used:0/3 hits:1 misses:4 starving:0 locked:0 changed:4\n"
    bench.call("lc_destroy", cache)
