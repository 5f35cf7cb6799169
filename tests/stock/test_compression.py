"""What the compression modules pack, the same formats' Python packages unpack."""

from __future__ import annotations

import struct
import zlib

import pytest
from corpus import Bench

TEXT = b"".join(b"%d emulated modules compress text, text that repeats itself. " % i for i in range(200))


@pytest.mark.parametrize(
    ("module", "function", "workspace", "level"),
    [
        ("lz4_compress", "LZ4_compress_default", 16416, ()),
        ("lz4hc_compress", "LZ4_compress_HC", 262192, (9,)),
    ],
)
def test_lz4(bench: Bench, module: str, function: str, workspace: int, level: tuple[int, ...]) -> None:
    block = pytest.importorskip("lz4.block")
    bench.load(module)
    out, memory = bench.buffer(len(TEXT)), bench.buffer(workspace)
    length = bench.call_int(function, bench.buffer(TEXT), out, len(TEXT), len(TEXT), *level, memory)
    assert 0 < length < len(TEXT) // 4
    assert block.decompress(bench.read(out, length), uncompressed_size=len(TEXT)) == TEXT


def test_lz4_says_when_the_result_does_not_fit(bench: Bench) -> None:
    bench.load("lz4_compress")
    out, memory = bench.buffer(16), bench.buffer(16416)
    assert bench.call_int("LZ4_compress_default", bench.buffer(TEXT), out, len(TEXT), 16, memory) == 0


Z_FINISH, Z_STREAM_END, Z_DEFLATED = 5, 1, 8  # <linux/zlib.h>: Z_FINISH is not zlib's own 4
STREAM = struct.Struct("<9Qi4x2Q")  # z_stream: next_in avail_in total_in, _out, msg state workspace, ...
TOTAL_OUT = 5 * 8


def test_deflate(bench: Bench) -> None:
    bench.load("zlib_deflate")
    size = bench.call_int("zlib_deflate_workspacesize", 15, 8)
    data, out, workspace = bench.buffer(TEXT), bench.buffer(len(TEXT)), bench.buffer(size)
    stream = bench.buffer(STREAM.pack(data, len(TEXT), 0, out, len(TEXT), 0, 0, 0, workspace, 0, 0, 0))
    assert bench.call_int("zlib_deflateInit2", stream, 6, Z_DEFLATED, 15, 8, 0) == 0
    assert bench.call_int("zlib_deflate", stream, Z_FINISH) == Z_STREAM_END
    length = bench.word(stream + TOTAL_OUT)
    assert zlib.decompress(bench.read(out, length)) == TEXT
    assert bench.call_int("zlib_deflateEnd", stream) == 0
