"""A module tree as modprobe sees it: what a name or an alias means, what that needs, and in which order.

Where depmod has been, its text files say so. A distribution's package has none of them as it is unpacked: then what
each module says in its .modinfo (depends, alias, softdep) is gathered once, in depmod's order, into the same texts.
That takes about a second for thousands of modules, so the texts can be kept in a cache folder; they hold as long as no
folder of the tree has changed. kmod's rules: modprobe(8), depmod(8).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeVar

from emukern.errors import ModuleError, UsageError
from emukern.kmod import depends
from emukern.kmod.compression import unpack
from emukern.linux.modinfo import exports, modinfo

SUFFIXES = (".ko", ".ko.xz", ".ko.gz", ".ko.zst")
VERSION = 1  # of the texts as they are kept
FEW = 200  # modules are indexed faster than a cache could pay for
KEPT = 64 << 20  # bytes of unpacked modules at hand, for many need the same ones
Texts = dict[str, str]
T = TypeVar("T")
_WILD = re.compile(r"[*?[]")


@dataclass(frozen=True, slots=True)
class Step:
    """One module to insert. `path` is relative to the tree's root, "" for one that is built into the kernel.

    A step that is not `required` came from a soft dependency: it may fail.
    """

    name: str
    path: str
    required: bool = True


def files_below(root: Path) -> tuple[list[str], dict[str, int]]:
    """(paths of modules below `root`, sorted; mtime in ns of each folder), both relative to it.

    The tree's own `build` and `source` are links to the kernel's headers: links to folders are not followed.
    """
    files, folders = [], {}
    for at, _, names in os.walk(root):
        below = os.path.relpath(at, root)
        folders[below] = os.stat(at).st_mtime_ns
        files += [os.path.normpath(os.path.join(below, name)) for name in names if name.endswith(SUFFIXES)]
    return sorted(files), folders


def index(root: Path, files: list[str]) -> Texts:
    """modules.dep, modules.alias and modules.softdep for `files`, from what each of them says."""
    listed = {path.partition(".ko")[0]: place for place, path in enumerate(_lines(root / "modules.order"))}
    files = sorted(files, key=lambda path: listed.get(path.partition(".ko")[0], len(listed)))
    said = _told(modinfo, root, files)
    by_name = {depends.module_name(path): path for path in reversed(files)}
    direct: dict[str, list[str]] = {}
    aliases, softdeps = [], []
    for path, entries in zip(files, said, strict=True):
        own = direct.setdefault(path, [])
        for key, value in entries:
            if key == "depends":
                found = (by_name.get(name.replace("-", "_")) for name in value.split(","))
                own += [one for one in found if one and one != path and one not in own]
            elif key == "alias":
                aliases.append(f"alias {value} {depends.module_name(path)}\n")
            elif key == "softdep":
                softdeps.append(f"softdep {depends.module_name(path)} {value}\n")
    return {"dep": depends.write(direct), "alias": "".join(aliases), "softdep": "".join(softdeps)}


def _told(ask: Callable[[Path], list[T]], root: Path, paths: Iterable[str]) -> list[list[T]]:
    """What `ask` answers about each module; nothing about one that cannot be read."""

    def one(path: str) -> list[T]:
        try:
            return ask(root / path)
        except OSError:
            return []

    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 1)) as pool:  # unpacking lets other threads run
        return list(pool.map(one, paths))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


class Aliases:
    """Patterns with * ? and [a-z], and the modules they stand for."""

    def __init__(self, rows: Iterable[tuple[str, str]]) -> None:
        self._plain: dict[str, list[str]] = {}
        self._wild: list[tuple[str, str, str]] = []  # what the pattern starts with, the pattern, the module
        for alias, name in rows:
            pattern = depends.normal_alias(alias)
            wild = _WILD.search(pattern)
            if wild:
                self._wild.append((pattern[: wild.start()], pattern, name))
            else:
                self._plain.setdefault(pattern, []).append(name)

    def names(self, wanted: str) -> set[str]:
        """The modules whose patterns match."""
        found = set(self._plain.get(wanted, ()))
        near = (row for row in self._wild if wanted.startswith(row[0]) and row[2] not in found)
        return found.union(name for _, pattern, name in near if re.match(translate(pattern), wanted))


class ModuleTree:
    """The modules below `root` (…/lib/modules/RELEASE). With `cache`, a folder, its index is kept there."""

    def __init__(self, root: Path, cache: Path | None = None) -> None:
        self.root, self._cache = root, cache
        self._unpacked: OrderedDict[str, bytes] = OrderedDict()

    def __reduce__(self) -> tuple[object, tuple[Path, Path | None]]:
        return open_tree, (self.root, self._cache)

    # What is there.

    @cached_property
    def texts(self) -> Texts:
        """depmod's files by the part of their name after "modules.", computed when depmod has not been here."""
        if (self.root / "modules.dep").is_file():
            names = ("dep", "alias", "softdep", "symbols")
            return {name: "\n".join(_lines(self.root / f"modules.{name}")) for name in names}
        if not self.root.is_dir():
            raise UsageError(f"there is no module tree at {self.root}")
        known = self._recall()
        if known is None:
            known = index(self.root, files_below(self.root)[0])
            self._remember(known)
        return known

    @cached_property
    def needs(self) -> dict[str, list[str]]:
        """Path → the paths of all it needs, the last to be inserted first."""
        return depends.parse(self.texts["dep"])

    @cached_property
    def paths(self) -> dict[str, str]:
        """Name → path, in the tree's order."""
        return {depends.module_name(path): path for path in reversed(self.needs)}

    @cached_property
    def softdeps(self) -> dict[str, tuple[list[str], list[str]]]:
        """Name → names or aliases of what is to be inserted before and after it, if it is there."""
        return depends.parse_softdeps(self.texts.get("softdep", ""))

    @cached_property
    def builtin(self) -> set[str]:
        """Names of what is built into the kernel."""
        return {depends.module_name(path) for path in _lines(self.root / "modules.builtin")}

    @cached_property
    def _aliases(self) -> Aliases:
        return Aliases(depends.parse_aliases(self.texts.get("alias", "")))

    @cached_property
    def _builtin_aliases(self) -> Aliases:
        try:
            entries = (self.root / "modules.builtin.modinfo").read_bytes().decode("utf-8", "replace").split("\0")
        except OSError:
            entries = []
        rows = (entry.partition(".alias=") for entry in entries)
        return Aliases((alias, name.replace("-", "_")) for name, found, alias in rows if found)

    @cached_property
    def _symbols(self) -> dict[str, str]:
        """symbol:NAME → the module that exports it; seldom asked for, so it is gathered only then."""
        if "symbols" not in self.texts:
            told = zip(self.paths, _told(exports, self.root, self.paths.values()), strict=True)
            rows = (f"alias symbol:{name} {owner}\n" for owner, names in told for name in names)
            self.texts["symbols"] = "".join(rows)
            self._remember(self.texts)
        return dict(depends.parse_aliases(self.texts["symbols"]))

    # What names mean.

    def lookup(self, name: str) -> list[Step]:
        """The modules that a name or an alias means; none when there is no such thing."""
        wanted = depends.normal_alias(name)
        if wanted in self.paths:
            return [Step(wanted, self.paths[wanted])]
        if name.startswith("symbol:"):
            found = [self._symbols[name]] if name in self._symbols else []
        else:
            found = sorted(self._aliases.names(wanted) & self.paths.keys(), key=self._rank.__getitem__)
        if found:
            return [Step(one, self.paths[one]) for one in found]
        built = [wanted] if wanted in self.builtin else sorted(self._builtin_aliases.names(wanted))
        return [Step(one, "") for one in built]

    @cached_property
    def _rank(self) -> dict[str, int]:
        return {depends.module_name(path): place for place, path in enumerate(self.needs)}

    def needed(self, file: Path) -> list[tuple[str, Path | None]]:
        """(name, file) of each module to insert before `file`, in order; None for one that is not in the tree.

        `file` need not be in the tree: then it says itself what it needs.
        """
        name = depends.module_name(file.name)
        path = self.paths.get(name)
        if path is not None and (self.root / path == file or self._resolves(path, file)):
            order = [depends.module_name(one) for one in reversed(self.needs[path])]
        else:
            order = []
            for said in (one for key, value in modinfo(file) if key == "depends" for one in value.split(",") if one):
                own = said.replace("-", "_")
                deeper = (depends.module_name(one) for one in reversed(self.needs.get(self.paths.get(own, ""), [])))
                order += [one for one in (*deeper, own) if one not in order and one != name]
        return [(one, self.root / self.paths[one] if one in self.paths else None) for one in order]

    def _resolves(self, path: str, file: Path) -> bool:
        return os.path.realpath(self.root / path) == os.path.realpath(file)

    def plan(self, name: str) -> dict[str, list[Step]]:
        """What modprobe inserts for a name or an alias: for each module that it means, the steps, in order. Behind that
        module come only its own soft dependencies. Raises `ModuleError` (ENOENT) when the name means nothing."""
        meant = self.lookup(name)
        if not meant:
            raise ModuleError(errno.ENOENT, f"Module {name} not found in directory {self.root}")
        return {one.name: self._steps(one) for one in meant}

    def _steps(self, target: Step) -> list[Step]:
        steps: dict[str, Step] = {}
        required = {target.name, *(depends.module_name(path) for path in self.needs.get(target.path, ()))}
        visited: set[str] = set()

        def probe(step: Step) -> None:
            if step.name in visited:
                return
            visited.add(step.name)
            for path in reversed(self.needs.get(step.path, ())):
                surround(Step(depends.module_name(path), path))
            surround(step)

        def surround(step: Step) -> None:
            pre, post = self.softdeps.get(step.name, ((), ()))
            for one in (other for alias in pre for other in self.lookup(alias)):
                probe(one)
            steps.setdefault(step.name, Step(step.name, step.path, step.name in required))
            for one in (other for alias in post for other in self.lookup(alias)):
                probe(one)

        probe(target)
        return list(steps.values())

    # What is in it.

    def blob(self, path: str) -> bytes:
        """The plain bytes of the module at `path` below the root. Raises `OSError` and `ModuleError`."""
        if path in self._unpacked:
            self._unpacked.move_to_end(path)
        else:
            self._unpacked[path] = unpack((self.root / path).read_bytes())
            while len(self._unpacked) > 1 and sum(map(len, self._unpacked.values())) > KEPT:
                self._unpacked.popitem(last=False)
        return self._unpacked[path]

    @cached_property
    def release(self) -> str:
        """The kernel release that the tree's modules say they are for; "" when none says."""
        for path in self.needs:
            for key, value in modinfo(self.root / path):
                if key == "vermagic":
                    return value.partition(" ")[0]
        return ""

    # The index on disk.

    @property
    def _kept(self) -> Path | None:
        if self._cache is None:
            return None
        return self._cache / f"{hashlib.sha256(os.path.realpath(self.root).encode()).hexdigest()[:32]}.json"

    def _recall(self) -> Texts | None:
        """The texts kept, if they still hold."""
        if self._kept is None:
            return None
        try:
            kept = json.loads(self._kept.read_bytes())
            if kept["version"] != VERSION or kept["root"] != os.path.realpath(self.root):
                return None
            for folder, mtime in kept["folders"].items():
                if os.stat(os.path.join(self.root, folder)).st_mtime_ns != mtime:
                    return None
            return {name: str(text) for name, text in kept["texts"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return None

    def _remember(self, texts: Texts) -> None:
        """Keep the texts; a cache that cannot be written is none."""
        if self._kept is None:
            return
        files, folders = files_below(self.root)
        if len(files) < FEW:
            return
        kept = {"version": VERSION, "root": os.path.realpath(self.root), "folders": folders, "texts": texts}
        fresh = self._kept.with_suffix(f".{os.getpid()}.new")
        with suppress(OSError):
            self._kept.parent.mkdir(parents=True, exist_ok=True)
            try:
                fresh.write_text(json.dumps(kept), encoding="utf-8")
                fresh.replace(self._kept)
            finally:
                fresh.unlink(missing_ok=True)


def index_folder() -> Path:
    """Where the indexes of trees are kept, for nobody should spend seconds on what somebody else knows."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "emukern" / "trees"


def open_tree(root: Path, cache: Path | None = None) -> ModuleTree:
    """The tree at `root`, the same object whenever it is asked for again in this process. Its index is kept in `cache`,
    or else where all are."""
    return _opened(root, cache or index_folder())


_opened = lru_cache(maxsize=8)(ModuleTree)
