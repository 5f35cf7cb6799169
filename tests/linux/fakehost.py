"""A host of kernel names without a machine: memory is a dictionary, functions are Python's."""

from __future__ import annotations

from collections.abc import Callable

from emukern.linux.btf import Btf
from tests.guestmem import DictMem


class FakeHost:
    """`symbols` by name; `functions` by name get argument words and return the result register."""

    def __init__(self, btf: Btf, mem: DictMem | None = None, percpu_base: int = 0) -> None:
        self.btf, self.mem, self.percpu_base = btf, mem or DictMem(), percpu_base
        self.names: dict[str, int] = {}
        self.functions: dict[int, Callable[..., int]] = {}
        self.lent: dict[int, int] = {}
        self.next = 0xFFFF_9000_0000_0000

    @property
    def symbols(self) -> FakeHost:
        return self

    def put(self, name: str, data: bytes, address: int | None = None) -> int:
        """A variable."""
        if address is None:
            address, self.next = self.next, self.next + 0x1000
        self.names[name] = address
        return self.mem.put(address, data)

    def function(self, name: str, body: Callable[..., int]) -> int:
        address = self.put(name, b"\xc3")
        self.functions[address] = body
        return address

    def address(self, name: str) -> int | None:
        return self.names.get(name)

    def at(self, address: int) -> tuple[str, int] | None:
        return next(((name, address - start) for name, start in self.names.items() if 0 <= address - start < 16), None)

    def call(self, address: int, *words: int) -> int:
        assert all(0 <= word < 1 << 64 for word in words)
        return self.functions[address](*words) & (1 << 64) - 1

    def alloc(self, data: bytes) -> int:
        address, self.next = self.next, self.next + 0x1000
        self.lent[address] = len(data)
        return self.mem.put(address, data)

    def free(self, address: int) -> None:
        del self.lent[address]
        del self.mem.blocks[address]
