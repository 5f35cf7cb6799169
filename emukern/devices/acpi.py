"""The ACPI tables of the board: RSDP, RSDT, XSDT, FADT, FACS and a DSDT (ACPI 6.4, chapter 5.2).

There is no MADT: interrupts go through the two 8259s, and there is no local APIC.
"""

from __future__ import annotations

import struct

from emukern.devices import aml, piix
from emukern.devices.mc146818 import CENTURY

OEM, OEM_TABLE, CREATOR = b"EMUKRN", b"EMUKERN ", b"EMUK"
RSDP = 0xF_5000  # where kernels look for it: on 16 bytes in 0xE0000-0xFFFFF
SIZE = 0x1_0000  # kept free for the other tables at the end of RAM
FACS_SIZE = 64
FADT_REVISION = 3
LEGACY_DEVICES, HAS_8042, NO_VGA = 0x01, 0x02, 0x04  # IAPC_BOOT_ARCH
WBINVD, PROC_C1, NO_SLEEP_BUTTON, NO_RTC_WAKE, RESET_REGISTER = 1 << 0, 1 << 2, 1 << 5, 1 << 6, 1 << 10  # flags
RESET_PORT, RESET_VALUE = 0xCF9, 0x06
C2_NONE, C3_NONE = 0xFFF, 0xFFF  # latencies above 100 and 1000 µs: no such states
PM_BLOCK = piix.PM_BASE
IO_SPACE = 1
PCI_HOLE = (0xC000_0000, 0xFEBF_FFFF)
VGA_HOLE = (0xA_0000, 0xB_FFFF)
PRESENT = 0x0F  # _STA


def table(signature: bytes, revision: int, body: bytes) -> bytes:
    """A description table: header, body, and a checksum that makes the sum of all bytes 0."""
    header = struct.pack("<4sIBB6s8sI4sI", signature, 36 + len(body), revision, 0, OEM, OEM_TABLE, 1, CREATOR, 1)
    return _summed(header + body, 9)


def _summed(data: bytes, at: int) -> bytes:
    checksum = -sum(data) & 0xFF
    return data[:at] + bytes((checksum,)) + data[at + 1 :]


def _device(name: str, hardware: str, *resources: bytes, more: bytes = b"") -> bytes:
    return aml.device(
        name,
        aml.name("_HID", aml.eisa_id(hardware)),
        more,
        aml.name("_STA", aml.integer(PRESENT)),
        aml.name("_CRS", aml.resources(*resources)),
    )


def dsdt() -> bytes:
    """What is on the board that cannot be found by asking the PCI bus."""
    windows = aml.resources(
        aml.bus_numbers(0, 0xFF),
        aml.io(0xCF8, 8),
        aml.io_window(0x0000, 0x0CF7),
        aml.io_window(0x0D00, 0xFFFF),
        aml.memory_window(*VGA_HOLE, cacheable=True),
        aml.memory_window(*PCI_HOLE),
    )
    # Of all functions only power management has a pin (A), wired to the SCI.
    routing = aml.package(aml.package(aml.integer(0x1_FFFF), aml.ZERO, aml.ZERO, aml.integer(piix.SCI)))
    isa = aml.device(
        "ISA",
        aml.name("_ADR", aml.integer(0x1_0000)),
        _device("KBD", "PNP0303", aml.io(0x60, 1), aml.io(0x64, 1), aml.irq(1)),
        _device("MOU", "PNP0F13", aml.irq(12)),
        _device("FDC0", "PNP0700", aml.io(0x3F2, 4), aml.io(0x3F7, 1), aml.irq(6), aml.dma(2)),
        _device("COM1", "PNP0501", aml.io(0x3F8, 8), aml.irq(4), more=aml.name("_UID", aml.ONE)),
        _device("RTC", "PNP0B00", aml.io(0x70, 8), aml.irq(8)),
    )
    root = aml.device(
        "PCI0",
        aml.name("_HID", aml.eisa_id("PNP0A03")),
        aml.name("_UID", aml.ZERO),
        aml.name("_CRS", windows),
        aml.name("_PRT", routing),
        isa,
    )
    sleep = aml.name("_S5", aml.package(*[aml.ZERO] * 4))
    return table(b"DSDT", 1, sleep + aml.scope("_SB", aml.processor("CPU0", 0), root))


def _port(address: int, bits: int) -> bytes:
    """A generic address structure for an I/O port."""
    return struct.pack("<BBBBQ", IO_SPACE, bits, 0, 0, address)


def fadt(facs: int, dsdt: int) -> bytes:
    """The fixed hardware: acpipm.py; and that it is always in ACPI mode (no SMI command port)."""
    none = bytes(12)
    flags = WBINVD | PROC_C1 | NO_SLEEP_BUTTON | NO_RTC_WAKE | RESET_REGISTER
    legacy = LEGACY_DEVICES | HAS_8042 | NO_VGA
    parts = (
        struct.pack("<IIBBHIBBBB", facs, dsdt, 0, 0, piix.SCI, 0, 0, 0, 0, 0),
        struct.pack("<8I", PM_BLOCK, 0, PM_BLOCK + 4, 0, 0, PM_BLOCK + 8, 0, 0),
        struct.pack("<8B", 4, 2, 0, 4, 0, 0, 0, 0),  # how long those blocks are
        struct.pack("<HHHHBBBBBHBI", C2_NONE, C3_NONE, 0, 0, 0, 0, 0, 0, CENTURY, legacy, 0, flags),
        _port(RESET_PORT, 8) + struct.pack("<BHBQQ", RESET_VALUE, 0, 0, 0, dsdt),
        _port(PM_BLOCK, 32) + none,  # the same blocks as above, in 64 bits
        _port(PM_BLOCK + 4, 16) + none + none,
        _port(PM_BLOCK + 8, 32) + none + none,
    )
    return table(b"FACP", FADT_REVISION, b"".join(parts))


def facs() -> bytes:
    """The table that firmware and kernel would both write to."""
    return struct.pack("<4sI", b"FACS", FACS_SIZE).ljust(32, b"\0") + b"\x02".ljust(FACS_SIZE - 32, b"\0")


def rsdp(rsdt: int, xsdt: int) -> bytes:
    """The root pointer, revision 2: the first 20 bytes and all 36 have each a sum of 0."""
    old = _summed(struct.pack("<8sB6sBI", b"RSD PTR ", 0, OEM, 2, rsdt), 8)
    return _summed(old + struct.pack("<IQB3x", 36, xsdt, 0), 32)


def tables(top: int) -> list[tuple[int, bytes]]:
    """All tables with their physical addresses: from `top` on, which is a multiple of 64, but the RSDP below 1 MiB."""
    placed = [(top, facs())]

    def place(data: bytes) -> int:
        last, before = placed[-1]
        at = last + len(before) + 15 & -16
        placed.append((at, data))
        return at

    described = place(dsdt())
    fixed = place(fadt(top, described))
    old = place(table(b"RSDT", 1, struct.pack("<I", fixed)))
    new = place(table(b"XSDT", 1, struct.pack("<Q", fixed)))
    return [*placed, (RSDP, rsdp(old, new))]
