"""PCI Express' window into configuration space (ECAM) over a bus with nothing on it but the host bridge itself.

PCI Express base specification, 7.2.2: 4 KiB for each function, in the order of bus, device and function.
"""

from __future__ import annotations

import struct

SIZE = 256 << 20  # buses 0-255
FUNCTION = 4096
HEADER = struct.Struct("<HHHHBBHBBBB 28x HH 16x")  # type 0, up to Max_Lat
HOST_BRIDGE = 0x0600


class Ecam:
    """Configuration space; what a driver writes into the bridge's is forgotten, as it has nothing to configure."""

    width = 4

    def __init__(self, vendor: int, device: int, subsystem: tuple[int, int]) -> None:
        """The host bridge 00:00.0 by its numbers; `subsystem`: vendor and device."""
        header = HEADER.pack(vendor, device, 0, 0, 0, 0, HOST_BRIDGE, 0, 0, 0, 0, *subsystem)
        self._bridge = header.ljust(FUNCTION, b"\0")

    def read(self, offset: int, size: int) -> int:
        """All ones where there is no function."""
        if offset >= FUNCTION:
            return (1 << 8 * size) - 1
        return int.from_bytes(self._bridge[offset : offset + size], "little")

    def write(self, offset: int, size: int, value: int) -> None:
        """Vanishes."""
