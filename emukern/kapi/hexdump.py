"""lib/hexdump.c: hexadecimal to bytes, back, and dumps in the log."""

from __future__ import annotations

import errno
from typing import TYPE_CHECKING

from emukern.cdecl import abi
from emukern.errors import Errno
from emukern.kapi.export import export, export_data
from emukern.kernel.vsprintf import vsprintf
from emukern.ptr import Ptr
from emukern.varargs import HostArgs

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

_DIGITS = {ord(digit): int(digit, 16) for digit in "0123456789abcdefABCDEF"}


@export_data("hex_asc", "char [17]")
def hex_asc(k: Kernel, ptr: Ptr) -> None:
    k.mem.write(ptr, b"0123456789abcdef")


@export_data("hex_asc_upper", "char [17]")
def hex_asc_upper(k: Kernel, ptr: Ptr) -> None:
    k.mem.write(ptr, b"0123456789ABCDEF")


@export("int hex_to_bin(unsigned char ch)")
def hex_to_bin(k: Kernel, ch: int) -> int:
    return _DIGITS.get(ch, -1)


@export("int hex2bin(u8 *dst, const char *src, size_t count)")
def hex2bin(k: Kernel, dst: Ptr, src: Ptr, count: int) -> int:
    """`count` is that of the bytes; those before a bad digit are written."""
    for i in range(count):
        high, low = _DIGITS.get(src[2 * i], -1), -1
        if high >= 0:
            low = _DIGITS.get(src[2 * i + 1], -1)
        if low < 0:
            raise Errno(errno.EINVAL)
        dst[i] = high << 4 | low
    return 0


@export("char *bin2hex(char *dst, const void *src, size_t count)")
def bin2hex(k: Kernel, dst: Ptr, src: Ptr, count: int) -> Ptr:
    k.mem.write(dst, src.bytes_(count).hex().encode())
    return dst + 2 * count


def dump_line(data: bytes, rowsize: int, groupsize: int, ascii: bool) -> bytes:
    """One line of a dump: groups as little-endian numbers, then perhaps the printable characters."""
    rowsize, groupsize = _row(rowsize), _group(groupsize, len(data))
    groups = [data[i : i + groupsize][::-1].hex() for i in range(0, len(data), groupsize)]
    line = " ".join(groups)
    if ascii and data:
        line = line.ljust(rowsize * 2 + rowsize // groupsize + 1)
        line += "".join(chr(byte) if 32 <= byte < 127 else "." for byte in data)
    return line.encode()


def _row(rowsize: int) -> int:
    return rowsize if rowsize in (16, 32) else 16


def _group(groupsize: int, length: int) -> int:
    return groupsize if groupsize in (1, 2, 4, 8) and length % groupsize == 0 else 1


@export(
    "int hex_dump_to_buffer(const void *buf, size_t len, int rowsize, int groupsize, char *linebuf,"
    " size_t linebuflen, bool ascii)"
)
def hex_dump_to_buffer(
    k: Kernel, buf: Ptr, len_: int, rowsize: int, groupsize: int, linebuf: Ptr, linebuflen: int, ascii: int
) -> int:
    line = dump_line(buf.bytes_(min(len_, _row(rowsize))), rowsize, groupsize, bool(ascii))
    if linebuflen:
        k.mem.write(linebuf, line[: linebuflen - 1] + b"\0")
    return len(line)


@export(
    "void print_hex_dump(const char *level, const char *prefix_str, int prefix_type, int rowsize, int groupsize,"
    " const void *buf, size_t len, bool ascii)"
)
def print_hex_dump(
    k: Kernel,
    level: Ptr,
    prefix_str: Ptr,
    prefix_type: int,
    rowsize: int,
    groupsize: int,
    buf: Ptr,
    len_: int,
    ascii: int,
) -> None:
    head, rowsize = k.mem.cstr(level) + k.mem.cstr(prefix_str), _row(rowsize)
    by_address, by_offset = abi().constant("DUMP_PREFIX_ADDRESS"), abi().constant("DUMP_PREFIX_OFFSET")
    for offset in range(0, len_, rowsize):
        where = b""
        if prefix_type == by_address:
            where = vsprintf(k, b"%p: ", HostArgs(k.mem, [buf + offset]))
        elif prefix_type == by_offset:
            where = b"%08x: " % offset
        row = (buf + offset).bytes_(min(rowsize, len_ - offset))
        k.log.printk(head + where + dump_line(row, rowsize, groupsize, bool(ascii)) + b"\n")
