"""Crypto libraries against the vectors of the documents that define them."""

from __future__ import annotations

import struct

import pytest
from corpus import Bench


@pytest.mark.parametrize(("module", "prefix"), [("libarc4", "arc4"), ("cifs_arc4", "cifs_arc4")])
def test_arc4(bench: Bench, module: str, prefix: str) -> None:
    """The three examples everybody uses (RC4 has no document of its own)."""
    bench.load(module)
    for key, plain, cipher in [
        (b"Key", b"Plaintext", "bbf316e8d940af0ad3"),
        (b"Wiki", b"pedia", "1021bf0420"),
        (b"Secret", b"Attack at dawn", "45a01f645fc35b383552544b9bf5"),
    ]:
        context, out = bench.buffer(258 * 4), bench.buffer(len(plain))
        bench.call(f"{prefix}_setkey", context, bench.buffer(key), len(key))
        bench.call(f"{prefix}_crypt", context, out, bench.buffer(plain), len(plain))
        assert bench.read(out, len(plain)).hex() == cipher


@pytest.mark.parametrize(
    ("message", "digest"),
    [
        (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        (b"abc", "a448017aaf21d8525fc10ae87aa6729d"),
        (b"1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
    ],
)
def test_md4(bench: Bench, message: bytes, digest: str) -> None:
    """RFC 1320, appendix A.5."""
    bench.load("cifs_md4")
    context, out = bench.buffer(128), bench.buffer(16)
    bench.call("cifs_md4_init", context)
    bench.call("cifs_md4_update", context, bench.buffer(message), len(message))
    bench.call("cifs_md4_final", context, out)
    assert bench.read(out, 16).hex() == digest


def test_poly1305(bench: Bench) -> None:
    """RFC 8439, section 2.5.2."""
    bench.load("libpoly1305")
    key = bytes.fromhex("85d6be7857556d337f4452fe42d506a80103808afb0db2fd4abff6af4149f51b")
    message = b"Cryptographic Forum Research Group"
    state, tag = bench.buffer(512), bench.buffer(16)
    bench.call("poly1305_init_generic", state, bench.buffer(key))
    bench.call("poly1305_update_generic", state, bench.buffer(message), len(message))
    bench.call("poly1305_final_generic", state, tag)
    assert bench.read(tag, 16).hex() == "a8061dc1305136c6c22b8baf0c0127a9"


def test_chacha20(bench: Bench) -> None:
    """RFC 8439, section 2.4.2; the block function is the kernel's, the mode is the module's."""
    bench.load("libchacha")
    plain = (
        b"Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, "
        b"sunscreen would be it."
    )
    nonce = bytes.fromhex("000000000000004a00000000")
    state = bench.buffer(b"expand 32-byte k" + bytes(range(32)) + struct.pack("<I", 1) + nonce)
    out = bench.buffer(len(plain))
    bench.call("chacha_crypt_generic", state, out, bench.buffer(plain), len(plain), 20)
    assert bench.read(out, len(plain)).hex() == (
        "6e2e359a2568f98041ba0728dd0d6981e97e7aec1d4360c20a27afccfd9fae0bf91b65c5524733ab8f593dabcd62b357"
        "1639d624e65152ab8f530c359f0861d807ca0dbf500d6a6156a38e088a22b65e52bc514d16ccf806818ce91ab7793736"
        "5af90bbf74a35be6b40b8eedf2785e42874d"
    )


@pytest.mark.parametrize(
    ("scalar", "point", "shared"),
    [
        (
            "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba449ac4",
            "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0ab1c4c",
            "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a28552",
        ),
        (
            "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d",
            "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a493",
            "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aac7957",
        ),
    ],
)
def test_curve25519(bench: Bench, scalar: str, point: str, shared: str) -> None:
    """RFC 7748, section 5.2."""
    bench.load("libcurve25519_generic")
    out = bench.buffer(32)
    bench.call("curve25519_generic", out, *(bench.buffer(bytes.fromhex(text)) for text in (scalar, point)))
    assert bench.read(out, 32).hex() == shared


def test_des(bench: Bench) -> None:
    """The worked example of J. Orlin Grabbe's "The DES Algorithm Illustrated", there and back."""
    bench.load("libdes")
    plain, cipher = bytes.fromhex("0123456789abcdef"), bytes.fromhex("85e813540f0ab405")
    context, out = bench.buffer(128), bench.buffer(8)
    assert bench.call_int("des_expand_key", context, bench.buffer(bytes.fromhex("133457799bbcdff1")), 8) == 0
    bench.call("des_encrypt", context, out, bench.buffer(plain))
    assert bench.read(out, 8) == cipher
    bench.call("des_decrypt", context, out, bench.buffer(cipher))
    assert bench.read(out, 8) == plain


def test_des_refuses_a_weak_key_length(bench: Bench) -> None:
    bench.load("libdes")
    assert bench.call_int("des_expand_key", bench.buffer(128), bench.buffer(7), 7) == -22  # EINVAL


def test_gf128_multiplies_as_gcm_does(bench: Bench) -> None:
    """GCM's specification (McGrew, Viega), test case 2: the ciphertext block times the hash key."""
    bench.load("gf128mul")
    product = bench.buffer(bytes.fromhex("0388dace60b6a392f328c2b971b2fe78"))
    bench.call("gf128mul_lle", product, bench.buffer(bytes.fromhex("66e94bd4ef8a2c3b884cfa59ca342b2e")))
    assert bench.read(product, 16).hex() == "5e2ec746917062882c85b0685353deb7"
