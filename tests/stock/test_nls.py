"""Character sets of the file systems against Python's codecs of the same name."""

from __future__ import annotations

import pytest
from corpus import Bench

UNI2CHAR, CHAR2UNI = 16, 24  # offsets in struct nls_table
EINVAL = -22


class Charset:
    """A loaded table and its two functions."""

    def __init__(self, bench: Bench, name: str) -> None:
        self.bench = bench
        self.table = bench.call("load_nls", bench.buffer(name.encode() + b"\0"))
        assert self.table, f"no character set {name} is registered"
        self.scratch = bench.buffer(16)

    def decode(self, data: bytes) -> str | None:
        """One character, or None where the table says EINVAL."""
        self.bench.write(self.scratch, data.ljust(8, b"\0"))
        function = self.bench.word(self.table + CHAR2UNI)
        length = self.bench.call_int(function, self.scratch, len(data), self.scratch + 8)
        if length < 0:
            return None
        assert length == len(data)
        return chr(int.from_bytes(self.bench.read(self.scratch + 8, 2), "little"))

    def encode(self, character: str) -> bytes | None:
        function = self.bench.word(self.table + UNI2CHAR)
        length = self.bench.call_int(function, ord(character), self.scratch, 8)
        return None if length < 0 else self.bench.read(self.scratch, length)


@pytest.mark.parametrize(
    ("module", "charset", "codec"),
    [
        ("nls_cp437", "cp437", "cp437"),
        ("nls_cp850", "cp850", "cp850"),
        ("nls_cp866", "cp866", "cp866"),
        ("nls_iso8859_1", "iso8859-1", "iso8859-1"),
        ("nls_iso8859_2", "iso8859-2", "iso8859-2"),
        ("nls_iso8859_15", "iso8859-15", "iso8859-15"),
        ("nls_koi8_r", "koi8-r", "koi8-r"),
        ("mac_greek", "macgreek", "mac_greek"),
    ],
)
def test_letters_of_a_single_byte_set(bench: Bench, module: str, charset: str, codec: str) -> None:
    bench.load(module)
    table = Charset(bench, charset)
    for byte in (*range(0x20, 0x7F), *range(0x80, 0x100)):
        data = bytes([byte])
        character = data.decode(codec, errors="replace")
        if character.isalpha() or byte < 0x7F:
            assert table.decode(data) == character, hex(byte)
            assert table.encode(character) == data, character


def test_letters_of_a_double_byte_set(bench: Bench) -> None:
    bench.load("nls_cp932")
    table = Charset(bench, "cp932")
    for character in "カタカナひらがな漢字Aｱ":
        data = character.encode("cp932")
        assert table.decode(data) == character
        assert table.encode(character) == data
    assert table.decode(b"\x81\x00") is None


def test_utf8(bench: Bench) -> None:
    bench.load("nls_utf8")
    table = Charset(bench, "utf8")
    for character in "aé€漢\uffee":
        assert table.encode(character) == character.encode()
        assert table.decode(character.encode()) == character
    assert table.decode("😀".encode()) is None  # beyond the 16 bits of wchar_t
    assert table.decode(b"\xc3(") is None


def test_a_set_built_on_another_needs_it(bench: Bench) -> None:
    """koi8-ru adds four letters to koi8-u and asks for it by name; there is no modprobe to fetch it."""
    bench.load("nls_koi8_u", "nls_koi8_ru")
    assert bench.rmmod_errno("nls_koi8_u") == 11  # EAGAIN: koi8-ru holds it
    assert bench.rmmod_errno("nls_koi8_ru") == 0
    assert bench.rmmod_errno("nls_koi8_u") == 0


def test_without_the_other_set_it_refuses(bench: Bench) -> None:
    assert bench.insmod_errno("nls_koi8_ru") == 22  # EINVAL
    assert bench.guest.lsmod() == []
