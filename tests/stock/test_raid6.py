"""raid6_pq times its algorithms against jiffies, then computes syndromes that a few lines of Python check."""

from __future__ import annotations

import random
import struct
from functools import reduce

import pytest
from corpus import Bench

BLOCK = 4096
DISKS = 6  # four of data, P and Q
GEN_SYNDROME, NAME = 0, 24  # offsets in struct raid6_calls


def times_two(block: bytes) -> bytes:
    """Every byte times x in GF(2^8) modulo x^8 + x^4 + x^3 + x^2 + 1."""
    return bytes((byte << 1 ^ (0x1D if byte & 0x80 else 0)) & 0xFF for byte in block)


def xor(a: bytes, b: bytes) -> bytes:
    return (int.from_bytes(a, "little") ^ int.from_bytes(b, "little")).to_bytes(len(a), "little")


def syndromes(data: list[bytes]) -> tuple[bytes, bytes]:
    """P, the blocks' sum, and Q, their sum weighted with powers of x (Anvin, "The mathematics of RAID-6")."""
    return reduce(xor, data), reduce(lambda q, block: xor(times_two(q), block), reversed(data))


def array(bench: Bench, blocks: list[bytes]) -> tuple[int, list[int]]:
    """The table of block addresses that the functions want, and the addresses."""
    addresses = [bench.buffer(block) for block in blocks]
    return bench.buffer(struct.pack(f"<{len(addresses)}Q", *addresses)), addresses


@pytest.fixture
def data() -> list[bytes]:
    return [random.Random(i).randbytes(BLOCK) for i in range(DISKS - 2)]


@pytest.fixture
def raid6(bench: Bench) -> Bench:
    bench.load("raid6_pq")
    return bench


def test_syndromes(raid6: Bench, data: list[bytes]) -> None:
    pointers, addresses = array(raid6, [*data, bytes(BLOCK), bytes(BLOCK)])
    generate = raid6.word(raid6.address("raid6_call") + GEN_SYNDROME)
    raid6.call(generate, DISKS, BLOCK, pointers)
    p, q = syndromes(data)
    assert raid6.read(addresses[-2], BLOCK) == p
    assert raid6.read(addresses[-1], BLOCK) == q


def test_two_lost_disks_are_recovered(raid6: Bench, data: list[bytes]) -> None:
    p, q = syndromes(data)
    pointers, addresses = array(raid6, [data[0], bytes(BLOCK), data[2], bytes(BLOCK), p, q])
    recover = raid6.word(raid6.address("raid6_2data_recov"))
    raid6.call(recover, DISKS, BLOCK, 1, 3, pointers)
    assert raid6.read(addresses[1], BLOCK) == data[1]
    assert raid6.read(addresses[3], BLOCK) == data[3]


def test_the_cpu_decides_the_algorithm(raid6: Bench) -> None:
    """Westmere has SSE2 but no AVX; RV64GC has no vector unit."""
    name = raid6.word(raid6.address("raid6_call") + NAME)
    text = raid6.read(name, 8).split(b"\0")[0]
    assert text.startswith(b"sse2x" if raid6.arch == "x86_64" else b"int64x")
