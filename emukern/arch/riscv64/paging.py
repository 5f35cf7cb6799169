"""Sv39 page table entries (RISC-V privileged specification, 4.4)."""

from __future__ import annotations

from emukern.arch import Paging

V, R, W, X, U, ACCESSED, DIRTY = 1, 2, 4, 8, 16, 64, 128
SV39 = 8 << 60
# By the four permission bits, which lie in a row.
PROTS = tuple("".join(letter for bit, letter in enumerate("rwxu") if bits >> bit & 1) for bits in range(16))


def encode(phys: int, prot: str) -> int:
    """A leaf entry; accessed and dirty are set beforehand, we never look at them."""
    entry = (phys >> 2) | V | R | ACCESSED | DIRTY
    if "w" in prot:
        entry |= W
    if "x" in prot:
        entry |= X
    if "u" in prot:
        entry |= U
    return entry


def table(phys: int) -> int:
    """An entry for the next level."""
    return (phys >> 2) | V


def decode(entry: int) -> tuple[int, str, bool] | None:
    """Physical address, permissions and whether the entry is a leaf."""
    if not entry & V:
        return None
    return (entry >> 10 << 12) & 0x00FF_FFFF_FFFF_F000, PROTS[entry >> 1 & 15], bool(entry & (R | W | X))


def root_register(phys: int) -> int:
    """satp: mode Sv39, ASID 0."""
    return SV39 | phys >> 12


def root_address(register: int) -> int | None:
    """satp's page number; None in Bare mode."""
    return (register & (1 << 44) - 1) << 12 if register >> 60 else None


PAGING = Paging(
    levels=3,
    encode=encode,
    table=table,
    decode=decode,
    root_register=root_register,
    root_address=root_address,
)
