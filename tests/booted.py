"""A boot that never was: small enough to be kept and found again in a moment."""

import random
from dataclasses import replace

from emukern.linux.cache import Boot
from emukern.linux.snapshot import Snapshot
from emukern.machine.ram import PAGE, RamImage

MEMORY = 512 * PAGE
BOOT = Boot("11" * 32, "x86_64", "6.1.0-test", "quiet", "22" * 32, MEMORY, "a CPU", "an engine", "33" * 32)
RISCV = replace(BOOT, arch="riscv64", release="6.12.0-riscv", image="44" * 32)
FACTS = b"what is known of it" * 100


def pages(seed=0):
    """Offset → content of the pages that are not zero: a few alone, a few in a row, the first and the last."""
    chance = random.Random(seed)
    numbers = {0, MEMORY // PAGE - 1, *range(100, 140), *(chance.randrange(MEMORY // PAGE) for _ in range(20))}
    return {number * PAGE: chance.randbytes(PAGE // 4) * 2 + bytes(PAGE // 2) for number in numbers}


def snapshot(seed=0):
    """A moment of a machine with that memory."""
    ram = RamImage(MEMORY)
    for offset, content in pages(seed).items():
        ram.write(content, offset)
    ram.write(bytes(PAGE), 200 * PAGE)  # there, but zero
    return Snapshot(ram, b"registers" * 50, b"devices" * 500)


def content(ram):
    """All of an image."""
    import os

    return os.pread(ram.fd, ram.size, 0)
