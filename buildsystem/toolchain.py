"""The compiler and the linker inside the ziglang wheel, behind the cache.

`zig clang` and `zig ld.lld` are plain clang and lld: one process per file, no caches or libraries of their
own, cross-compiling to every architecture from every host. `zig cc` would build a runtime library for each
target and rewrite each object, which is slower and adds sections nobody asked for.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from buildsystem.cache import Cache, digest


class BuildError(Exception):
    """Something could not be compiled or linked; the text includes what the compiler said."""


def find_zig() -> tuple[Path, str]:
    """The folder of the ziglang wheel and its version."""
    try:
        import ziglang  # type: ignore[import-untyped,unused-ignore]
    except ImportError:
        raise BuildError("the ziglang package is missing: pip install ziglang") from None
    return Path(ziglang.__file__).parent, importlib.metadata.version("ziglang")


class Toolchain:
    """Compiles and links files below `root`; every result is a file of `cache`."""

    def __init__(self, root: Path, cache: Cache) -> None:
        folder, self.version = find_zig()
        self.zig = folder / ("zig.exe" if os.name == "nt" else "zig")
        self.builtin_headers = folder / "lib" / "include"
        self.root = root
        self.cache = cache
        self._header_digests: dict[Path, str] = {}

    def compile(self, source: Path, flags: Sequence[str], includes: Sequence[Path]) -> Path:
        """The object file of one .c or .S file."""
        name = source.relative_to(self.root).as_posix()
        return self._compile(name, source.read_bytes(), [*flags, "-c", name], includes)

    def compile_text(self, name: str, text: str, flags: Sequence[str], includes: Sequence[Path]) -> Path:
        """The object file of generated C text; `name` is what compiler messages call it."""
        marked = f'# 1 "{name}"\n{text}'.encode()
        return self._compile(name, marked, [*flags, "-x", "c", "-c", "-"], includes)

    def _compile(self, name: str, data: bytes, arguments: Sequence[str], includes: Sequence[Path]) -> Path:
        folders = [f"-I{folder.relative_to(self.root).as_posix()}" for folder in includes]
        headers = [self._headers(folder) for folder in includes]
        key = digest("compile", self.version, name, data, arguments, folders, headers)
        # Relative names and a fixed compilation folder keep the debug information equal on every machine.
        fixed = ["-nostdinc", "-isystem", str(self.builtin_headers), "-fdebug-compilation-dir=."]

        def make(output: Path) -> None:
            command = ["clang", *fixed, *folders, *arguments, "-o", str(output)]
            self.run(command, f"cannot compile {name}", data)

        return self.cache.product(key, make)

    def link(
        self, name: str, objects: Sequence[Path], flags: Sequence[str], script: Path | None = None
    ) -> Path:
        """The ELF file lld makes of `objects`; their names in the cache stand for their contents."""
        text = script.read_bytes() if script else b""
        key = digest("link", self.version, [path.name for path in objects], flags, text)
        with_script = ["-T", str(script)] if script else []

        def make(output: Path) -> None:
            files = [str(path) for path in objects]
            self.run(["ld.lld", *flags, *with_script, *files, "-o", str(output)], f"cannot link {name}")

        return self.cache.product(key, make)

    def run(self, arguments: Sequence[str], failure: str, data: bytes = b"") -> None:
        """Run one zig tool below the root with `data` on its standard input; BuildError when it fails."""
        environment = os.environ | {
            "ZIG_GLOBAL_CACHE_DIR": str(self.cache.folder / "zig"),
            "ZIG_LOCAL_CACHE_DIR": str(self.cache.folder / "zig"),
        }
        try:
            done = subprocess.run(
                [str(self.zig), *arguments], cwd=self.root, env=environment, input=data, capture_output=True
            )
        except OSError as error:
            raise BuildError(f"{failure}: cannot start {self.zig}: {error.strerror}") from None
        if done.returncode:
            raise BuildError(f"{failure}:\n{done.stderr.decode(errors='replace').strip()}")

    def _headers(self, folder: Path) -> str:
        """A digest of every header below `folder`: changing any recompiles all who may include it."""
        known = self._header_digests.get(folder)
        if known is None:
            files = sorted(path for path in folder.rglob("*.h") if path.is_file())
            parts = [part for path in files for part in (str(path.relative_to(folder)), path.read_bytes())]
            known = self._header_digests[folder] = digest(*parts)
        return known
