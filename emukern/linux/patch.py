"""Code of a module that is changed before it runs, and code of whoever had its memory before.

ftrace_module_init would make a record of every call to the tracer, and the time that takes grows with the square of
their number: half a minute for the largest modules. We only do to the module what it would do, which nothing but ftrace
itself can tell. The unwinder's tables, a third of all relocations, the kernel would sort with a heap; numpy does it in
no time. Jump labels, static calls, alternatives and the like are patched by the kernel.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from emukern.elf import EM_X86_64

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from emukern.kmod.layout import Layout
    from emukern.linux.btf import Btf
    from emukern.linux.forming import Forming

PAGE = 4096
ORC = (".orc_unwind_ip", ".orc_unwind")
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


def sort_unwind_tables(forming: Forming, layout: Layout, content: NDArray[np.uint8]) -> None:
    """Sort the ORC unwinder's tables in a relocated image as unwind_module_init does (arch/x86/kernel/unwind_orc.c).

    The sections are then hidden from the kernel's function, and struct module says that it has been there.
    """
    btf = forming.kernel.btf
    (places, size), (entries, entries_size) = map(forming.section, ORC)
    members = ("arch.orc_unwind_ip", "arch.orc_unwind", "arch.num_orcs")
    if not size or not all(map(forming.kernel.module.has, members)):
        return
    count, width = size // 4, btf.size("orc_entry")
    at, table_at = places - layout.core, entries - layout.core
    table = content[table_at : table_at + entries_size].reshape(-1, width) if entries_size == count * width else None
    ends = _is_end(btf, table) if table is not None else None
    if table is None or ends is None:
        return  # the kernel will say what it thinks of them
    own = at + 4 * np.arange(count, dtype=np.int64)
    code = own + content[at : at + 4 * count].view("<i4")
    order = np.lexsort((~ends, code))  # where one function ends and the next begins, the end comes first
    content[at : at + 4 * count] = (code[order] - own).astype("<i4").view(np.uint8)
    table[:] = table[order]
    forming.settled |= dict(zip(members, (places, entries, count), strict=True))
    forming.hidden.update(ORC)


def _is_end(btf: Btf, table: NDArray[np.uint8]) -> NDArray[np.bool_] | None:
    """Which entries mark the end of code that can be unwound; None when they are in an unknown form."""
    members = btf.struct("orc_entry").members
    zeros = ["sp_reg", "end"] if "end" in members else ["type"]  # once there was no type for it
    fields = [members[name] for name in zeros if name in members]
    if len(fields) < len(zeros) or any(f.bit % 8 + f.width > 8 or not f.width for f in fields):
        return None
    found = np.ones(len(table), np.bool_)
    for one in fields:
        found &= table[:, one.bit // 8] >> one.bit % 8 & (1 << one.width) - 1 == 0
    return found


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
