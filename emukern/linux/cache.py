"""Booted kernels, kept on disk: one file per boot under $XDG_CACHE_HOME/emukern/kernels, named by what the boot was.

Whatever is wrong with the cache costs time, never correctness: a boot goes on without it, and says so in a sentence.
Files come into being whole (written under another name, then renamed) and are checked whole whenever they are read.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emukern.errors import UsageError
from emukern.linux import archive, sources
from emukern.linux.snapshot import Snapshot

if TYPE_CHECKING:
    from emukern.arch import Arch
    from emukern.linux.image import KernelImage

SUFFIX = ".boot"
UNFINISHED = ".unfinished"  # and the same suffix: what a writer that was killed leaves
IMAGES = "images.json"
LIMIT = 4 << 30  # bytes of all entries; the ones not used for longest go first
REMEMBERED = 64  # images in the index
SETTLED = 2.0  # seconds a file must have been left alone before its dates vouch for its content
SHORT = 8  # characters of an entry's name that people are shown
FACTS, CPU, PARTS = "facts", "cpu", "parts"


@dataclass(frozen=True)
class Image:
    """A kernel image file as far as it needs no opening."""

    digest: str  # SHA-256 of the file
    arch: str
    release: str


@dataclass(frozen=True)
class Boot:
    """All that a boot depends on: two boots that are equal in this end bit for bit alike."""

    image: str
    arch: str
    release: str
    cmdline: str
    initramfs: str  # SHA-256
    memory: int  # bytes
    cpu: str
    engine: str
    emukern: str  # what `sources.digest` said; "": it could not tell, and nothing is kept or found

    @cached_property
    def name(self) -> str:
        """What its entry is called."""
        return sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()[:32]


def boot(image: Image | KernelImage, *, cmdline: str, initramfs: bytes, memory: int, arch: Arch) -> Boot:
    """Describe the boot that begins now; `memory` in bytes."""
    return Boot(
        image=image.digest,
        arch=image.arch,
        release=image.release,
        cmdline=cmdline,
        initramfs=sha256(initramfs).hexdigest(),
        memory=memory,
        cpu=str(arch.unicorn),
        engine=sources.engine(),
        emukern=sources.digest() or "",
    )


@dataclass(frozen=True)
class Kept:
    """A boot that was kept: the machine's state, and the blob that came with it."""

    snapshot: Snapshot
    facts: bytes


@dataclass(frozen=True)
class Entry:
    """A file of the cache. `boot` is None when it cannot be read."""

    name: str
    path: Path
    size: int  # bytes
    used: float  # seconds since 1970
    boot: Boot | None


def folder() -> Path:
    """Where entries are, as the XDG base directory specification has it."""
    home = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(home) if os.path.isabs(home) else Path(os.path.expanduser("~/.cache"))) / "emukern" / "kernels"


def _complain(text: str) -> None:
    if sys.stderr:
        print(f"emukern: {text}", file=sys.stderr)


