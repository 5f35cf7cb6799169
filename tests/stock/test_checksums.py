"""CRC libraries against the catalogue's check values: what the algorithms make of "123456789"."""

from __future__ import annotations

import pytest
from corpus import Bench

DIGITS = b"123456789"


@pytest.mark.parametrize(
    ("module", "function", "bits", "start", "check"),
    [
        ("crc7", "crc7_be", 8, 0, 0x75 << 1),  # CRC-7/MMC, kept in the upper seven bits
        ("crc16", "crc16", 16, 0, 0xBB3D),  # CRC-16/ARC
        ("crc_itu_t", "crc_itu_t", 16, 0, 0x31C3),  # CRC-16/XMODEM
        ("crc_itu_t", "crc_itu_t", 16, 0xFFFF, 0x29B1),  # CRC-16/IBM-3740
        ("crct10dif_common", "crc_t10dif_generic", 16, 0, 0xD0DB),  # CRC-16/T10-DIF
        ("crc64", "crc64_be", 64, 0, 0x6C40_DF5F_0B49_7347),  # CRC-64/ECMA-182
        ("crc64", "crc64_rocksoft_generic", 64, 0, 0xAE8B_1486_0A79_9888),  # CRC-64/NVME
    ],
)
def test_check_value(bench: Bench, module: str, function: str, bits: int, start: int, check: int) -> None:
    bench.load(module)
    answer = bench.call(function, start, bench.buffer(DIGITS), len(DIGITS))
    assert answer & (1 << bits) - 1 == check


@pytest.mark.parametrize(
    ("populate", "polynomial", "start", "check"),
    [
        ("crc8_populate_msb", 0x07, 0x00, 0xF4),  # CRC-8/SMBUS
        ("crc8_populate_lsb", 0xE0, 0xFF, 0xD0),  # CRC-8/ROHC
    ],
)
def test_crc8_fills_its_table(bench: Bench, populate: str, polynomial: int, start: int, check: int) -> None:
    bench.load("crc8")
    table = bench.buffer(256)
    bench.call(populate, table, polynomial)
    assert bench.call("crc8", table, bench.buffer(DIGITS), len(DIGITS), start) & 0xFF == check


def test_the_table_is_data_that_modules_share(bench: Bench) -> None:
    bench.load("crc7")
    table = bench.read(bench.address("crc7_be_syndrome_table"), 256)
    assert table[1] == 0x09 << 1  # x^7 + x^3 + 1
