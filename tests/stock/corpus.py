"""Stock modules: where scripts/fetch-corpus put them, what real kernels did with them, a bench for calls."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from emukern.errors import ModuleError

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")  # read early: pytester moves the home
DEBIAN = {"x86_64": "amd64", "riscv64": "riscv64"}


@cache
def expected(arch: str) -> dict[str, dict[str, Any]]:
    """Module name → what a real kernel did with it; the fields are those of `emukern run --json`, and more.

    `path` is below the module tree, `deps` go in first. `stable` is "exact", or "numbers_vary" when only the
    digits of messages differ from run to run. `source` is "recorded" for an outcome of the very kernel that
    the module was built for, "rule" where it follows from what the module is: one without an init function,
    or one that only registers a character set, loads and unloads without a word.
    """
    lines = (HERE / f"{arch}.jsonl").read_text().splitlines()
    return {record["name"]: record for record in map(json.loads, lines)}


@cache
def tree(arch: str) -> Path | None:
    """The module tree of the newest kernel in the cache; None when nothing was fetched."""
    corpus = CACHE / "emukern" / "corpus" / DEBIAN[arch]
    found = sorted(path.parent for path in corpus.glob("*/kernel"))
    return found[-1] if found else None


def stock_module(arch: str, path: str) -> Path:
    """The module file at `path` below the tree; skips the test when it is not there."""
    root = tree(arch)
    if root is None:
        pytest.skip(f"no stock modules for {arch}: run scripts/fetch-corpus (it needs a network)")
    if not (root / path).exists():
        pytest.skip(f"{root.name} has no {path}")
    return root / path


def errno_of(action: Callable[..., object], *arguments: object) -> int:
    """0, or the errno of the ModuleError that `action` raised."""
    try:
        action(*arguments)
    except ModuleError as refusal:
        return refusal.errno
    return 0


class Bench:
    """A booted guest with some stock modules in it, whose exported functions are called with buffers."""

    def __init__(self, guest: Any, arch: str) -> None:
        self.guest, self.arch = guest, arch

    def load(self, *names: str) -> None:
        """Insert modules by name, in this order; skips where the architecture's kernel does not build one."""
        for name in names:
            record = expected(self.arch).get(name)
            if record is None:
                pytest.skip(f"{name} is not a module of the {self.arch} kernel")
            self.insert(record["path"])

    def insert(self, path: str) -> None:
        """Insert the module at `path` below the tree, without riscv64's suffix .xz."""
        suffix = ".xz" if self.arch == "riscv64" and not path.endswith(".xz") else ""
        self.guest.insmod(stock_module(self.arch, path + suffix))

    def insmod_errno(self, name: str) -> int:
        """Insert one module; 0 or the errno of the refusal."""
        return errno_of(self.guest.insmod, stock_module(self.arch, expected(self.arch)[name]["path"]))

    def rmmod_errno(self, name: str) -> int:
        """Remove one module; 0 or the errno of the refusal."""
        return errno_of(self.guest.rmmod, name)

    def call(self, function: str | int, *arguments: int) -> int:
        """Call a kernel or module function by name, or one at an address; the result is the register."""
        result: int = self.guest.call(function, *arguments)
        return result

    def call_int(self, function: str | int, *arguments: int) -> int:
        """The same for a function whose result is an `int`: the register's low half, signed."""
        return (self.call(function, *arguments) & 0xFFFF_FFFF ^ 0x8000_0000) - 0x8000_0000

    def buffer(self, content: bytes | int) -> int:
        """The address of new guest memory holding `content`, or of that many zeros."""
        address: int = self.guest.alloc(bytes(content) or b"\0")
        assert address, "the guest is out of memory"
        return address

    def read(self, address: int, n: int) -> bytes:
        data: bytes = self.guest.k.mem.read(address, n)
        return data

    def write(self, address: int, data: bytes) -> None:
        self.guest.k.mem.write(address, data)

    def messages(self) -> list[tuple[int, str]]:
        """Level and text of everything in the kernel log."""
        return [(record.level, record.text) for record in self.guest.dmesg()]

    def word(self, address: int) -> int:
        """The pointer or unsigned long at `address`."""
        return int.from_bytes(self.read(address, 8), "little")

    def address(self, symbol: str) -> int:
        found: int = self.guest.address(symbol)
        return found
