"""raid6_pq and xor time their algorithms, then compute what a few lines of Python check."""

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


def generated(bench: Bench, data: list[bytes]) -> tuple[bytes, bytes]:
    """P and Q by the algorithm that won."""
    pointers, addresses = array(bench, [*data, bytes(BLOCK), bytes(BLOCK)])
    bench.call(bench.word(bench.address("raid6_call") + GEN_SYNDROME), DISKS, BLOCK, pointers)
    return bench.read(addresses[-2], BLOCK), bench.read(addresses[-1], BLOCK)


def test_syndromes_and_recovery(bench: Bench) -> None:
    """One test for all, because loading takes seconds: the module measures for 16 jiffies an algorithm."""
    bench.load("raid6_pq")
    name = bench.read(bench.word(bench.address("raid6_call") + NAME), 8).split(b"\0")[0]
    # Westmere has SSE2 but no AVX; RV64GC has no vector unit
    assert name.startswith(b"sse2x" if bench.arch == "x86_64" else b"int64x")

    data = [random.Random(i).randbytes(BLOCK) for i in range(DISKS - 2)]
    p, q = syndromes(data)
    assert generated(bench, data) == (p, q)

    pointers, addresses = array(bench, [data[0], bytes(BLOCK), data[2], bytes(BLOCK), p, q])
    bench.call(bench.word(bench.address("raid6_2data_recov")), DISKS, BLOCK, 1, 3, pointers)
    assert bench.read(addresses[1], BLOCK) == data[1]
    assert bench.read(addresses[3], BLOCK) == data[3]


def test_xor(bench: Bench) -> None:
    """The module behind RAID-5 measures too, in nanoseconds of ktime_get; riscv64's wants a vector unit."""
    if bench.arch == "riscv64":
        pytest.skip("xor.ko of the riscv64 kernel imports the vector unit's functions")
    bench.insert("kernel/crypto/xor.ko")
    said = [text for _, text in bench.messages() if "xor" in text]
    assert said[0] == "xor: measuring software checksum speed"
    assert said[-1].startswith("xor: using function: ")
    data = [random.Random(i).randbytes(BLOCK) for i in range(4)]
    sources, _ = array(bench, data[1:])
    target = bench.buffer(data[0])
    bench.call("xor_blocks", 3, BLOCK, target, sources)
    assert bench.read(target, BLOCK) == reduce(xor, data)
