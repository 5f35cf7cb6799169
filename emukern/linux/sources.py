"""Which emukern and which CPU engine this is, by the content of what has a part in booting somebody else's kernel.

Our sources are read anew each time (2 ms), for a version or a date would be a promise that editors and checkouts break.
What they cannot tell is what this process runs, if they changed after it started: then there is no answer.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

PACKAGE = Path(__file__).parent.parent
# The last row of the layers: nothing that boots imports these.
ELSEWHERE = {"commands", "terminal", "cli.py", "pytest_plugin.py", "__pycache__", "built"}
NATIVE = "built/native.so"
ENGINE = "libunicorn"
ENGINE_HEAD = 1 << 16  # bytes of its file that tell builds apart: they hold the linker's build id


def digest() -> str | None:
    """SHA-256 of names and contents; None when a file changed after this process started, or that cannot be told."""
    total, newest = sha256(), 0.0
    try:
        for name, path in _files(PACKAGE):
            with open(path, "rb", buffering=0) as file:
                newest = max(newest, os.fstat(file.fileno()).st_ctime)
                content = file.read()
            total.update(b"%s\0%d\0%s" % (name.encode(), len(content), content))
        return total.hexdigest() if newest < _started() else None
    except OSError:
        return None


def engine() -> str:
    """The engine's library as this process has it: size and SHA-256 of its beginning."""
    import emukern.machine.cpu  # noqa: F401  (loads it)

    with open("/proc/self/maps") as maps:
        path = next(line.split(maxsplit=5)[5].rstrip("\n") for line in maps if ENGINE in line)
    with open(path, "rb") as file:
        return f"{os.fstat(file.fileno()).st_size} {sha256(file.read(ENGINE_HEAD)).hexdigest()}"


def _files(folder: Path, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Name and path of each file, in order."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        name = prefix + entry.name
        if name in ELSEWHERE or entry.name == "__pycache__":
            continue
        if entry.is_dir():
            yield from _files(Path(entry.path), f"{name}/")
        elif entry.name.endswith(".py"):
            yield name, entry.path
    native = folder / NATIVE
    if not prefix and native.exists():
        yield NATIVE, str(native)


def _started() -> float:
    """When this process started, in seconds since 1970; proc(5), /proc/PID/stat, says it in clock ticks since boot."""
    with open("/proc/self/stat", "rb") as file:
        fields = file.read().rpartition(b")")[2].split()
    since_boot = int(fields[22 - 3]) / os.sysconf("SC_CLK_TCK")
    return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot
