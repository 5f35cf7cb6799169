"""One booted machine as a file: facts for a list, blobs, and RAM without its zero pages. Nothing is believed unchecked.

    magic, version, length and SHA-256 of the header        48 bytes, little endian
    header      JSON: "about" (the writer's business), "memory" (bytes), and what follows: "blobs", "frames"
    blobs       each compressed, its SHA-256 in the header; the one called RUNS says which pages the frames hold
    frames      each a compressed piece of RAM up to FRAME bytes, its CRC-32 in the header

Pieces are independent of each other: threads pack and unpack them side by side. The same content makes the same file.
"""

from __future__ import annotations

import json
import os
import struct
import threading
import zlib
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from emukern.errors import EmukernError
from emukern.machine.ram import PAGE, RamImage

MAGIC, VERSION = b"emukern\0", 1
LEAD = struct.Struct("<8sII32s")
FRAME = 1 << 20  # bytes of RAM in a frame: what a CPU's cache holds while it is unpacked
LEVEL = 3  # zstd's: higher ones make files little smaller, lower ones are little faster to read
THREADS = 4  # more only wait for each other
RUNS = "runs"

Runs = list[tuple[int, int]]


class Damaged(EmukernError):
    """A file is not what was written; the text says what is wrong with it."""


def _threads() -> int:
    return min(THREADS, len(os.sched_getaffinity(0)))


# Writing.


def write(fd: int, about: Mapping[str, Any], blobs: Mapping[str, bytes], ram: RamImage) -> None:
    """Write everything to an empty file."""
    from concurrent.futures import ThreadPoolExecutor

    from zstandard import ZstdCompressor

    frames = _frames(ram)
    with ThreadPoolExecutor(_threads()) as pool:
        packed = list(pool.map(lambda runs: _pack(ram, runs), frames))
    stored = {name: ZstdCompressor(LEVEL).compress(blob) for name, blob in {**blobs, RUNS: _table(frames)}.items()}
    header = json.dumps(
        {
            "about": dict(about),
            "memory": ram.size,
            "blobs": {name: [len(data), sha256(data).hexdigest()] for name, data in stored.items()},
            "frames": [[len(data), zlib.crc32(data)] for data in packed],
        }
    ).encode()
    lead = LEAD.pack(MAGIC, VERSION, len(header), sha256(header).digest())
    for piece in (lead, header, *stored.values(), *packed):
        view = memoryview(piece)
        while view:
            view = view[os.write(fd, view) :]


def _frames(ram: RamImage) -> list[Runs]:
    """The ranges of RAM that go into each frame."""
    frames: list[Runs] = []
    room = 0
    for start, end in ram.runs(FRAME):
        if end - start > room:
            frames.append([])
            room = FRAME
        frames[-1].append((start, end))
        room -= end - start
    return frames


def _pack(ram: RamImage, runs: Runs) -> bytes:
    from zstandard import ZstdCompressor

    packed: bytes = ZstdCompressor(LEVEL).compress(b"".join(os.pread(ram.fd, end - at, at) for at, end in runs))
    return packed


def _table(frames: list[Runs]) -> bytes:
    """For each frame the number of its ranges, then each one's first page and the page after it."""
    words: list[int] = []
    for runs in frames:
        words.append(len(runs))
        words += (offset // PAGE for run in runs for offset in run)
    return struct.pack(f"<{len(words)}I", *words)


# Reading.


def about(fd: int) -> dict[str, Any]:
    """What the writer said it is. Raises Damaged; the rest of the file is not looked at."""
    facts: dict[str, Any] = _header(fd)[0]["about"]
    return facts


def read(fd: int) -> tuple[dict[str, Any], dict[str, bytes], RamImage]:
    """All that was written. Raises Damaged."""
    header, at = _header(fd)
    sizes = {name: size for name, (size, _) in header["blobs"].items()}
    end = at + sum(sizes.values()) + sum(size for size, _ in header["frames"])
    if os.fstat(fd).st_size != end:
        raise Damaged(f"it has {os.fstat(fd).st_size} bytes instead of {end}")
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_WILLNEED)
    places = {}
    for name in sizes:
        places[name] = at
        at += sizes[name]

    def blob(name: str) -> bytes:
        return _blob(fd, places[name], *header["blobs"][name])

    ram = RamImage(header["memory"])
    unpacking = _Unpacking(fd, at, header["frames"], _untable(blob(RUNS)), ram)
    try:
        blobs = {name: blob(name) for name in sizes if name != RUNS}
    finally:
        unpacking.finish()
    return header["about"], blobs, ram


def _header(fd: int) -> tuple[dict[str, Any], int]:
    """The header, and where it ends."""
    lead = os.pread(fd, LEAD.size, 0)
    if len(lead) < LEAD.size:
        raise Damaged("it has no header")
    magic, version, size, digest = LEAD.unpack(lead)
    if magic != MAGIC:
        raise Damaged("it is no such file")
    if version != VERSION:
        raise Damaged(f"it has format {version}, not {VERSION}")
    header = os.pread(fd, min(size, os.fstat(fd).st_size), LEAD.size)
    if sha256(header).digest() != digest:
        raise Damaged("its header is damaged")
    content: dict[str, Any] = json.loads(header)
    return content, LEAD.size + size


def _blob(fd: int, at: int, size: int, digest: str) -> bytes:
    from zstandard import ZstdDecompressor

    data = os.pread(fd, size, at)
    if sha256(data).hexdigest() != digest:
        raise Damaged("a part of it is damaged")
    content: bytes = ZstdDecompressor().decompress(data)
    return content


def _untable(table: bytes) -> list[Runs]:
    words = memoryview(table).cast("I").tolist() if table else []
    frames, at = [], 0
    while at < len(words):
        end = at + 1 + 2 * words[at]
        offsets = [page * PAGE for page in words[at + 1 : end]]
        frames.append(list(zip(offsets[::2], offsets[1::2], strict=True)))
        at = end
    return frames


class _Unpacking:
    """RAM being filled from frames, by threads and, in the end, by whoever waits for them."""

    def __init__(self, fd: int, at: int, stored: list[list[int]], frames: list[Runs], ram: RamImage) -> None:
        self._fd, self._ram = fd, ram
        jobs = []
        for (size, checksum), runs in zip(stored, frames, strict=True):
            jobs.append((at, size, checksum, runs))
            at += size
        self._largest = max((size for size, _ in stored), default=0)
        self._jobs = iter(jobs)  # each taken by one: the interpreter lets one thread at a time ask for the next
        self._failure: BaseException | None = None
        self._threads = [threading.Thread(target=self._work) for _ in range(_threads() - 1)]
        for thread in self._threads:
            thread.start()

    def finish(self) -> None:
        """Help, and wait for the others. Raises what went wrong."""
        self._work()
        for thread in self._threads:
            thread.join()
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        try:
            self._unpack()
        except BaseException as error:
            self._failure = error
            list(self._jobs)  # nothing is left for the others

    def _unpack(self) -> None:
        from zstandard import ZstdDecompressor

        unpacker = ZstdDecompressor()
        packed, plain = memoryview(bytearray(self._largest)), memoryview(bytearray(FRAME))
        for at, size, checksum, runs in self._jobs:
            data = packed[:size]
            if os.preadv(self._fd, [data], at) != size or zlib.crc32(data) != checksum:
                raise Damaged("the memory in it is damaged")
            total = sum(end - start for start, end in runs)
            if unpacker.stream_reader(data).readinto(plain[:total]) != total:
                raise Damaged("the memory in it is incomplete")
            done = 0
            for start, end in runs:
                self._ram.write(plain[done : done + end - start], start)
                done += end - start