class Cache:
    """The entries in one folder, `folder()` by default; `say` is told in a sentence what goes wrong."""

    def __init__(self, path: Path | None = None, say: Callable[[str], None] = _complain) -> None:
        self.folder = path or folder()
        self.say = say

    # Images.

    def image(self, path: Path, load: Callable[[Path], KernelImage]) -> tuple[Image, KernelImage | None]:
        """What the image at `path` is: remembered, or by `load`, whose result is then the second of the two."""
        real = os.path.realpath(path)
        index, stamp = self._index(), _stamp(real)
        known = index.pop(real, None)
        if stamp is not None and known is not None and known[:-3] == stamp:
            return Image(*known[-3:]), None
        loaded = load(path)
        image = Image(loaded.digest, loaded.arch, loaded.release)
        if stamp is not None and stamp == _stamp(real) and time.time() - os.stat(real).st_ctime > SETTLED:
            index[real] = [*stamp, image.digest, image.arch, image.release]
            with suppress(OSError):
                self._write_index(index)
        return image, loaded

    def _index(self) -> dict[str, list[Any]]:
        """Path of each image seen: the file's stamp, then the fields of `Image`."""
        try:
            index: dict[str, list[Any]] = json.loads((self.folder / IMAGES).read_bytes())
            return {path: row for path, row in index.items() if isinstance(row, list)}
        except (OSError, ValueError, AttributeError):
            return {}

    def _write_index(self, index: dict[str, list[Any]]) -> None:
        self._prepare()
        with self._new(IMAGES) as fd:
            os.write(fd, json.dumps(dict(list(index.items())[-REMEMBERED:])).encode())

    # Entries.

    def load(self, boot: Boot) -> Kept | None:
        """What was kept of this boot. An entry that is damaged is removed, and said to be."""
        if not boot.emukern:
            self.say("emukern has changed since this process started: the kernel boots without its cache")
            return None
        path = self.folder / (boot.name + SUFFIX)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.say(f"the kernel boots without its cache: {path}: {error.strerror}")
            return None
        try:
            if os.fstat(fd).st_uid not in (os.geteuid(), 0):
                raise PermissionError(errno.EPERM, "it belongs to somebody else")
            about, blobs, ram = archive.read(fd)
            if about != asdict(boot):
                raise archive.Damaged("it belongs to another boot")
            with suppress(OSError):
                os.utime(path)
            return Kept(Snapshot(ram, blobs[CPU], blobs[PARTS]), blobs[FACTS])
        except archive.Damaged as error:
            removed = " and is removed" if self._discard(path, fd) else ""
            self.say(f"{path} was damaged ({error}){removed}: the kernel boots anew")
        except OSError as error:
            self.say(f"the kernel boots without its cache: {path}: {error.strerror}")
        finally:
            os.close(fd)
        return None

    def start(self, boot: Boot) -> Loading:
        """Begin to `load` in the background, while the machine is built."""
        return Loading(self, boot)

    def save(self, boot: Boot, snapshot: Snapshot, facts: bytes) -> bool:
        """Keep a boot. Where that is not possible, the reason is said and nothing stays behind."""
        if not boot.emukern:
            return False  # `load` has said so
        if sources.digest() != boot.emukern:
            self.say("emukern has changed since this process started: the booted kernel is not kept")
            return False
        blobs = {FACTS: facts, CPU: snapshot.cpu, PARTS: snapshot.parts}
        try:
            self._prepare()
            with self._new(boot.name + SUFFIX) as fd:
                archive.write(fd, asdict(boot), blobs, snapshot.ram)
            self._trim()
        except OSError as error:
            self.say(f"the booted kernel cannot be kept for the next time: {self.folder}: {error.strerror}")
            return False
        return True

    def entries(self) -> list[Entry]:
        """All there are, the one used last first."""
        found = []
        for path in self.folder.glob("*" + SUFFIX):
            with suppress(FileNotFoundError):
                state = path.stat()
                found.append(Entry(path.stem, path, state.st_size, state.st_mtime, _boot_in(path)))
        return sorted(found, key=lambda entry: (-entry.used, entry.name))

    def remove(self, *names: str) -> list[Entry]:
        """Remove entries by the beginning of their names or by kernel release; answers which. Raises UsageError when
        a name is nobody's or, as a beginning, more than one's; then none is removed."""
        entries, chosen = self.entries(), []
        for name in names:
            found = [entry for entry in entries if entry.boot is not None and entry.boot.release == name]
            if not found:
                found = [entry for entry in entries if name and entry.name.startswith(name)]
                if len(found) > 1:
                    raise UsageError(f"{name} is the beginning of {len(found)} names")
            if not found:
                raise UsageError(f"nothing called {name} is in the cache")
            chosen += [entry for entry in found if entry not in chosen]
        for entry in chosen:
            entry.path.unlink(missing_ok=True)
        return chosen

    def clear(self) -> list[Entry]:
        """Remove everything; answers which entries there were."""
        entries = self.entries()
        for entry in entries:
            entry.path.unlink(missing_ok=True)
        (self.folder / IMAGES).unlink(missing_ok=True)
        self._sweep()
        return entries

    # Files.

    def _prepare(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()

    def _sweep(self) -> None:
        """Remove what writers that died have left; the living hold a lock on theirs."""
        for path in self.folder.glob("*" + UNFINISHED):
            with suppress(OSError), open(path, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()

    @contextmanager
    def _new(self, name: str) -> Iterator[int]:
        """A private file that appears as `name` when all went well, and not at all otherwise."""
        while True:
            fd, path = tempfile.mkstemp(UNFINISHED, "", self.folder)
            with suppress(OSError):  # file systems without locks: nobody can take it for abandoned there
                fcntl.flock(fd, fcntl.LOCK_EX)
            if os.fstat(fd).st_nlink:
                break
            os.close(fd)  # somebody took it for abandoned before it was locked
        try:
            yield fd
            os.fsync(fd)
            os.rename(path, self.folder / name)
        except BaseException:
            with suppress(OSError):
                os.unlink(path)
            raise
        finally:
            os.close(fd)

    def _trim(self) -> None:
        """Keep the sum of sizes within LIMIT."""
        files = [(path, path.stat()) for path in self.folder.glob("*" + SUFFIX)]
        total = sum(state.st_size for _, state in files)
        for path, state in sorted(files, key=lambda pair: pair[1].st_mtime):
            if total <= LIMIT:
                break
            path.unlink(missing_ok=True)
            total -= state.st_size

    def _discard(self, path: Path, fd: int) -> bool:
        """Remove `path` if it still is the open file `fd`, not a better one; tells whether it is gone."""
        try:
            if os.path.samestat(os.stat(path), os.fstat(fd)):
                os.unlink(path)
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True


class Loading:
    """A `Cache.load` under way in a thread; it leaves the CPU and the interpreter to others for most of the time."""

    def __init__(self, cache: Cache, boot: Boot) -> None:
        self._kept: Kept | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(cache, boot))
        self._thread.start()

    def _run(self, cache: Cache, boot: Boot) -> None:
        try:
            self._kept = cache.load(boot)
        except BaseException as error:
            self._failure = error

    def result(self) -> Kept | None:
        """Wait for it, and what `load` answered."""
        self._thread.join()
        if self._failure is not None:
            raise self._failure
        return self._kept


def _stamp(path: str) -> list[int] | None:
    """What changes when a file does; None when it cannot be looked at."""
    try:
        state = os.stat(path)
    except OSError:
        return None
    return [state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino, state.st_dev]


def _boot_in(path: Path) -> Boot | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            return Boot(**archive.about(fd))
        finally:
            os.close(fd)
    except (OSError, archive.Damaged, TypeError):
        return None
