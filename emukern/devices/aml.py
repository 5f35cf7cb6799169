"""A tiny encoder of ACPI Machine Language: the terms that describe a board (ACPI 6.4, chapters 6.4 and 20.2)."""

from __future__ import annotations

import struct
from collections.abc import Iterable

ZERO, ONE, ONES = b"\x00", b"\x01", b"\xff"
END_TAG = b"\x79\x00"  # a checksum of 0 stands for "not computed"
PRODUCER_FIXED = 0x0C  # address space flags: minimum and maximum are fixed


def segment(name: str) -> bytes:
    """A name of up to four characters, padded with underscores."""
    return name.encode().ljust(4, b"_")


def package_length(size: int) -> bytes:
    """The PkgLength of a term whose other bytes are `size`; it counts itself."""
    if size + 1 < 1 << 6:
        return bytes((size + 1,))
    extra = next(n for n in (1, 2, 3) if size + n + 1 < 1 << 4 + 8 * n)
    total = size + extra + 1
    return bytes((extra << 6 | total & 0x0F,)) + (total >> 4).to_bytes(extra, "little")


def _with_length(opcode: bytes, body: bytes) -> bytes:
    return opcode + package_length(len(body)) + body


def integer(value: int) -> bytes:
    """The shortest constant."""
    if value < 2:
        return (ZERO, ONE)[value]
    for prefix, size in ((b"\x0a", 1), (b"\x0b", 2), (b"\x0c", 4)):
        if value < 1 << 8 * size:
            return prefix + value.to_bytes(size, "little")
    return b"\x0e" + value.to_bytes(8, "little")


def eisa_id(text: str) -> bytes:
    """ "PNP0A03" as a constant: three letters of five bits, four hexadecimal digits, big endian."""
    letters = [ord(letter) - 0x40 for letter in text[:3]]
    number = letters[0] << 26 | letters[1] << 21 | letters[2] << 16 | int(text[3:], 16)
    return b"\x0c" + number.to_bytes(4, "big")


def package(*elements: bytes) -> bytes:
    """Package () { elements }."""
    return _with_length(b"\x12", bytes((len(elements),)) + b"".join(elements))


def buffer(data: bytes) -> bytes:
    """Buffer () { data }."""
    return _with_length(b"\x11", integer(len(data)) + data)


def name(path: str, value: bytes) -> bytes:
    """Name (path, value)."""
    return b"\x08" + segment(path) + value


def scope(path: str, *terms: bytes) -> bytes:
    """Scope (\\path) { terms }."""
    return _with_length(b"\x10", b"\\" + segment(path) + b"".join(terms))


def device(path: str, *terms: bytes) -> bytes:
    """Device (path) { terms }."""
    return _with_length(b"\x5b\x82", segment(path) + b"".join(terms))


def processor(path: str, number: int) -> bytes:
    """Processor (path, number, 0, 0) {}: without a block of power registers."""
    return _with_length(b"\x5b\x83", segment(path) + struct.pack("<BIB", number, 0, 0))


# Resource descriptors.


def resources(*descriptors: bytes) -> bytes:
    """ResourceTemplate () { descriptors }."""
    return buffer(b"".join(descriptors) + END_TAG)


def io(port: int, count: int) -> bytes:
    """IO (Decode16, port, port, 1, count)."""
    return struct.pack("<BBHHBB", 0x47, 1, port, port, 1, count)


def irq(*numbers: int) -> bytes:
    """IRQNoFlags () { numbers }: edge-triggered, active high, exclusive."""
    return struct.pack("<BH", 0x22, _mask(numbers))


def dma(*channels: int) -> bytes:
    """DMA (Compatibility, NotBusMaster, Transfer8) { channels }."""
    return struct.pack("<BBB", 0x2A, _mask(channels), 0)


def _mask(numbers: Iterable[int]) -> int:
    return sum(1 << number for number in numbers)


def bus_numbers(first: int, last: int) -> bytes:
    """WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, …)."""
    return struct.pack("<BHBBB5H", 0x88, 13, 2, PRODUCER_FIXED, 0, 0, first, last, 0, last - first + 1)


def io_window(first: int, last: int) -> bytes:
    """WordIO (ResourceProducer, MinFixed, MaxFixed, PosDecode, EntireRange, …)."""
    return struct.pack("<BHBBB5H", 0x88, 13, 1, PRODUCER_FIXED, 3, 0, first, last, 0, last - first + 1)


def memory_window(first: int, last: int, *, cacheable: bool = False) -> bytes:
    """DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, …, ReadWrite, …)."""
    kind = 3 if cacheable else 1
    return struct.pack("<BHBBB5I", 0x87, 23, 0, PRODUCER_FIXED, kind, 0, first, last, 0, last - first + 1)
