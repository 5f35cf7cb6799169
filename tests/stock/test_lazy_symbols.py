"""With lazy symbols a stock module loads although names are missing; the first call of one of them stops."""

from __future__ import annotations

import pytest
from corpus import Bench

from emukern.errors import GuestOops, ModuleError

CALLS_LATER = "kernel/drivers/media/common/ttpci-eeprom.ko"  # uses I2C when it is asked for an address
CALLS_AT_ONCE = "kernel/lib/libcrc32c.ko"  # asks the crypto API for an algorithm in its init function


lazy = pytest.mark.emukern(lazy_symbols=True)


def test_without_it_every_missing_name_is_listed(bench: Bench) -> None:
    with pytest.raises(ModuleError) as refused:
        bench.insert(CALLS_AT_ONCE)
    assert refused.value.errno == 2
    said = {text for _, text in bench.messages()}
    for name in ("crypto_alloc_shash", "crypto_shash_update", "crypto_destroy_tfm"):
        assert f"libcrc32c: Unknown symbol {name} (err -2)" in said


@lazy
def test_a_call_of_a_missing_function_stops(bench: Bench) -> None:
    bench.insert(CALLS_LATER)
    with pytest.raises(GuestOops) as stopped:
        bench.call("ttpci_eeprom_parse_mac", 0, bench.buffer(6))
    report = stopped.value.report
    assert "i2c_transfer" in report.splitlines()[0]
    assert "ttpci_eeprom_parse_mac" in report.splitlines()[0]
    trace = report[report.lower().index("call trace:") :]
    assert "[ttpci_eeprom]" in trace


@lazy
def test_a_call_from_init_stops_too(bench: Bench) -> None:
    with pytest.raises(GuestOops) as stopped:
        bench.insert(CALLS_AT_ONCE)
    first = stopped.value.report.splitlines()[0]
    assert "crypto_alloc_shash" in first
    assert "libcrc32c" in first


@lazy
def test_the_guest_goes_on_afterwards(bench: Bench) -> None:
    bench.insert(CALLS_LATER)
    with pytest.raises(GuestOops):
        bench.call("ttpci_eeprom_parse_mac", 0, bench.buffer(6))
    bench.load("crc7")
    assert bench.call("crc7_be", 0, bench.buffer(b"123456789"), 9) & 0xFF == 0xEA
