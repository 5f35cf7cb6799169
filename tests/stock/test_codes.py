"""Error correcting codes: what they encode, damaged, comes back whole."""

from __future__ import annotations

import random
import struct

from corpus import Bench

# --- Reed-Solomon over GF(256), the code of CCSDS: polynomial 0x187, first root 112

FIELD, FIRST_ROOT, STEP, ROOTS = 0x187, 112, 11, 32
GFP_KERNEL = 0xCC0


def field_tables() -> tuple[list[int], list[int]]:
    """Powers of the generator and their logarithms."""
    powers, logs, element = [], [0] * 256, 1
    for i in range(255):
        powers.append(element)
        logs[element] = i
        element <<= 1
        if element & 0x100:
            element ^= FIELD
    return powers, logs


def reed_solomon_parity(data: bytes) -> list[int]:
    """The remainder of data(x) * x^ROOTS by the generator polynomial, highest coefficient first."""
    powers, logs = field_tables()

    def times(a: int, b: int) -> int:
        return powers[(logs[a] + logs[b]) % 255] if a and b else 0

    generator = [1]
    for i in range(ROOTS):
        root = powers[(FIRST_ROOT + i) * STEP % 255]
        generator = [a ^ times(b, root) for a, b in zip([*generator, 0], [0, *generator], strict=True)]
    remainder = [0] * ROOTS
    for byte in data:
        factor = byte ^ remainder[0]
        remainder = [a ^ times(g, factor) for a, g in zip([*remainder[1:], 0], generator[1:], strict=True)]
    return remainder


def reed_solomon(bench: Bench) -> int:
    """A new codec; checks that the module had no objection."""
    bench.load("reed_solomon")
    codec = bench.call("init_rs_gfp", 8, FIELD, FIRST_ROOT, STEP, ROOTS, GFP_KERNEL)
    assert codec
    return codec


def test_reed_solomon_encodes_the_polynomial_remainder(bench: Bench) -> None:
    codec = reed_solomon(bench)
    if bench.arch == "riscv64":
        return  # that kernel is built without an encoder
    data = random.Random(1).randbytes(223)
    parity = bench.buffer(2 * ROOTS)
    assert bench.call_int("encode_rs8", codec, bench.buffer(data), len(data), parity, 0) == 0
    assert list(struct.unpack(f"<{ROOTS}H", bench.read(parity, 2 * ROOTS))) == reed_solomon_parity(data)


def test_reed_solomon_corrects_sixteen_bytes(bench: Bench) -> None:
    codec = reed_solomon(bench)
    rng = random.Random(2)
    data = rng.randbytes(223)
    parity = bench.buffer(struct.pack(f"<{ROOTS}H", *reed_solomon_parity(data)))
    damaged = bytearray(data)
    for place in rng.sample(range(len(data)), ROOTS // 2):
        damaged[place] ^= rng.randint(1, 255)
    received = bench.buffer(bytes(damaged))
    assert bench.call_int("decode_rs8", codec, received, parity, len(data), 0, 0, 0, 0, 0) == ROOTS // 2
    assert bench.read(received, len(data)) == data


def test_reed_solomon_refuses_what_it_cannot_correct(bench: Bench) -> None:
    codec = reed_solomon(bench)
    rng = random.Random(3)
    parity = bench.buffer(struct.pack(f"<{ROOTS}H", *reed_solomon_parity(rng.randbytes(223))))
    noise = bench.buffer(rng.randbytes(223))
    assert bench.call_int("decode_rs8", codec, noise, parity, 223, 0, 0, 0, 0, 0) == -74  # EBADMSG


def test_codecs_of_the_same_shape_share_their_tables(bench: Bench) -> None:
    first = reed_solomon(bench)
    second = bench.call("init_rs_gfp", 8, FIELD, FIRST_ROOT, STEP, ROOTS, GFP_KERNEL)
    assert first != second
    assert bench.word(first) == bench.word(second)
    for codec in (first, second):
        bench.call("free_rs", codec)


# --- BCH over GF(2^13), as for NAND flash: 4 bits of a 512-byte page

DEGREE, CORRECTS = 13, 4
ECC_BYTES = 16  # offset in struct bch_control


def test_bch_corrects_four_bits(bench: Bench) -> None:
    bench.load("bch")
    control = bench.call("bch_init", DEGREE, CORRECTS, 0, 0)
    assert control
    size = int.from_bytes(bench.read(control + ECC_BYTES, 4), "little")
    assert size == -(-DEGREE * CORRECTS // 8)
    rng = random.Random(4)
    data = rng.randbytes(512)
    ecc = bench.buffer(size)
    bench.call("bch_encode", control, bench.buffer(data), len(data), ecc)
    damaged = bytearray(data)
    flipped = sorted(rng.sample(range(len(data) * 8), CORRECTS))
    for bit in flipped:
        damaged[bit // 8] ^= 1 << bit % 8
    places = bench.buffer(4 * CORRECTS)
    found = bench.call_int("bch_decode", control, bench.buffer(bytes(damaged)), len(data), ecc, 0, 0, places)
    assert found == CORRECTS
    assert sorted(struct.unpack(f"<{CORRECTS}I", bench.read(places, 4 * CORRECTS))) == flipped
    bench.call("bch_free", control)


def test_bch_refuses_a_field_that_does_not_exist(bench: Bench) -> None:
    bench.load("bch")
    assert bench.call("bch_init", 16, CORRECTS, 0, 0) == 0
