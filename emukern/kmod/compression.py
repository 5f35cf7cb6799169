"""A ko as it lies on disk: perhaps compressed (.xz .gz .zst), perhaps with a signature behind it."""

from __future__ import annotations

import errno
import struct
import zlib

from emukern.errors import ModuleError

_SIGNATURE_MARK = b"~Module signature appended~\n"
_SIGNATURE = struct.Struct(">BBBBB3xI")  # struct module_signature: algo hash id_type signer_len key_id_len, length
_PKCS7 = (0, 0, 2, 0, 0)  # what those fields are in the only kind of signature there is
LARGEST = 1 << 30  # no module unpacks to more; a bomb is refused instead of unpacked


def unpack(blob: bytes) -> bytes:
    """The plain bytes of a ko; bytes in no known compression come back as they are. Raises `ModuleError`."""
    for magic, read in ((b"\xfd7zXZ\0", _xz), (b"\x1f\x8b", _gzip), (b"\x28\xb5\x2f\xfd", _zstd)):
        if blob.startswith(magic):
            plain = read(blob)
            if len(plain) > LARGEST:
                raise ModuleError(errno.ENOMEM, f"the module unpacks to more than {LARGEST} bytes")
            return plain
    return blob


def _xz(blob: bytes) -> bytes:
    import lzma

    reader = lzma.LZMADecompressor(lzma.FORMAT_XZ)
    try:
        plain = reader.decompress(blob, LARGEST + 1)
    except lzma.LZMAError as broken:
        raise ModuleError(errno.EINVAL, f"decompression failed: {broken}") from None
    return _complete(plain, reader.eof)


def _gzip(blob: bytes) -> bytes:
    reader = zlib.decompressobj(wbits=31)
    try:
        plain = reader.decompress(blob, LARGEST + 1)
    except zlib.error as broken:
        raise ModuleError(errno.EINVAL, f"decompression failed: {broken}") from None
    return _complete(plain, reader.eof)


def _zstd(blob: bytes) -> bytes:
    try:
        import zstandard
    except ImportError:
        text = "a .ko.zst file needs the zstandard package: pip install zstandard"
        raise ModuleError(errno.EOPNOTSUPP, text) from None
    try:
        plain: bytes = zstandard.ZstdDecompressor().stream_reader(blob).read(LARGEST + 1)
    except zstandard.ZstdError as broken:
        raise ModuleError(errno.EINVAL, f"decompression failed: {broken}") from None
    return plain


def _complete(plain: bytes, ended: bool) -> bytes:
    if not ended and len(plain) <= LARGEST:
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
