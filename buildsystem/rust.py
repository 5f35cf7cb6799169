"""Modules written in Rust: built when rustc and its `core` for the architecture are here, else skipped."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from buildsystem.cache import Cache, digest

TRIPLES = {"x86_64": "x86_64-unknown-linux-gnu", "riscv64": "riscv64gc-unknown-none-elf"}
FLAGS = (
    *("--edition", "2021", "--crate-type", "lib", "--emit", "obj", "--cap-lints", "warn"),
    *("-Copt-level=2", "-Cpanic=abort", "-Crelocation-model=static", "-Ccodegen-units=1", "-Cdebuginfo=1"),
    *("-Cforce-frame-pointers=yes", "-Cforce-unwind-tables=no", "-Coverflow-checks=no", "-Cembed-bitcode=no"),
)
MACHINE = {"x86_64": ("-Ccode-model=kernel", "-Cno-redzone=yes"), "riscv64": ("-Ccode-model=medium",)}


class NoRust(Exception):
    """Why a Rust module cannot be built here; one line, shown by the test that is skipped."""


def _rustc(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(["rustc", *arguments], cwd=root, capture_output=True, text=True)
    except OSError as error:
        raise NoRust(f"rustc does not start: {error.strerror}") from None
    if done.returncode:
        first = next((line for line in done.stderr.splitlines() if line.strip()), "no message")
        raise NoRust(f"rustc {arguments[-1]}: {first}")
    return done.stdout


class Rust:
    """The host's rustc for one architecture; NoRust from the constructor when it cannot do that."""

    def __init__(self, root: Path, arch: str, cache: Cache) -> None:
        if not shutil.which("rustc"):
            raise NoRust("rustc is not installed")
        self.root, self.arch, self.cache, self.triple = root, arch, cache, TRIPLES[arch]
        self.version = _rustc(root, "-vV")
        libraries = Path(_rustc(root, "--print", "target-libdir", "--target", self.triple).strip())
        if not any(libraries.glob("libcore-*.rlib")):
            raise NoRust(f"rustc has no core library for {self.triple} (rustup target add {self.triple})")

    def compile(self, source: Path) -> Path:
        """The object file of one crate."""
        name = source.relative_to(self.root).as_posix()
        flags = [*FLAGS, *MACHINE[self.arch], "--target", self.triple]
        key = digest("rustc", self.version, name, source.read_bytes(), flags)

        def make(output: Path) -> None:
            _rustc(self.root, *flags, "--remap-path-prefix", f"{self.root}=.", "-o", str(output), name)

        return self.cache.product(key, make)
