"""SMBIOS tables: what the board calls itself (System Management BIOS Reference Specification 2.8).

It goes by the names of the one it is modelled on, QEMU's pc board with its SeaBIOS, for drivers go by names: they keep
lists of the boards they know and tell the names of those they do not.
"""

from __future__ import annotations

import struct

ENTRY, TABLE = 0xF_4000, 0xF_4020  # the entry point: on 16 bytes in 0xF0000-0xFFFFF
MAKER, BOARD, VERSION = "QEMU", "Standard PC (i440FX + PIIX, 1996)", "pc-i440fx-7.2"
FIRMWARE = ("SeaBIOS", "1.16.2-debian-1.16.2-1", "04/01/2014")
BIOS, SYSTEM, CHASSIS, MEMORY_ARRAY, MEMORY, END = 0, 1, 3, 16, 17, 127
NO_CHARACTERISTICS, VIRTUAL_MACHINE = 1 << 3, 1 << 4  # of the BIOS; in its second extension byte
OTHER, UNKNOWN, SAFE = 1, 2, 3
SYSTEM_MEMORY, MULTI_BIT_ECC, DIMM, RAM = 3, 6, 9, 7
KIB, MIB = 1 << 10, 1 << 20


def structure(kind: int, handle: int, body: bytes, *strings: str) -> bytes:
    """A structure: header, body, and the strings the body counts from 1."""
    text = b"".join(string.encode() + b"\0" for string in strings) or b"\0"
    return struct.pack("<BBH", kind, 4 + len(body), handle) + body + text + b"\0"


def structures(memory: int) -> list[bytes]:
    """All of them, for `memory` bytes in one module."""
    board = (MAKER, BOARD, VERSION)
    bios = struct.pack("<BBHBBQ6B", 1, 2, 0xE800, 3, 0, NO_CHARACTERISTICS, 0, VIRTUAL_MACHINE, 0, 0, 0xFF, 0xFF)
    system = struct.pack("<4B16sBBB", 1, 2, 3, 0, bytes(16), 6, 0, 0)
    chassis = struct.pack("<9BIBBBBB", 1, OTHER, 2, 0, 0, SAFE, SAFE, SAFE, UNKNOWN, 0, 0, 0, 0, 0, 0)
    array = struct.pack("<BBBIHHQ", OTHER, SYSTEM_MEMORY, MULTI_BIT_ECC, memory // KIB, 0xFFFE, 1, 0)
    module = struct.pack("<HHHHHBBBBBH", 0x1000, 0xFFFE, 0xFFFF, 0xFFFF, memory // MIB, DIMM, 0, 1, 0, RAM, UNKNOWN)
    module += struct.pack("<HBBBBBIHHHH", 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0)
    return [
        structure(BIOS, 0x000, bios, *FIRMWARE),
        structure(SYSTEM, 0x100, system, *board),
        structure(CHASSIS, 0x300, chassis, MAKER, VERSION),
        structure(MEMORY_ARRAY, 0x1000, array),
        structure(MEMORY, 0x1100, module, "DIMM 0", MAKER),
        structure(END, 0x7F00, b""),
    ]


def tables(memory: int) -> list[tuple[int, bytes]]:
    """Entry point and structures, with their physical addresses."""
    found = structures(memory)
    data = b"".join(found)
    longest = max(map(len, found))
    inner = bytearray(struct.pack("<5sBHIHB", b"_DMI_", 0, len(data), TABLE, len(found), 0x28))
    inner[5] = -sum(inner) & 0xFF
    entry = bytearray(struct.pack("<4sBBBBHB5s", b"_SM_", 0, 31, 2, 8, longest, 0, b"") + inner)
    entry[4] = -sum(entry) & 0xFF
    return [(ENTRY, bytes(entry)), (TABLE, data)]
