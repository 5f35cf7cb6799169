"""What the board calls itself, found and walked as Linux's dmi_scan.c does."""

import struct

import pytest

from emukern.devices import smbios

MEMORY = 256 << 20


@pytest.fixture(scope="module")
def tables():
    return dict(smbios.tables(MEMORY))


def walk(data):
    """(kind, body after the header, strings) of each structure."""
    at = 0
    while at < len(data):
        kind, length = data[at], data[at + 1]
        end = data.index(b"\0\0", at + length)
        yield kind, data[at + 4 : at + length], data[at + length : end].decode().split("\0")
        at = end + 2


def test_the_entry_point(tables):
    entry = tables[smbios.ENTRY]
    assert smbios.ENTRY % 16 == 0
    assert len(entry) == entry[5] == 31
    assert sum(entry) & 0xFF == sum(entry[16:]) & 0xFF == 0
    assert (entry[:4], entry[16:21]) == (b"_SM_", b"_DMI_")
    data = tables[struct.unpack_from("<I", entry, 24)[0]]
    found = list(walk(data))
    assert struct.unpack_from("<H", entry, 22)[0] == len(data)
    assert struct.unpack_from("<H", entry, 28)[0] == len(found)
    assert struct.unpack_from("<H", entry, 8)[0] <= len(data)
    assert smbios.ENTRY + len(entry) <= smbios.TABLE


def test_the_names(tables):
    found = {kind: (body, strings) for kind, body, strings in walk(tables[smbios.TABLE])}
    assert list(found) == [0, 1, 3, 16, 17, 127]
    assert found[1][1][:2] == ["QEMU", "Standard PC (i440FX + PIIX, 1996)"]
    assert len(found[0][1]) == 3
    for kind, length in ((0, 24), (1, 27), (3, 22), (16, 23), (17, 40)):
        assert len(found[kind][0]) + 4 == length


def test_the_memory(tables):
    found = {kind: body for kind, body, _ in walk(tables[smbios.TABLE])}
    assert struct.unpack_from("<H", found[17], 8)[0] == MEMORY >> 20
    assert struct.unpack_from("<I", found[16], 3)[0] == MEMORY >> 10
