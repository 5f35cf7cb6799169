"""Code of a module that is changed before it runs, and code of whoever had its memory before.

ftrace_module_init would make a record of every call to the tracer, and the time that takes grows with the square of
their number: half a minute for the largest modules. We only do to the code what it would do, which nothing but ftrace
itself can tell. Jump labels, static calls, alternatives and the like are patched by the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from emukern.elf import EM_X86_64

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emukern.kmod.layout import Layout
    from emukern.linux.forming import Forming

PAGE = 4096
# Section with the addresses of the calls, the opcode of a call, what is put there instead. On riscv64 compilers leave
# room for a call that holds NOPs already.
CALL_SITES = {EM_X86_64: ("__mcount_loc", 0xE8, bytes.fromhex("0f1f440000"))}


def nop_call_sites(forming: Forming, layout: Layout, content: NDArray[np.uint8]) -> None:
    """Replace the calls to the tracer at function entries in a relocated image by NOPs."""
    known = CALL_SITES.get(forming.file.elf.header.machine)
    if known is None:
        return
    name, opcode, nop = known
    address, size = forming.section(name)
    if not size:
        return
    start = address - layout.core
    sites = content[start : start + size // 8 * 8].view("<u8").astype(np.int64) - np.int64(layout.core - (1 << 64))
    sites = sites[(sites >= 0) & (sites <= len(content) - len(nop))]
    sites = sites[content[sites] == opcode]
    content[sites[:, None] + np.arange(len(nop))] = np.frombuffer(nop, np.uint8)


def code_in_ram(machine: Any, code: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Offsets in RAM (start, end) of code at these (address, size), neighbours joined."""
    base = machine.ram.base
    first = last = -1
    for address, size in code:
        for page in range(address & -PAGE, address + size, PAGE):
            offset = machine.mem.phys(page) - base
            if offset != last:
                if last > first:
                    yield first, last
                first = offset
            last = offset + PAGE
    if last > first:
        yield first, last
