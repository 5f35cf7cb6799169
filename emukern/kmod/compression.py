"""A ko as it lies on disk: perhaps compressed (.xz .gz .zst), perhaps with a signature behind it.

The readers take one compressed stream and leave alone what follows it, so kernel images use them too.
"""

from __future__ import annotations

import errno
import struct
import zlib

from emukern.errors import ModuleError

_SIGNATURE_MARK = b"~Module signature appended~\n"
_SIGNATURE = struct.Struct(">BBBBB3xI")  # struct module_signature: algo hash id_type signer_len key_id_len, length
_PKCS7 = (0, 0, 2, 0, 0)  # what those fields are in the only kind of signature there is
_PIECE = 4096  # input given to zstd at once: a bomb's piece becomes 128 MB, not all that it claims to hold
LARGEST = 1 << 30  # no module unpacks to more; a bomb is refused instead of unpacked


def unpack(blob: bytes) -> bytes:
    """The plain bytes of a ko; bytes in no known compression come back as they are. Raises `ModuleError`."""
    for magic, read in ((b"\xfd7zXZ\0", xz), (b"\x1f\x8b", gzip), (b"\x28\xb5\x2f\xfd", zstd)):
        if blob.startswith(magic):
            return read(blob)
    return blob


def xz(blob: bytes) -> bytes:
    """What an xz stream holds; raises `ModuleError`, as the other readers do."""
    import lzma

    return lzma_stream(blob, lzma.FORMAT_XZ)


def lzma_stream(blob: bytes, format: int) -> bytes:
    """What a stream of the lzma module's `format` holds."""
    import lzma

    reader = lzma.LZMADecompressor(format)
    try:
        plain = reader.decompress(blob, LARGEST + 1)
    except lzma.LZMAError as broken:
        raise ModuleError(errno.EINVAL, f"decompression failed: {broken}") from None
    return complete(plain, reader.eof)


def gzip(blob: bytes) -> bytes:
    """What a gzip member holds."""
    reader = zlib.decompressobj(wbits=31)
    try:
        plain = reader.decompress(blob, LARGEST + 1)
    except zlib.error as broken:
        raise ModuleError(errno.EINVAL, f"decompression failed: {broken}") from None
    return complete(plain, reader.eof)


def zstd(blob: bytes) -> bytes:
    """What a zstd frame holds."""
    import zstandard

    reader = zstandard.ZstdDecompressor().decompressobj()
    plain, size, at = [], 0, 0
    try:
        while at < len(blob) and not reader.eof and size <= LARGEST:
            plain.append(reader.decompress(blob[at : at + _PIECE]))
            size += len(plain[-1])
            at += _PIECE
    except zstandard.ZstdError as broken:
        raise ModuleError(errno.EINVAL, f"decompression failed: {broken}") from None
    return complete(b"".join(plain), reader.eof)


def complete(plain: bytes, ended: bool) -> bytes:
    """`plain`, if its stream has `ended` and it is of a sane size; else raises `ModuleError`."""
    if len(plain) > LARGEST:
        raise ModuleError(errno.ENOMEM, f"the file unpacks to more than {LARGEST} bytes")
    if not ended:
        raise ModuleError(errno.EINVAL, "decompression failed: the file is cut short")
    return plain


def strip_signature(blob: bytes) -> tuple[bytes, bool]:
    """(the bytes before a signature, whether there is one); a trailer that makes no sense stays."""
    if not blob.endswith(_SIGNATURE_MARK):
        return blob, False
    end = len(blob) - len(_SIGNATURE_MARK) - _SIGNATURE.size
    if end < 0:
        return blob, False
    *kind, length = _SIGNATURE.unpack_from(blob, end)
    if tuple(kind) != _PKCS7 or length > end:
        return blob, False
    return blob[: end - length], True
