"""Small libraries of fixed-point and integer arithmetic."""

from __future__ import annotations

import math

import pytest
from corpus import Bench


def signed(word: int) -> int:
    """The low half of `word` as a 32-bit integer."""
    return (word & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000


@pytest.mark.parametrize("degrees", [-150, -90, -30, 0, 45, 60, 120])
def test_cordic_turns_an_angle_into_a_vector(bench: Bench, degrees: int) -> None:
    """The angle is in degrees, the coordinates are 16.16 fixed point; the error is some 2^-11."""
    bench.load("cordic")
    word = bench.call("cordic_calc_iq", degrees & 0xFFFF_FFFF)
    i, q = signed(word) / 65536, signed(word >> 32) / 65536
    assert i == pytest.approx(math.cos(math.radians(degrees)), abs=1e-3)
    assert q == pytest.approx(math.sin(math.radians(degrees)), abs=1e-3)


def test_aspect_ratio(bench: Bench) -> None:
    """EDID's landscape byte holds (100 * width / height) - 99; without either byte the answer is 16:9."""
    bench.load("v4l2_dv_timings")
    assert bench.call("v4l2_calc_aspect_ratio", 0, 0) == 9 << 32 | 16
    assert bench.call("v4l2_calc_aspect_ratio", 34, 0) == 3 << 32 | 4
