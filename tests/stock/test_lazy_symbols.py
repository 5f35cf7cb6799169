"""With lazy symbols a stock module loads although names are missing; the first call of one of them stops."""

from __future__ import annotations

import pytest
from corpus import Bench, stock_module

import emukern
from emukern.errors import GuestOops, ModuleError

PATHS = {
    "ttpci_eeprom": "kernel/drivers/media/common/ttpci-eeprom.ko",  # I2C only when it is asked for an address
    "libcrc32c": "kernel/lib/libcrc32c.ko",  # asks the crypto API for an algorithm in its init function
}


def path_of(arch: str, name: str) -> str:
    return PATHS[name] + (".xz" if arch == "riscv64" else "")


@pytest.fixture
def lazy(arch: str) -> Bench:
    """A guest that accepts modules with missing imports."""
    return Bench(emukern.boot(arch=arch, lazy_symbols=True), arch)


def test_without_it_every_missing_name_is_listed(bench: Bench) -> None:
    with pytest.raises(ModuleError) as refused:
        bench.guest.insmod(stock_module(bench.arch, path_of(bench.arch, "libcrc32c")))
    assert refused.value.errno == 2
    said = {text for _, text in bench.messages()}
    for name in ("crypto_alloc_shash", "crypto_shash_update", "crypto_destroy_tfm"):
        assert f"libcrc32c: Unknown symbol {name} (err -2)" in said


def test_a_call_of_a_missing_function_stops(lazy: Bench) -> None:
    lazy.guest.insmod(stock_module(lazy.arch, path_of(lazy.arch, "ttpci_eeprom")))
    with pytest.raises(GuestOops) as stopped:
        lazy.call("ttpci_eeprom_parse_mac", 0, lazy.buffer(6))
    report = stopped.value.report
    assert "i2c_transfer" in report.splitlines()[0]
    assert "ttpci_eeprom_parse_mac" in report.splitlines()[0]
    trace = report[report.index("Call Trace:") :]
    assert "[ttpci_eeprom]" in trace


def test_a_call_from_init_stops_too(lazy: Bench) -> None:
    with pytest.raises(GuestOops) as stopped:
        lazy.guest.insmod(stock_module(lazy.arch, path_of(lazy.arch, "libcrc32c")))
    first = stopped.value.report.splitlines()[0]
    assert "crypto_alloc_shash" in first
    assert "libcrc32c" in first


def test_the_guest_goes_on_afterwards(lazy: Bench) -> None:
    lazy.guest.insmod(stock_module(lazy.arch, path_of(lazy.arch, "ttpci_eeprom")))
    with pytest.raises(GuestOops):
        lazy.call("ttpci_eeprom_parse_mac", 0, lazy.buffer(6))
    lazy.load("crc7")
    assert lazy.call("crc7_be", 0, lazy.buffer(b"123456789"), 9) & 0xFF == 0xEA
