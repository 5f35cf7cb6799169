"""Code of a module that is changed before it runs, and code of whoever had its memory before.

ftrace_module_init would make a record of every call to the tracer, and the time that takes grows with the square of
their number: half a minute for the largest modules. We only do to the module what it would do, which nothing but ftrace
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
CALL_SITES = ("__mcount_loc", "__patchable_function_entries")  # one of them has the addresses of the calls
# The opcode of a call, and what is put there instead. Compilers for riscv64 leave NOPs where a call may be put.
CALLS = {EM_X86_64: (0xE8, bytes.fromhex("0f1f440000"))}


def settle_call_sites(forming: Forming, layout: Layout, content: NDArray[np.uint8]) -> None:
    """Sort the table of calls to the tracer in a relocated image, and replace these calls by NOPs."""
    address, size = next(filter(any, map(forming.section, CALL_SITES)), (0, 0))
    start = address - layout.core
    if not size:
        return
    table = content[start : start + size // 8 * 8].view("<u8")
    table.sort()
    if forming.file.elf.header.machine not in CALLS:
        return
    opcode, nop = CALLS[forming.file.elf.header.machine]
    sites = table.astype(np.int64) - np.int64(layout.core - (1 << 64))
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
