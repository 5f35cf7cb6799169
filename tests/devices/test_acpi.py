"""The ACPI tables: sums, addresses, and AML that ACPICA's own disassembler reads."""

import shutil
import struct
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.devices import acpi, aml

TOP = 0x0FFF_0000


@pytest.fixture(scope="module")
def tables():
    return {data[:4]: (address, data) for address, data in acpi.tables(TOP)}


def test_the_root_pointer_leads_to_all_tables(tables):
    address, root = tables[b"RSD "]
    assert 0xE0000 <= address < 0x100000
    assert address % 16 == 0
    assert sum(root[:20]) & 0xFF == sum(root) & 0xFF == 0
    rsdt, length, xsdt = struct.unpack_from("<IIQ", root, 16)
    assert (rsdt, length, xsdt) == (tables[b"RSDT"][0], 36, tables[b"XSDT"][0])
    assert struct.unpack_from("<I", tables[b"RSDT"][1], 36)[0] == tables[b"FACP"][0]
    assert struct.unpack_from("<Q", tables[b"XSDT"][1], 36)[0] == tables[b"FACP"][0]
    fixed = tables[b"FACP"][1]
    assert struct.unpack_from("<II", fixed, 36) == (tables[b"FACS"][0], tables[b"DSDT"][0])
    assert struct.unpack_from("<QQ", fixed, 132) == (0, tables[b"DSDT"][0])


def test_lengths_and_sums(tables):
    for signature in (b"RSDT", b"XSDT", b"FACP", b"DSDT"):
        data = tables[signature][1]
        assert struct.unpack_from("<I", data, 4)[0] == len(data)
        assert sum(data) & 0xFF == 0
    assert len(tables[b"FACP"][1]) == 244
    assert len(tables[b"FACS"][1]) == 64
    assert tables[b"FACS"][0] % 64 == 0


def test_tables_do_not_overlap_and_fit(tables):
    end = TOP
    for address, data in sorted(tables.values())[1:]:
        assert address >= end
        end = address + len(data)
    assert end <= TOP + acpi.SIZE


def test_the_fixed_hardware_is_where_it_is(tables):
    fixed = tables[b"FACP"][1]
    assert struct.unpack_from("<H", fixed, 46)[0] == 9, "SCI"
    assert struct.unpack_from("<I", fixed, 48)[0] == 0, "no SMI command port: always in ACPI mode"
    assert struct.unpack_from("<8I", fixed, 56) == (0x600, 0, 0x604, 0, 0, 0x608, 0, 0)
    assert fixed[88:96] == bytes((4, 2, 0, 4, 0, 0, 0, 0))
    assert fixed[108] == 0x32, "the century"
    assert struct.unpack_from("<H", fixed, 109)[0] & 2, "there is an 8042"
    assert struct.unpack_from("<BBBBQB", fixed, 116) == (1, 8, 0, 0, 0xCF9, 6)


def disassemble(data, folder):
    """What ACPICA's disassembler makes of a table, without its comments and empty lines."""
    if not shutil.which("iasl"):
        pytest.skip("iasl (Debian: acpica-tools) is not installed")
    (folder / "table.aml").write_bytes(data)
    subprocess.run(["iasl", "-d", "table.aml"], cwd=folder, check=True, capture_output=True)
    text = (folder / "table.dsl").read_text()
    return [line.split("//")[0].strip() for line in text.splitlines() if line.strip()]


def test_acpica_reads_the_dsdt(tables, tmp_path):
    lines = disassemble(tables[b"DSDT"][1], tmp_path)
    devices = [line for line in lines if line.startswith(("Device", "Processor", "Scope"))]
    names = ["PCI0", "ISA", "KBD", "MOU", "FDC0", "COM1", "RTC"]
    assert [line.split("(")[1][:4].rstrip(",)") for line in devices] == ["\\_SB", "CPU0", *names]
    assert sum(line.startswith("IRQNoFlags") for line in lines) == 5
    text = " ".join(lines)
    for number in ("PNP0A03", "PNP0303", "PNP0F13", "PNP0700", "PNP0501", "PNP0B00"):
        assert f'EisaId ("{number}")' in text
    assert "0xC0000000, 0xFEBFFFFF, 0x00000000, 0x3EC00000," in text.replace("         ", " ").replace("  ", " ")
    built = subprocess.run(["iasl", "table.dsl"], cwd=tmp_path, check=True, capture_output=True, text=True)
    assert "0 Errors" in built.stdout


@given(st.integers(0, (1 << 28) - 10))
def test_a_package_length_counts_itself(size):
    encoded = aml.package_length(size)
    extra = encoded[0] >> 6
    assert len(encoded) == extra + 1
    value = encoded[0] & 0x3F if not extra else encoded[0] & 0x0F | int.from_bytes(encoded[1:], "little") << 4
    assert value == size + len(encoded)


@pytest.mark.parametrize(
    ("value", "encoded"),
    [(0, "00"), (1, "01"), (2, "0a02"), (0x1FF, "0bff01"), (0x1FFFF, "0cffff0100"), (1 << 32, "0e0000000001000000")],
)
def test_integers_are_short(value, encoded):
    assert aml.integer(value).hex() == encoded


def test_identities():
    assert aml.eisa_id("PNP0A03").hex() == "0c41d00a03"
