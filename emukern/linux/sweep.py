"""A sweep: every module of a list tried on a fresh guest, one line of JSON each, in a file that survives interruption.

While a sweep runs, lines are appended to the file as they come. An interrupted one goes on where it stopped: whole
lines count, a torn last one is dropped. At the end the lines stand in the order of the list, so the file is the same
to the byte however many processes worked on it and however often it was interrupted.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from emukern.errors import UsageError
from emukern.linux.depends import SUFFIXES, files_below
from emukern.linux.trial import Item

MARKS = ("modules.dep", "modules.order", "modules.builtin")  # one of these stands at the top of a module tree
START = b'{"path": '  # of every line
NAMED = 3  # missing files are named in an error before it only counts them


# What to try.


def items_of(where: Path, tree: Path) -> list[Item]:
    """Every module below the folder `where`, or in the list in the file `where`. Raises UsageError."""
    if where.is_dir():
        files = [where / path for path in files_below(where)[0]]
        if not files:
            raise UsageError(f"there is no module below {where}")
    else:
        files = _listed(where, tree)
        if not files:
            raise UsageError(f"{where} names no module")
    by_path: dict[str, Path] = {}
    for file in files:
        by_path.setdefault(_path_of(file.absolute(), tree, where), file.absolute())
    return [Item(index, path, str(file)) for index, (path, file) in enumerate(by_path.items())]


def _path_of(file: Path, tree: Path, where: Path) -> str:
    """The path as recordings have it: below the module tree, or the folder asked for, or else whole."""
    for root in (tree.absolute(), where.absolute()):
        if file.is_relative_to(root):
            return _plain(file.relative_to(root).as_posix())
    return _plain(file.as_posix())


def _plain(path: str) -> str:
    """Without the suffix of a compression."""
    return path.partition(".ko")[0] + ".ko" if path.endswith(SUFFIXES) else path


def _listed(where: Path, tree: Path) -> list[Path]:
    """The files that a list names: absolute, beside the list, or in the module tree; compressed or not."""
    try:
        lines = where.read_text().splitlines()
    except UnicodeDecodeError:
        raise UsageError(f"{where} is no list of module paths") from None
    found, missing = [], []
    for line in map(str.strip, lines):
        if not line or line.startswith("#"):
            continue
        file = next((file for root in (where.parent, tree) if (file := _file(root / line)) is not None), None)
        if file is None:
            missing.append(line)
        else:
            found.append(file)
    if missing:
        more = f" and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        raise UsageError(f"neither beside {where} nor below {tree}: {', '.join(missing[:NAMED])}{more}")
    return found


def _file(path: Path) -> Path | None:
    """The file at `path`, or with another compression; None when there is none."""
    stem = str(path).partition(".ko")[0]
    return next((file for file in (path, *(Path(stem + suffix) for suffix in SUFFIXES)) if file.is_file()), None)


def tree_of(where: Path, kernel: Path | None) -> Path:
    """The module tree when nobody says which: the one of the kernel image, or the one around `where`."""
    candidates = []
    if kernel is not None:
        image = kernel.absolute()
        release = image.name.partition("-")[2]  # vmlinuz-RELEASE, as distributions install it
        top = image.parent.parent
        candidates = [image.parent, top, top / "lib/modules" / release, top / "usr/lib/modules" / release]
    at = where.absolute()
    candidates += [at, *at.parents]
    found = (folder for folder in candidates if any((folder / mark).is_file() for mark in MARKS))
    return next(found, where if where.is_dir() else where.parent)


# The file.


class Results:
    """The lines of one sweep in a file. `machine` is what every line must have been made on."""

    def __init__(self, path: Path, machine: str, items: Iterable[Item]) -> None:
        self.path, self.machine = path, machine
        self.wanted = {item.path: item for item in items}
        self.done: dict[str, dict[str, Any]] = {}
        self._made = not path.exists()
        self._file = self._open()
        try:
            self._resume()
        except BaseException:
            self._file.close()
            raise

    def _open(self) -> BinaryIO:
        file = self.path.open("a+b")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise UsageError(f"another sweep is writing {self.path}") from None
        return file

    def _resume(self) -> None:
        """Take over the whole lines that are there. Raises UsageError when they are not of this sweep."""
        self._file.seek(0)
        content = self._file.read()
        whole = content.rfind(b"\n") + 1
        lines = content[:whole].splitlines()
        for number, line in enumerate(lines, 1):
            fields = self._checked(line, number)
            self.done[fields["path"]] = fields
        torn = content[whole:]
        if torn[: len(START)] != START[: len(torn)]:
            raise self._refusal(len(lines) + 1)
        self._file.truncate(whole)

    def _checked(self, line: bytes, number: int) -> dict[str, Any]:
        try:
            fields = json.loads(line)
            path, machine = fields["path"], fields["machine"]
        except (ValueError, TypeError, KeyError):
            raise self._refusal(number) from None
        other = "remove it or name another file to go on"
        if machine != self.machine:
            raise UsageError(f"{self.path} has results of another kernel, machine or emukern; {other}")
        if path not in self.wanted:
            raise UsageError(f"{self.path} has a result for {path}, which is not asked for; {other}")
        result: dict[str, Any] = fields
        return result

    def _refusal(self, number: int) -> UsageError:
        return UsageError(f"line {number} of {self.path} is no result of a sweep; name another file")

    def missing(self) -> list[Item]:
        """What is still to be tried, in order."""
        return [item for path, item in self.wanted.items() if path not in self.done]

    def add(self, fields: dict[str, Any]) -> None:
        """Write one line, at once and whole."""
        self._file.write(as_line(fields))
        self._file.flush()
        self.done[fields["path"]] = fields

    def in_order(self) -> Iterator[dict[str, Any]]:
        """The results there are, in the order of the list."""
        return (self.done[path] for path in self.wanted if path in self.done)

    def finish(self) -> None:
        """Put the lines in order. The file is either the one before or the one after, whatever happens."""
        self._file.seek(0)
        ordered = b"".join(map(as_line, self.in_order()))
        if self._file.read() == ordered:
            return
        beside = self.path.with_name(f".{self.path.name}.{os.getpid()}")
        try:
            with beside.open("wb") as file:
                file.write(ordered)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(self.path)
        except BaseException:
            with suppress(FileNotFoundError):
                beside.unlink()
            raise

    def close(self) -> None:
        """Let others have the file. One that was made for nothing goes."""
        if self._made and not self.done:
            self.path.unlink(missing_ok=True)
        self._file.close()


def as_line(fields: dict[str, Any]) -> bytes:
    """A result as it stands in the file."""
    return json.dumps(fields).encode() + b"\n"


# What came out.


@dataclass(frozen=True)
class Summary:
    """Counts of a sweep's results."""

    outcomes: dict[str, int]
    refusals: dict[str, int]  # errno names of insmod and rmmod, the most frequent first
    remarks: int  # modules with something in `checks`
    lost: list[tuple[str, str, str]]  # path, outcome and reason of each that is neither "ok" nor "errno"

    @classmethod
    def of(cls, results: Iterable[dict[str, Any]]) -> Summary:
        """Count."""
        from collections import Counter

        from emukern.linux.trial import OUTCOMES

        found = list(results)
        outcomes = Counter(one["outcome"] for one in found)
        refusals = Counter(
            f"{tool} {one[f'{tool}_errname']}" for one in found for tool in ("insmod", "rmmod") if one[f"{tool}_errno"]
        )
        lost = [(o["path"], o["outcome"], o["reason"] or "") for o in found if o["outcome"] not in ("ok", "errno")]
        return cls(
            {kind: outcomes[kind] for kind in OUTCOMES},
            dict(refusals.most_common()),
            sum(bool(one["checks"]) for one in found),
            lost,
        )
