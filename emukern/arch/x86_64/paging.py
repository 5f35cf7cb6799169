"""x86_64 page table entries (Intel SDM volume 3A, 4.5)."""

from __future__ import annotations

from emukern.arch import Paging

P, W, U, ACCESSED, DIRTY, PS, NX = 1, 2, 4, 0x20, 0x40, 0x80, 1 << 63
FRAME = 0x000F_FFFF_FFFF_F000


def encode(phys: int, prot: str) -> int:
    """A leaf entry; everything present is readable here."""
    entry = phys | P | ACCESSED | DIRTY
    if "w" in prot:
        entry |= W
    if "u" in prot:
        entry |= U
    if "x" not in prot:
        entry |= NX
    return entry


def table(phys: int) -> int:
    """An entry for the next level; permissions are the leaf's business, and the CPU shall have nothing to note down."""
    return phys | P | W | U | ACCESSED


def decode(entry: int) -> tuple[int, str, bool] | None:
    """Physical address, permissions and whether a table is *not* what follows (only meaningful above level 0)."""
    if not entry & P:
        return None
    prot = "r" + ("w" if entry & W else "") + ("" if entry & NX else "x") + ("u" if entry & U else "")
    return entry & FRAME, prot, bool(entry & PS)


def root_register(phys: int) -> int:
    """CR3."""
    return phys


def root_address(register: int) -> int:
    """CR3 without its flags; long mode always pages."""
    return register & FRAME


PAGING = Paging(
    levels=4,
    encode=encode,
    table=table,
    decode=decode,
    root_register=root_register,
    root_address=root_address,
)
