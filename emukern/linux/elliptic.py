"""ECDSA verification over the NIST curves whose signatures kernel modules carry (FIPS 186-5, SEC 1).

Points are in Jacobian coordinates, so that no inversion is needed; the two multiplications share their doublings.
Nothing here is secret, so nothing takes care of timing.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

Point = tuple[int, int, int]  # X, Y, Z; Z = 0 is the point at infinity
INFINITY: Point = (1, 1, 0)
ROWS = 6  # of bits in a comb; its table has a point for each combination


class Curve(NamedTuple):
    """y² = x³ − 3x + b over the integers modulo p, with a base point of order n."""

    p: int
    b: int
    n: int
    base: tuple[int, int]


P256 = Curve(
    p=2**256 - 2**224 + 2**192 + 2**96 - 1,
    b=0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B,
    n=0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551,
    base=(
        0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
        0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
    ),
)
P384 = Curve(
    p=2**384 - 2**128 - 2**96 + 2**32 - 1,
    b=0xB3312FA7E23EE7E4988E056BE3F82D19181D9C6EFE8141120314088F5013875AC656398D8A2ED19D2A85C8EDD3EC2AEF,
    n=0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973,
    base=(
        0xAA87CA22BE8B05378EB1C71EF320AD746E1D3B628BA79B9859F741E082542A385502F25DBF55296C3A545E3872760AB7,
        0x3617DE4A96262C6F5D9E98BF9292DC29F8F41DBD289A147CE9DA3113B5F0B8C00A60B1CE1D7E819D7A431D7C90EA0E5F,
    ),
)


def verify(curve: Curve, public: tuple[int, int], r: int, s: int, digest: bytes) -> bool:
    """Whether (r, s) is a signature of the owner of `public` over what has this digest."""
    p, n = curve.p, curve.n
    x, y = public
    if not (0 < r < n and 0 < s < n) or (y * y - x * x * x + 3 * x - curve.b) % p:
        return False
    bits = n.bit_length()
    z = int.from_bytes(digest, "big") >> max(0, 8 * len(digest) - bits)
    inverse = pow(s, -1, n)
    X, _, Z = _sum_of_multiples(curve, z * inverse % n, curve.base, r * inverse % n, public)
    return Z != 0 and any(candidate * Z * Z % p == X for candidate in (r, r + n) if candidate < p)


def _sum_of_multiples(curve: Curve, u: int, first: tuple[int, int], v: int, second: tuple[int, int]) -> Point:
    """u · first + v · second, by combs (Lim and Lee): a doubling and two additions for each column of bits."""
    columns = -(-curve.n.bit_length() // ROWS)
    pairs = [(u, _comb(curve, first)), (v, _comb(curve, second))]
    total = INFINITY
    for column in range(columns - 1, -1, -1):
        total = _double(curve.p, total)
        for number, comb in pairs:
            teeth = sum((number >> column + columns * row & 1) << row for row in range(ROWS))
            total = _add(curve.p, total, comb[teeth])
    return total


@lru_cache(maxsize=16)
def _comb(curve: Curve, point: tuple[int, int]) -> list[Point]:
    """The sum of the rows of a column of bits, each standing for its power of two, for every such column."""
    columns = -(-curve.n.bit_length() // ROWS)
    row: Point = (*point, 1)
    table = [INFINITY]
    for _ in range(ROWS):
        table += [_add(curve.p, known, row) for known in table]
        for _ in range(columns):
            row = _double(curve.p, row)
    return table


def _double(p: int, point: Point) -> Point:
    """Two times a point (dbl-2001-b of the Explicit-Formulas Database, a = −3)."""
    X, Y, Z = point
    delta = Z * Z % p
    gamma = Y * Y % p
    beta = X * gamma % p
    alpha = 3 * (X - delta) * (X + delta) % p
    X3 = (alpha * alpha - 8 * beta) % p
    return X3, (alpha * (4 * beta - X3) - 8 * gamma * gamma) % p, ((Y + Z) * (Y + Z) - gamma - delta) % p


def _add(p: int, left: Point, right: Point) -> Point:
    """The sum of two points (add-1998-cmo-2)."""
    X1, Y1, Z1 = left
    X2, Y2, Z2 = right
    if not Z1:
        return right
    if not Z2:
        return left
    square1, square2 = Z1 * Z1 % p, Z2 * Z2 % p
    U1, U2 = X1 * square2 % p, X2 * square1 % p
    S1, S2 = Y1 * Z2 * square2 % p, Y2 * Z1 * square1 % p
    H, R = (U2 - U1) % p, (S2 - S1) % p
    if not H:
        return _double(p, left) if not R else INFINITY
    HH = H * H % p
    HHH, V = H * HH % p, U1 * HH % p
    X3 = (R * R - HHH - 2 * V) % p
    return X3, (R * (V - X3) - S1 * HHH) % p, Z1 * Z2 % p * H % p
