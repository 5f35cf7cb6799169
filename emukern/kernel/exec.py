"""execve: an ELF executable becomes an address space and a first stack (fs/binfmt_elf.c, the psABI's process start)."""

from __future__ import annotations

import errno
import struct
from typing import TYPE_CHECKING

from emukern import elf
from emukern.errors import Errno
from emukern.kernel.mm import AddressSpace, VmArea, unchanging
from emukern.machine.ram import PAGE

if TYPE_CHECKING:
    from emukern.kernel.inode import Inode
    from emukern.kernel.kernel import Kernel

STACK_SIZE = 1 << 20
STACK_GAP = PAGE
MAX_ARGUMENTS = 128 << 10  # bytes of argv and envp
MAX_SEGMENTS = 65536 // 56  # 64 KiB of program headers (load_elf_phdrs)
PT_INTERP = 3
AT_NULL, AT_PHDR, AT_PHENT, AT_PHNUM, AT_PAGESZ, AT_BASE, AT_FLAGS, AT_ENTRY = 0, 3, 4, 5, 6, 7, 8, 9
AT_UID, AT_EUID, AT_GID, AT_EGID, AT_CLKTCK, AT_SECURE, AT_RANDOM, AT_EXECFN = 11, 12, 13, 14, 17, 23, 25, 31


class Program:
    """What execve made: the address space, where to start, and whether it is a 32-bit program."""

    def __init__(self, mm: AddressSpace, entry: int, sp: int, compat: bool) -> None:
        self.mm = mm
        self.entry = entry
        self.sp = sp
        self.compat = compat


def load(k: Kernel, inode: Inode, path: str, argv: list[bytes], envp: list[bytes]) -> Program:
    """Build the program in the executable `inode`. Raises Errno (ENOEXEC, E2BIG, ENOENT) and MemoryError."""
    data, cached = inode.read_all(k), unchanging(inode)
    if sum(len(s) + 9 for s in (*argv, *envp)) > MAX_ARGUMENTS:
        raise Errno(errno.E2BIG)
    try:
        head, segments = elf.header(data), elf.program_headers(data)
    except elf.ElfError:
        raise Errno(errno.ENOEXEC) from None
    compat = head.machine == k.arch.e_machine_compat
    loads = [s for s in segments if s.type == elf.PT_LOAD and s.memsz]
    kind = (head.type, head.machine, head.bits)
    native = (elf.ET_EXEC, k.arch.e_machine, 64)
    if kind not in (native, (elf.ET_EXEC, k.arch.e_machine_compat, 32)) or not loads or len(segments) > MAX_SEGMENTS:
        raise Errno(errno.ENOEXEC)
    if any(s.type == PT_INTERP for s in segments):
        raise Errno(errno.ENOENT)  # there is no dynamic linker
    top = k.arch.layout.user_top_compat if compat else k.arch.layout.user_top
    if head.entry >= top:
        raise Errno(errno.ENOEXEC)
    mm = AddressSpace(k, top)
    try:
        for segment in loads:
            _map_segment(k, mm, data, segment, cached)
        mm.brk_start = mm.brk = max(-(-(s.vaddr + s.memsz) // PAGE) * PAGE for s in loads)
        sp = _build_stack(k, mm, head, segments, path, argv, envp)
    except BaseException:
        mm.destroy(k)
        raise
    return Program(mm, head.entry, sp, compat)


def _map_segment(k: Kernel, mm: AddressSpace, data: bytes, segment: elf.ProgramHeader, cached: bool) -> None:
    prot = "".join(c for bit, c in ((elf.PF_R, "r"), (elf.PF_W, "w"), (elf.PF_X, "x")) if segment.flags & bit)
    start, end = segment.vaddr & -PAGE, -(-(segment.vaddr + segment.memsz) // PAGE) * PAGE
    if start < PAGE or end > mm.top - STACK_GAP - STACK_SIZE or mm.overlapping(start, end) or {"w", "x"} <= set(prot):
        raise Errno(errno.ENOEXEC)
    if segment.offset + segment.filesz > len(data) or segment.filesz > segment.memsz:
        raise Errno(errno.ENOEXEC)
    if (segment.offset - segment.vaddr) % PAGE:
        raise Errno(errno.ENOEXEC)
    skew = segment.vaddr - start
    whole = (segment.offset - skew, segment.filesz + skew)
    file_end = start + -(-whole[1] // PAGE) * PAGE
    content = k.page_cache.segment(data, *whole) if cached else data[whole[0] : sum(whole)]
    if file_end > start:
        mm.add(VmArea(start, file_end, prot, content, 0, "file", cached=cached))
    if end > file_end:
        mm.add(VmArea(file_end, end, prot, None, 0, "bss"))


def _build_stack(
    k: Kernel,
    mm: AddressSpace,
    head: elf.Header,
    segments: list[elf.ProgramHeader],
    path: str,
    argv: list[bytes],
    envp: list[bytes],
) -> int:
    """Strings, auxiliary vector and pointers on a fresh stack; returns the stack pointer."""
    word = head.bits // 8
    top = mm.top - STACK_GAP
    mm.add(VmArea(top - STACK_SIZE, top, "rw", None, 0, "stack"))
    strings = bytearray()

    def push(data: bytes) -> int:
        strings[:0] = data
        return top - len(strings)

    random = push(k.rng.randbytes(16))
    execfn = push(path.encode("utf-8", "surrogateescape") + b"\0")
    environment = [push(s + b"\0") for s in reversed(envp)][::-1]
    arguments = [push(s + b"\0") for s in reversed(argv)][::-1]
    inside = (s for s in segments if s.offset <= head.phoff < s.offset + s.filesz)
    headers = next((s.vaddr + head.phoff - s.offset for s in inside), 0)
    vector = [
        (AT_PHDR, headers), (AT_PHENT, head.phentsize), (AT_PHNUM, head.phnum), (AT_PAGESZ, PAGE), (AT_BASE, 0),
        (AT_FLAGS, 0), (AT_ENTRY, head.entry), (AT_UID, 0), (AT_EUID, 0), (AT_GID, 0), (AT_EGID, 0),
        (AT_CLKTCK, 100), (AT_SECURE, 0), (AT_RANDOM, random), (AT_EXECFN, execfn), (AT_NULL, 0),
    ]  # fmt: skip
    words = [len(argv), *arguments, 0, *environment, 0, *(value for pair in vector for value in pair)]
    sp = (top - len(strings) - word * len(words)) & -16
    block = struct.pack(f"<{len(words)}{'Q' if word == 8 else 'I'}", *words)
    image = block + bytes(top - len(strings) - sp - len(block)) + bytes(strings)
    for start in range(sp & -PAGE, top, PAGE):
        mm.fault(k, start, True, False)
    root, k.mem.root = k.mem.root, mm.root
    try:
        k.mem.write(sp, image)
    finally:
        k.mem.root = root
    return sp
