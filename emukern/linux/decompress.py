"""What kernel images are compressed with: gzip, xz, zstd, lzma, bzip2 and lz4 (its legacy frames, which Linux uses).

Bytes behind the stream do not matter: builds append the plain size there (cmd_*_with_size, scripts/Makefile.lib).
"""

from __future__ import annotations

import errno
import struct

from emukern.errors import ImageError, ModuleError
from emukern.kmod.compression import LARGEST, complete, gzip, lzma_stream, xz, zstd

_LZ4_MAGIC = b"\x02\x21\x4c\x18"
_LZ4_BLOCK = 8 << 20  # plain bytes of each legacy block but the last
_WORD = struct.Struct("<I")


def decompress(blob: bytes) -> tuple[str, bytes] | None:
    """(name of the compression, plain bytes); None for bytes in no known compression. Raises `ImageError`."""
    for name, magic, read in _FORMATS:
        if blob.startswith(magic):
            try:
                return name, read(blob)
            except ModuleError as broken:
                raise ImageError(f"its {name} data does not unpack: {broken}") from None
    return None


def _lzma(blob: bytes) -> bytes:
    import lzma

    return lzma_stream(blob, lzma.FORMAT_ALONE)


def _bzip2(blob: bytes) -> bytes:
    import bz2

    reader = bz2.BZ2Decompressor()
    try:
        plain = reader.decompress(blob, LARGEST + 1)
    except OSError as broken:
        raise ModuleError(errno.EINVAL, str(broken)) from None
    return complete(plain, reader.eof)


def _lz4(blob: bytes) -> bytes:
    import lz4.block

    plain: list[bytes] = []
    at, full = 0, True
    while full and at + 4 < len(blob):  # four bytes at the end are the size that the build appended
        (size,) = _WORD.unpack_from(blob, at)
        at += 4
        if blob[at - 4 : at] == _LZ4_MAGIC:
            continue
        if at + size > len(blob) or len(plain) * _LZ4_BLOCK > LARGEST:
            return complete(b"", False)
        try:
            plain.append(lz4.block.decompress(blob[at : at + size], uncompressed_size=_LZ4_BLOCK))
        except lz4.block.LZ4BlockError as broken:
            raise ModuleError(errno.EINVAL, str(broken)) from None
        at += size
        full = len(plain[-1]) == _LZ4_BLOCK
    return complete(b"".join(plain), bool(plain))


_FORMATS = (
    ("xz", b"\xfd7zXZ\0", xz),
    ("gzip", b"\x1f\x8b", gzip),
    ("zstd", b"\x28\xb5\x2f\xfd", zstd),
    ("lz4", _LZ4_MAGIC, _lz4),
    ("bzip2", b"BZh", _bzip2),
    ("lzma", b"\x5d\0\0", _lzma),
)
