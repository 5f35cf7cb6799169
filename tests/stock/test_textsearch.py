"""The text search algorithms, used as the kernel's users do: prepare a pattern, find it in a flat buffer."""

from __future__ import annotations

import struct

import pytest
from corpus import Bench

GFP_KERNEL = 0xCC0
NOT_FOUND = 0xFFFF_FFFF
IGNORE_CASE = 2  # <linux/textsearch.h>: TS_IGNORECASE
STATE_SIZE = 56  # sizeof(struct ts_state), rounded up
TEXT = b"the emulated kernel searches a haystack: hay, more hay, and one Needle in it"


def search(bench: Bench, algorithm: str, pattern: bytes, text: bytes = TEXT, flags: int = 0) -> int:
    """Where `pattern` is first found, or NOT_FOUND."""
    address = bench.buffer(pattern)
    name = bench.buffer(algorithm.encode() + b"\0")
    config = bench.call("textsearch_prepare", name, address, len(pattern), GFP_KERNEL, flags)
    assert 0 < config < 2**64 - 4095, f"textsearch_prepare answered {config:#x}"
    state, flat = bench.buffer(STATE_SIZE), bench.buffer(text)
    place = bench.call("textsearch_find_continuous", config, state, flat, len(text))
    bench.call("textsearch_destroy", config)
    return place & 0xFFFF_FFFF


@pytest.mark.parametrize("algorithm", ["kmp", "bm"])
def test_find(bench: Bench, algorithm: str) -> None:
    bench.load(f"ts_{algorithm}")
    for pattern in (b"the", b"hay,", b"more hay", b"Needle", b"it", b" "):
        assert search(bench, algorithm, pattern) == TEXT.find(pattern), pattern
    for pattern in (b"needle", b"hays ", b"itx"):
        assert search(bench, algorithm, pattern) == NOT_FOUND, pattern


@pytest.mark.parametrize("algorithm", ["kmp", "bm"])
def test_find_ignoring_case(bench: Bench, algorithm: str) -> None:
    bench.load(f"ts_{algorithm}")
    assert search(bench, algorithm, b"nEEDle", flags=IGNORE_CASE) == TEXT.find(b"Needle")


SPECIFIC, WILDCARD, DIGIT = 0, 1, 2  # <linux/textsearch_fsm.h>: what a token matches
SINGLE, ANY, MULTI, IGNORE_HEAD = 0, 2, 3, 4  # and how often


def token(type_: int, value: bytes = b"\0", recur: int = SINGLE) -> bytes:
    """One struct ts_fsm_token."""
    return struct.pack("<HBB", type_, recur, value[0])


def test_state_machine(bench: Bench) -> None:
    """v, digits, a dot; the first token lets the pattern start anywhere, the last lets it end anywhere."""
    bench.load("ts_fsm")
    wanted = token(SPECIFIC, b"v") + token(DIGIT, recur=MULTI) + token(SPECIFIC, b".")
    pattern = token(WILDCARD, recur=IGNORE_HEAD) + wanted + token(WILDCARD, recur=ANY)
    text = b"a kernel, v61.x or v6x"
    assert search(bench, "fsm", pattern, text) == text.index(b"v61.")
    assert search(bench, "fsm", pattern, b"a kernel, vx.61 or v6x") == NOT_FOUND


def test_a_search_holds_its_module(bench: Bench) -> None:
    bench.load("ts_kmp")
    pattern = bench.buffer(b"hay")
    config = bench.call("textsearch_prepare", bench.buffer(b"kmp\0"), pattern, 3, GFP_KERNEL, 0)
    assert bench.rmmod_errno("ts_kmp") == 11  # EAGAIN: in use
    bench.call("textsearch_destroy", config)
    assert bench.rmmod_errno("ts_kmp") == 0


def test_an_unknown_algorithm(bench: Bench) -> None:
    answer = bench.call("textsearch_prepare", bench.buffer(b"kmp\0"), bench.buffer(b"hay"), 3, GFP_KERNEL, 0)
    assert answer == 2**64 - 2  # ERR_PTR(-ENOENT)
