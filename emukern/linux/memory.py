"""Guest memory by virtual address under a kernel's own page tables, which change behind our back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emukern.errors import GuestFault
from emukern.machine.memory import Memory
from emukern.machine.pagetable import PageTables
from emukern.machine.ram import Ram

if TYPE_CHECKING:
    from emukern.machine.cpu import Cpu

NOWHERE = 1 << 64


def _no_table(*_: int) -> Any:
    raise AssertionError("page tables of this machine belong to its kernel")


class KernelMemory(Memory):
    """`Memory` through the CPU's current root; what was looked up is forgotten whenever the guest has run.

    `linear`: ranges (first address, size, physical address) that the kernel has mapped for good.
    """

    def __init__(self, cpu: Cpu, ram: Ram) -> None:
        self._tables = PageTables(cpu.arch.paging, ram, _no_table, _no_table)
        super().__init__(cpu.arch.layout, ram, self._tables)
        self._cpu = cpu
        self._direct = NOWHERE  # until the kernel has set its own up
        self.linear: tuple[tuple[int, int, int], ...] = ()

    def has_direct_map(self, address: int) -> None:
        """The kernel maps all RAM at `address` from now on."""
        self._direct = address

    def in_image(self, address: int) -> bool:
        """Is it an address of the kernel's own image?"""
        return any(0 <= address - start < size for start, size, _ in self.linear)

    def changed(self) -> None:
        """The guest has run: its page tables may be others."""
        self._tables.forget()

    def lookup(self, address: int) -> tuple[int, str] | None:
        """Physical address and permissions of a mapped page's byte; None when nothing is mapped there."""
        root = self._cpu.arch.paging.root_address(self._cpu.view.root.value)
        return (address, "rwx") if root is None else self._tables.lookup(root, address)

    def _offset(self, address: int, write: bool) -> int:
        offset = address - self._direct
        if 0 <= offset < self._size:
            return offset
        for start, size, phys in self.linear:
            if 0 <= address - start < size:
                return address - start + phys - self._base
        entry = self.lookup(address)
        if entry is None or not 0 <= entry[0] - self._base < self._size:
            raise GuestFault(address, write=write)
        return entry[0] - self._base
