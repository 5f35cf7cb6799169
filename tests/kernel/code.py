"""Machine code by hand, to run in kernel mode or as a program: what no compiler would write."""

from __future__ import annotations

import struct

from emukern.machine.ram import PAGE

HEAD, SEGMENT = struct.Struct("<16sHHIQQQIHHHHHH"), struct.Struct("<IIQQQQQQ")
MACHINES = {"x86_64": 62, "riscv64": 243}
ENTRY = 0x400000


def elf(*segments, entry=ENTRY, machine=62, kind=2, bits=2, body=b""):
    """An ELF file: `segments` are (type, flags, offset, vaddr, filesz, memsz); `body` begins on its second page."""
    ident = b"\x7fELF" + bytes((bits, 1, 1)) + bytes(9)
    head = HEAD.pack(ident, kind, machine, 1, entry, 64, 0, 0, 64, 56, len(segments), 64, 0, 0)
    rows = b"".join(SEGMENT.pack(t, f, offset, at, at, size, room, PAGE) for t, f, offset, at, size, room in segments)
    return (head + rows).ljust(PAGE, b"\0") + body


def write_program(guest, path, code):
    """A program that is `code`, at ENTRY."""
    file = elf((1, 5, PAGE, ENTRY, len(code), len(code)), machine=MACHINES[guest.arch], body=code)
    guest.k.vfs.write_file(path, file, 0o755)


def run_program(guest, code):
    """Run `code` in user mode: wait4's status as the shell shows it."""
    write_program(guest, "/tmp/code", code)
    return guest.execute(["/tmp/code"]).status


def place(guest, code):
    """Put `code` where modules go; answers its address."""
    area = guest.k.module_area
    address = area.alloc(1)
    guest.k.mem.write(address, code)
    area.protect(address, 1, "rx")
    return address
