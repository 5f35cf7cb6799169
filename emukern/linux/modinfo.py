"""The .modinfo entries of a module file, found without reading the rest of it: an index asks thousands of files.

A plain ko is read where its section headers say. A compressed one has them at its far end, so it is unpacked from the
start only as far as the entries: they are `key=value` strings with a 0 behind each, one after the other, and modpost
always adds `vermagic=`. What cannot be found that way is unpacked as a whole.
"""

from __future__ import annotations

import errno
import os
import re
import struct
import zlib
from collections.abc import Callable

from emukern.errors import ModuleError

_PIECE, _ALL = 32 << 10, 64 << 20  # bytes unpacked at a time: to look at, and when there is nothing to look for in them
_SECTION = struct.Struct("<IIQQQQIIQQ")
_LARGEST = 1 << 22  # bytes of a section of names; a broken file may claim more
_ANCHOR = b"\0vermagic="
_ENTRY = re.compile(rb"[A-Za-z_][A-Za-z0-9_.-]*=")
_WANTED = re.compile(rb"(?:alias|softdep|depends)=[^=]*$")

Read = Callable[[int, int], bytes]  # (length, offset) → as many of the bytes there as the file has
Guess = Callable[[bytes], list[bytes]]  # the first bytes of a file → what can be found in them already


def modinfo(path: str | os.PathLike[str]) -> list[tuple[str, str]]:
    """(key, value) of the entries, in order; none when this is no module. Raises `OSError` and `ModuleError`."""
    pairs = (entry.decode("utf-8", "replace").partition("=") for entry in _strings(path, b".modinfo", _around_anchor))
    return [(key, value) for key, equals, value in pairs if equals]


def exports(path: str | os.PathLike[str]) -> list[str]:
    """The names a module exports, and perhaps their namespaces. Raises `OSError` and `ModuleError`."""
    return [name.decode("utf-8", "replace") for name in _strings(path, b"__ksymtab_strings") if name]


def _strings(path: str | os.PathLike[str], section: bytes, guess: Guess | None = None) -> list[bytes]:
    """The strings in a section; `guess` may find them in the first bytes of a compressed file."""
    handle = os.open(path, os.O_RDONLY)
    try:
        head = os.pread(handle, 64, 0)
        if head[:5] == b"\x7fELF\2":
            return _in_elf(lambda length, offset: os.pread(handle, length, offset), section)
        more = _unpacker(os.pread(handle, os.fstat(handle).st_size, 0))
    finally:
        os.close(handle)
    return _packed(more, section, guess) if more else []


def _in_elf(read: Read, section: bytes) -> list[bytes]:
    """The strings in a section of an ELF file; none when it has no such section or is broken."""
    head = read(64, 0)
    if len(head) < 64:
        return []
    (table,) = struct.unpack_from("<Q", head, 0x28)
    size, count, names_at = struct.unpack_from("<HHH", head, 0x3A)
    if size != _SECTION.size or table >> 40:
        return []
    headers = read(count * size, table)
    if len(headers) < count * size or names_at >= count:
        return []
    name = (b"\0" + _content(read, headers, names_at)).find(b"\0" + section + b"\0")
    for i in range(count if name >= 0 else 0):
        if int.from_bytes(headers[i * size : i * size + 4], "little") == name:
            return _content(read, headers, i).split(b"\0")
    return []


def _content(read: Read, headers: bytes, i: int) -> bytes:
    """The bytes of section `i`; none when the header claims what no module has."""
    _, _, _, _, offset, length, *_ = _SECTION.unpack_from(headers, i * _SECTION.size)
    return read(length, offset) if length <= _LARGEST and not offset >> 40 else b""


def _packed(more: Callable[[int], bytes], section: bytes, guess: Guess | None) -> list[bytes]:
    """The strings in a compressed file: guessed from its first bytes, or else read when all of it is unpacked."""
    plain, size = b"", _PIECE if guess is not None else _ALL
    while True:
        piece = more(size)
        plain += piece
        if len(piece) < size:  # that is all of it
            return _in_elf(_reader(plain), section)
        found = guess(plain) if guess is not None else []
        if found:
            return found


def _reader(plain: bytes) -> Read:
    return lambda length, offset: plain[offset : offset + length]


def _around_anchor(plain: bytes) -> list[bytes]:
    """The strings before and after `vermagic=` that look like entries; none when the last of them may be elsewhere."""
    anchor = plain.find(_ANCHOR)
    if anchor < 0:
        return []
    entries: list[bytes] = []
    end = anchor
    while end > 0:
        start = plain.rfind(b"\0", 0, end) + 1
        if not _ENTRY.match(plain, start, end):
            first = _WANTED.search(plain, start, end)  # glued to the bytes of the section before
            if first:
                entries.append(first.group())
            break
        entries.append(plain[start:end])
        end = start - 1
    entries.reverse()
    at = anchor + 1
    while _ENTRY.match(plain, at):
        end = plain.find(b"\0", at)
        if end < 0:
            return []
        entries.append(plain[at:end])
        at = end + 1
    return entries if at + 64 < len(plain) else []


def _unpacker(blob: bytes) -> Callable[[int], bytes] | None:
    """A function that gives the next so many plain bytes of a compressed file; None when it is not compressed."""
    for magic, unpacker in ((b"\xfd7zXZ\0", _xz), (b"\x1f\x8b", _gzip), (b"\x28\xb5\x2f\xfd", _zstd)):
        if blob.startswith(magic):
            return unpacker(blob)
    return None


def _xz(blob: bytes) -> Callable[[int], bytes]:
    import lzma

    reader, rest = lzma.LZMADecompressor(lzma.FORMAT_XZ), [blob]

    def more(size: int) -> bytes:
        try:
            return reader.decompress(rest.pop() if rest else b"", size)
        except (lzma.LZMAError, EOFError):
            return b""

    return more


def _gzip(blob: bytes) -> Callable[[int], bytes]:
    reader, rest = zlib.decompressobj(wbits=31), [blob]

    def more(size: int) -> bytes:
        try:
            piece = reader.decompress(rest.pop(), size)
        except zlib.error:
            piece = b""
        rest.append(reader.unconsumed_tail)
        return piece

    return more


def _zstd(blob: bytes) -> Callable[[int], bytes]:
    try:
        import zstandard
    except ImportError:
        text = "a .ko.zst file needs the zstandard package: pip install zstandard"
        raise ModuleError(errno.EOPNOTSUPP, text) from None
    reader = zstandard.ZstdDecompressor().stream_reader(blob)

    def more(size: int) -> bytes:
        try:
            piece: bytes = reader.read(size)
        except zstandard.ZstdError:
            piece = b""
        return piece

    return more
