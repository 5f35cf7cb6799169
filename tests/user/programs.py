"""The guest's user programs on the host: they use Linux's system calls, so Linux can run them too."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import emukern

BUILT = Path(emukern.__path__[0]) / "built"
HERE = Path(__file__).parent


def folder(arch: str) -> Path:
    """Where the programs of `arch` are; skips the test when nobody built them."""
    place = BUILT / arch / "bin"
    if not (place / "sh").exists():
        pytest.skip(f"{place} is empty: run python hatch_build.py")
    return place


def launcher(arch: str) -> list[str]:
    """What starts a program of `arch` on this host; skips the test when nothing can."""
    if sys.platform.startswith("linux") and platform.machine() == arch:
        return []
    emulator = shutil.which(f"qemu-{arch}")
    if emulator is None:
        pytest.skip(f"this host is no {arch} Linux and has no qemu-{arch}")
    return [emulator]


def run(arch: str, cwd: Path, *words: str, text: str = "") -> str:
    """Run a program in `cwd` with `text` as its input: all it printed, then a line with its exit status."""
    place = folder(arch)
    command = [*launcher(arch), str(place / words[0]), *words[1:]]
    environment = {"PATH": str(place), "HOME": str(cwd)}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        input=text.encode("latin-1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=60,
        check=False,
    )
    return f"{done.stdout.decode('latin-1')}status {done.returncode}\n"
