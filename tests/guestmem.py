"""Guest memory as a dictionary of blocks: enough of `k.mem` for tests that need no machine."""

from __future__ import annotations

from emukern.errors import GuestFault


class DictMem:
    """Blocks of bytes at fixed addresses; anything outside them faults."""

    def __init__(self) -> None:
        self.blocks: dict[int, bytearray] = {}

    def put(self, addr: int, data: bytes) -> int:
        """Map a block that holds `data`; returns its address."""
        self.blocks[addr] = bytearray(data)
        return addr

    def _find(self, addr: int, n: int, write: bool = False) -> tuple[bytearray, int]:
        addr = addr.__index__()
        for start, block in self.blocks.items():
            if start <= addr and addr + n <= start + len(block):
                return block, addr - start
        raise GuestFault(addr, write=write)

    def read(self, addr: int, n: int) -> bytes:
        block, at = self._find(addr, n)
        return bytes(block[at : at + n])

    def write(self, addr: int, data: bytes) -> None:
        block, at = self._find(addr, len(data), write=True)
        block[at : at + len(data)] = data

    def cstr(self, addr: int, limit: int = 1 << 20) -> bytes:
        block, at = self._find(addr, 1)
        end = block.find(0, at, at + limit)
        if end < 0 and len(block) < at + limit:
            raise GuestFault(addr.__index__() + len(block) - at)
        return bytes(block[at : end if end >= 0 else at + limit])

    def u8(self, addr: int) -> int:
        return int.from_bytes(self.read(addr, 1), "little")

    def u16(self, addr: int) -> int:
        return int.from_bytes(self.read(addr, 2), "little")

    def u32(self, addr: int) -> int:
        return int.from_bytes(self.read(addr, 4), "little")

    def u64(self, addr: int) -> int:
        return int.from_bytes(self.read(addr, 8), "little")

    def put_u8(self, addr: int, v: int) -> None:
        self.write(addr, (v & 0xFF).to_bytes(1, "little"))

    def put_u16(self, addr: int, v: int) -> None:
        self.write(addr, (v & 0xFFFF).to_bytes(2, "little"))

    def put_u32(self, addr: int, v: int) -> None:
        self.write(addr, (v & 0xFFFF_FFFF).to_bytes(4, "little"))

    def put_u64(self, addr: int, v: int) -> None:
        self.write(addr, (v & (1 << 64) - 1).to_bytes(8, "little"))
