"""Whether a module's signature is good, told without running the kernel's own cryptography for milliseconds.

A signature is a CMS message (RFC 5652) behind the module; the keys that count are on the kernel's keyrings. RSA
(PKCS #1 v1.5) and ECDSA over P-256 and P-384 are verified here. Whatever is not found to be good is for the kernel to
judge: another algorithm, a damaged signature, none at all.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from emukern.errors import ModuleError
from emukern.linux import elliptic
from emukern.linux.struct_module import errno_of

if TYPE_CHECKING:
    from emukern.linux.struct_module import Kernel

MARK = b"~Module signature appended~\n"
TRAILER = 12  # bytes of struct module_signature: algo, hash, id_type, signer_len, key_id_len, 3 of nothing, sig_len
PKCS7 = b"\0\0\2\0\0\0\0\0"  # what it begins with in the only kind of signature there is
SEQUENCE, SET, OCTETS, OID = 0x30, 0x31, 0x04, 0x06
HASHES = {
    "608648016503040201": "sha256",
    "608648016503040202": "sha384",
    "608648016503040203": "sha512",
    "608648016503040208": "sha3_256",
    "608648016503040209": "sha3_384",
    "60864801650304020a": "sha3_512",
}
# DigestInfo of RFC 8017 in front of the hash: SEQUENCE { SEQUENCE { OID, NULL }, OCTET STRING }.
DIGEST_INFO = {name: bytes.fromhex(oid) for oid, name in HASHES.items()}
CURVES = {"ecdsa-nist-p256": elliptic.P256, "ecdsa-nist-p384": elliptic.P384}
UNCOMPRESSED = 4  # a point of a curve, both coordinates


class Der(NamedTuple):
    """One value of DER."""

    tag: int
    content: bytes

    def parts(self) -> list[Der]:
        """The values inside."""
        return list(_values(self.content))


def _values(data: bytes) -> Iterator[Der]:
    at = 0
    while at < len(data):
        value, at = _value(data, at)
        yield value


def _value(data: bytes, at: int) -> tuple[Der, int]:
    """The value at an offset and where it ends. Raises ValueError."""
    if at + 2 > len(data):
        raise ValueError("cut short")
    size, start = data[at + 1], at + 2
    if size & 0x80:
        count = size & 0x7F
        size, start = int.from_bytes(data[start : start + count], "big"), start + count
    end = start + size
    if end > len(data):
        raise ValueError("cut short")
    return Der(data[at], data[start:end]), end


@dataclass(frozen=True, slots=True)
class Key:
    """A public key: (modulus, exponent) or a point of a curve."""

    numbers: tuple[int, int]
    curve: elliptic.Curve | None = None

    def verifies(self, signature: bytes, name: str, digest: bytes) -> bool:
        """Whether `signature` is this key's over a hash of the algorithm `name`."""
        if self.curve is None:
            return self._rsa(signature, name, digest)
        r, s = (int.from_bytes(part.content, "big") for part in _value(signature, 0)[0].parts())
        return elliptic.verify(self.curve, self.numbers, r, s, digest)

    def _rsa(self, signature: bytes, name: str, digest: bytes) -> bool:
        modulus, exponent = self.numbers
        size = (modulus.bit_length() + 7) // 8
        oid = DIGEST_INFO[name]
        algorithm = bytes((SEQUENCE, len(oid) + 4, OID, len(oid))) + oid + b"\5\0"
        info = bytes((SEQUENCE, len(algorithm) + 2 + len(digest))) + algorithm + bytes((OCTETS, len(digest))) + digest
        padded = b"\0\1" + b"\xff" * (size - len(info) - 3) + b"\0" + info
        return len(signature) == size and pow(int.from_bytes(signature, "big"), exponent, modulus) == int.from_bytes(
            padded, "big"
        )


def public_key(kind: str, data: bytes) -> Key | None:
    """The key in `data`, as certificates hold it; `kind` is the kernel's name for its algorithm."""
    try:
        if kind == "rsa":
            modulus, exponent = _value(data, 0)[0].parts()
            return Key((int.from_bytes(modulus.content, "big"), int.from_bytes(exponent.content, "big")))
        if kind in CURVES and data[0] == UNCOMPRESSED:
            half = (len(data) - 1) // 2
            x, y = data[1 : 1 + half], data[1 + half :]
            return Key((int.from_bytes(x, "big"), int.from_bytes(y, "big")), CURVES[kind])
    except (ValueError, IndexError):
        pass
    return None


def is_good(blob: bytes, trusted: Mapping[bytes, Key]) -> bool:
    """Whether one of the keys `trusted`, by serial number and issuer, signed the module.

    False also when that cannot be told here.
    """
    end = len(blob) - len(MARK) - TRAILER
    if not blob.endswith(MARK) or end < 0 or blob[end : end + len(PKCS7)] != PKCS7:
        return False
    start = end - int.from_bytes(blob[end + 8 : end + 12], "big")
    try:
        return start > 0 and _verify(blob, start, blob[start:end], trusted)
    except (ValueError, IndexError):
        return False


def _verify(blob: bytes, size: int, message: bytes, trusted: Mapping[bytes, Key]) -> bool:
    """Check the signature `message` of the first `size` bytes: ContentInfo → SignedData → SignerInfo."""
    signed = _value(message, 0)[0].parts()[1].parts()[0].parts()
    signers = signed[-1]
    if signers.tag != SET or len(signers.parts()) != 1:
        return False
    _, sid, digest_algorithm, *rest = signers.parts()[0].parts()
    if len(rest) != 2 or sid.tag != SEQUENCE:  # attributes would be what is signed; a key's number says no issuer
        return False
    issuer, serial = sid.parts()
    key = trusted.get(serial.content + issuer.content)
    name = HASHES.get(digest_algorithm.parts()[0].content.hex())
    if key is None or name is None:
        return False
    return key.verifies(rest[1].content, name, hashlib.new(name, memoryview(blob)[:size]).digest())


def check(kernel: Kernel, blob: bytes) -> bool:
    """Whether the module is signed as the kernel likes it. Raises ModuleError where it does not load others.

    The kernel's own check decides all but the clear case; it also says what there is to say.
    """
    from emukern.linux import keyring

    if not kernel.signed:
        return True
    if is_good(blob, keyring.trusted(kernel)):
        return True
    # Without a signature, it looks at nothing but the end.
    file = blob if blob.endswith(MARK) else blob[-2 * len(MARK) :]
    guest, record = kernel.guest, kernel.load_info
    copy = kernel.call(("vmalloc", "vmalloc_noprof"), len(file))
    if not copy:
        raise ModuleError(errno.ENOMEM, "")
    guest.machine.mem.write(copy, file)
    info = bytearray(record.size)
    for path, value in (("hdr", copy), ("len", len(file))):
        record.put(memoryview(info), path, value)
    block = guest.alloc(bytes(info))
    result = errno_of(kernel.call("module_sig_check", block, 0))
    signed = record.get(guest.machine.mem.read(block, record.size), "sig_ok")
    guest.free(block)
    kernel.call("vfree", copy)
    if result:
        raise ModuleError(result, "")
    return bool(signed)
