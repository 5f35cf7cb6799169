"""BUG and WARN of compiled modules: a trapping instruction, described by an entry of its module's __bug_table.

lib/bug.c; entries are self-relative (CONFIG_GENERIC_BUG_RELATIVE_POINTERS), as on both architectures.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from emukern.kernel import symbolise

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

ENTRY = struct.Struct("<iiHH")  # struct bug_entry: bug_addr_disp, file_disp, line, flags
WARNING, ONCE, DONE, NO_CUT_HERE = 1, 2, 4, 8
CUT_HERE = "------------[ cut here ]------------"
CRIT, WARN = 2, 4


@dataclass(frozen=True, slots=True)
class BugEntry:
    """One entry: where it is, what it says."""

    address: int
    file: str
    line: int
    flags: int


def find(k: Kernel, pc: int) -> BugEntry | None:
    """The entry for the instruction at `pc`, if a module has one."""
    found = k.symbols.where(pc)
    module = k.modules.get(found[3] or "") if found else None
    if module is None:
        return None
    start, size = module.bug_table
    table = k.mem.read(start, size)
    for offset in range(0, size - ENTRY.size + 1, ENTRY.size):
        address_disp, file_disp, line, flags = ENTRY.unpack_from(table, offset)
        if start + offset + address_disp == pc:
            file = k.mem.cstr(start + offset + 4 + file_disp) if file_disp else b"?"
            return BugEntry(start + offset, file.decode("latin-1"), line, flags)
    return None


def warn(k: Kernel, bug: BugEntry) -> None:
    """Report a WARN; the code goes on after it."""
    if bug.flags & ONCE:
        if bug.flags & DONE:
            return
        k.mem.put_u16(bug.address + 10, bug.flags | DONE)
    if not bug.flags & NO_CUT_HERE:
        k.log.emit(WARN, CUT_HERE)
    where = symbolise.name(k, k.cpu.pc)
    reason = f"WARNING: CPU: 0 PID: {k.current.pid} at {bug.file}:{bug.line} {where}"
    for line in symbolise.report(k, reason):
        k.log.emit(WARN, line)
    k.log.emit(WARN, "---[ end trace 0000000000000000 ]---")
    k.taints.add("W")


def announce(k: Kernel, bug: BugEntry) -> None:
    """The lines that come before the oops of a BUG."""
    k.log.emit(WARN, CUT_HERE)
    k.log.emit(CRIT, f"kernel BUG at {bug.file}:{bug.line}!")
