"""Guest memory by virtual address, for the kernel's own eyes: any mapped page, whatever its permissions."""

from __future__ import annotations

import struct
from typing import SupportsIndex

from emukern.arch import Layout
from emukern.errors import GuestFault
from emukern.machine.pagetable import PageTables
from emukern.machine.ram import PAGE, Ram

_U64 = struct.Struct("<Q")
_U32 = struct.Struct("<I")
_U16 = struct.Struct("<H")


class Memory:
    """Reads and writes through the page tables at `root`; the direct map needs no walk. Raises GuestFault."""

    def __init__(self, layout: Layout, ram: Ram, tables: PageTables) -> None:
        self._ram = ram  # whose views are good only as long as it is there
        self._bytes = ram.bytes
        self._size = ram.size
        self._base = ram.base
        self._direct = layout.direct_map
        self._tables = tables
        self.root = 0  # physical address of the current page tables' root

    def virt(self, phys: int) -> int:
        """Direct map address of the physical address `phys`."""
        return phys - self._base + self._direct

    def phys(self, address: int) -> int:
        """Physical address of a mapped virtual one."""
        return self._offset(address, False) + self._base

    def _offset(self, address: int, write: bool) -> int:
        """Offset in RAM of the byte at `address`."""
        offset = address - self._direct
        if 0 <= offset < self._size:
            return offset
        found = self._tables.lookup(self.root, address)
        if found is None or not 0 <= found[0] - self._base < self._size:
            raise GuestFault(address, write=write)
        return found[0] - self._base

    def read(self, addr: SupportsIndex, n: int) -> bytes:
        """`n` bytes at `addr`."""
        address = addr.__index__()
        if address % PAGE + n <= PAGE or 0 <= address - self._direct <= self._size - n:
            offset = self._offset(address, False)
            return bytes(self._bytes[offset : offset + n])
        parts = []
        while n > 0:
            chunk = min(n, PAGE - address % PAGE)
            offset = self._offset(address, False)
            parts.append(self._bytes[offset : offset + chunk])
            address += chunk
            n -= chunk
        return b"".join(parts)

    def write(self, addr: SupportsIndex, data: bytes | bytearray | memoryview) -> None:
        """Put `data` at `addr`; nothing is written when part of it has no memory."""
        address, n = addr.__index__(), len(data)
        if address % PAGE + n <= PAGE or 0 <= address - self._direct <= self._size - n:
            offset = self._offset(address, True)
            self._bytes[offset : offset + n] = data
            return
        view, done, places = memoryview(data), 0, []
        while done < n:
            chunk = min(n - done, PAGE - address % PAGE)
            places.append((self._offset(address, True), done, chunk))
            address += chunk
            done += chunk
        for offset, start, chunk in places:
            self._bytes[offset : offset + chunk] = view[start : start + chunk]

    def cstr(self, addr: SupportsIndex, limit: int = 1 << 20) -> bytes:
        """The bytes from `addr` up to a NUL, or `limit` bytes when none comes before."""
        address, parts, left = addr.__index__(), [], limit
        while left > 0:
            chunk = min(left, PAGE - address % PAGE)
            part = self.read(address, chunk)
            end = part.find(b"\0")
            if end >= 0:
                parts.append(part[:end])
                break
            parts.append(part)
            address += chunk
            left -= chunk
        return b"".join(parts)

    def fill(self, addr: SupportsIndex, byte: int, n: int) -> None:
        """Set `n` bytes."""
        self.write(addr, bytes((byte,)) * n)

    def u8(self, addr: SupportsIndex) -> int:
        """One byte."""
        return self._bytes[self._offset(addr.__index__(), False)]

    def u16(self, addr: SupportsIndex) -> int:
        """Two bytes, unsigned."""
        return int.from_bytes(self.read(addr, 2), "little")

    def u32(self, addr: SupportsIndex) -> int:
        """Four bytes, unsigned."""
        return int.from_bytes(self.read(addr, 4), "little")

    def u64(self, addr: SupportsIndex) -> int:
        """Eight bytes, unsigned."""
        return int.from_bytes(self.read(addr, 8), "little")

    def put_u8(self, addr: SupportsIndex, value: int) -> None:
        """Write the low byte of `value`."""
        self._bytes[self._offset(addr.__index__(), True)] = value & 0xFF

    def put_u16(self, addr: SupportsIndex, value: int) -> None:
        """Write the low two bytes of `value`."""
        self.write(addr, _U16.pack(value & 0xFFFF))

    def put_u32(self, addr: SupportsIndex, value: int) -> None:
        """Write the low four bytes of `value`."""
        self.write(addr, _U32.pack(value & 0xFFFF_FFFF))

    def put_u64(self, addr: SupportsIndex, value: int) -> None:
        """Write the low eight bytes of `value`."""
        self.write(addr, _U64.pack(value & 0xFFFF_FFFF_FFFF_FFFF))
