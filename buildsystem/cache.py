"""A content-addressed store of build products, so that nothing is compiled twice.

An entry's name is the SHA-256 of everything that went into it (source, headers, flags, compiler version).
Entries are written beside their final name and renamed, so concurrent builds and interrupted ones cannot
leave half a file.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

DAY = 24 * 3600
KEEP_DAYS = 30


def default_folder() -> Path:
    """`$XDG_CACHE_HOME/emukern/build`, or a throw-away folder where that cannot be written."""
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    folder = Path(base).expanduser() / "emukern" / "build"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return Path(tempfile.mkdtemp(prefix="emukern-build-"))
    return folder if os.access(folder, os.W_OK) else Path(tempfile.mkdtemp(prefix="emukern-build-"))


def digest(*parts: str | bytes | Iterable[str]) -> str:
    """One key for an ordered list of inputs; each goes in with its length, so none can run into the next."""
    sha = hashlib.sha256()
    for part in parts:
        if not isinstance(part, bytes):
            part = (part if isinstance(part, str) else "\0".join(part)).encode()
        sha.update(len(part).to_bytes(8, "little") + part)
    return sha.hexdigest()


class Cache:
    """The store in `folder`; a file in it is never changed, only added, touched and at last forgotten."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.made = 0

    def product(self, key: str, make: Callable[[Path], None]) -> Path:
        """The file of `key`; `make(path)` writes it when the store does not have it."""
        entry = self.folder / key[:2] / key
        try:
            if time.time() - entry.stat().st_mtime > DAY:
                os.utime(entry)
        except FileNotFoundError:
            entry.parent.mkdir(parents=True, exist_ok=True)
            fresh = entry.with_name(f"{key}.{os.getpid()}.new")
            try:
                make(fresh)
                fresh.replace(entry)
            finally:
                fresh.unlink(missing_ok=True)
            self.made += 1
        return entry

    def forget_old(self) -> None:
        """Drop what no build has used for KEEP_DAYS; called after a build that added something."""
        limit = time.time() - KEEP_DAYS * DAY
        for entry in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            with contextlib.suppress(OSError):
                if entry.stat().st_mtime < limit:
                    entry.unlink()
