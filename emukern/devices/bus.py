"""The address decoder between CPU and devices: I/O ports and memory-mapped registers.

Where nothing answers the bus floats: reads give all ones, writes vanish. That is how drivers find out what is absent.
"""

from __future__ import annotations

from typing import Any, Protocol

from emukern.errors import UsageError

PORTS = 0x1_0000


class Line(Protocol):
    """An interrupt output."""

    def set(self, level: bool) -> None:
        """Assert or release it."""


class Device(Protocol):
    """What sits behind a range of addresses; `offset` counts from the range's start.

    One with a `width` attribute sees no wider accesses (bytes): they reach it in pieces, lowest address first.
    """

    def read(self, offset: int, size: int) -> int:
        """The value the device drives; `size` is 1, 2, 4 or 8 bytes."""

    def write(self, offset: int, size: int, value: int) -> None:
        """Take a value of `size` bytes."""


class Bus:
    """Which device answers where."""

    def __init__(self) -> None:
        self._ports: dict[int, tuple[Any, int, int]] = {}  # port → device, its port 0, width
        self._mmio: list[tuple[int, int, Any, int]] = []  # start, end, device, width

    def add_ports(self, first: int, count: int, device: Device, name: str, offset: int = 0) -> None:
        """Give `device` the I/O ports first … first + count - 1, the first of which is its register `offset`.

        Raises UsageError when one of them is taken.
        """
        ports = range(first, first + count)
        taken = next((port for port in ports if port in self._ports or not 0 <= port < PORTS), None)
        if taken is not None:
            raise UsageError(f"I/O port {taken:#x} cannot be given to {name}: it is taken or does not exist")
        self._ports |= {port: (device, first - offset, getattr(device, "width", 8)) for port in ports}

    def add_mmio(self, address: int, size: int, device: Device, name: str) -> None:
        """Give `device` physical addresses; raises UsageError when some of them are taken."""
        end = address + size
        if any(address < other_end and start < end for start, other_end, _, _ in self._mmio):
            raise UsageError(f"the addresses {address:#x}-{end - 1:#x} cannot be given to {name}: some are taken")
        self._mmio.append((address, end, device, getattr(device, "width", 8)))

    def read_port(self, port: int, size: int) -> int:
        """IN: `size` is 1, 2 or 4 bytes."""
        found = self._ports.get(port)
        if found is not None and size <= found[2]:
            value: int = found[0].read(port - found[1], size)
            return value
        if size == 1:
            return 0xFF
        if found is None and not any(port + at in self._ports for at in range(1, size)):
            return (1 << 8 * size) - 1
        half = size >> 1
        return self.read_port(port, half) | self.read_port(port + half, half) << 8 * half

    def write_port(self, port: int, size: int, value: int) -> None:
        """OUT."""
        found = self._ports.get(port)
        if found is not None and size <= found[2]:
            found[0].write(port - found[1], size, value & (1 << 8 * size) - 1)
        elif size > 1:
            half = size >> 1
            self.write_port(port, half, value)
            self.write_port(port + half, half, value >> 8 * half)

    def read_mmio(self, address: int, size: int) -> int:
        """A load of 1, 2, 4 or 8 bytes."""
        for start, end, device, width in self._mmio:
            if start <= address < end:
                if size <= width:
                    value: int = device.read(address - start, size)
                    return value
                half = size >> 1
                return self.read_mmio(address, half) | self.read_mmio(address + half, half) << 8 * half
        return (1 << 8 * size) - 1

    def write_mmio(self, address: int, size: int, value: int) -> None:
        """A store."""
        for start, end, device, width in self._mmio:
            if start <= address < end:
                if size <= width:
                    device.write(address - start, size, value & (1 << 8 * size) - 1)
                else:
                    half = size >> 1
                    self.write_mmio(address, half, value)
                    self.write_mmio(address + half, half, value >> 8 * half)
                return
