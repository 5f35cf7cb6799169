"""One module after the other, each on the same fresh guest: a sweep's work, without the processes around it."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from emukern.errors import GuestOops, GuestPanic, ModuleError
from emukern.kmod.depends import module_name
from emukern.linux import checks, outcome
from emukern.linux.depends import open_tree
from emukern.linux.outcome import Outcome, errno_word

OUTCOMES = ("ok", "errno", "oops", "hang", "crash")
HANGS = ("soft lockup", "did not come back in time")  # said of code that goes on and on


@dataclass(frozen=True, slots=True)
class Item:
    """One module to try: its place in the list, its path as the result has it, and the file."""

    index: int
    path: str
    file: str


@dataclass(frozen=True, slots=True)
class Recipe:
    """All it takes to boot the guest that the modules are tried on, in any process. Paths are absolute.

    Without `kernel` it is the tiny kernel for `arch`. `memory` in bytes. `limit`: virtual seconds without a pause after
    which code is said to hang. `machine`: what `sealed` found it to be, for every result to say so.
    """

    tree: str
    kernel: str | None = None
    arch: str = "x86_64"
    memory: int | None = None
    limit: float | None = None
    machine: str = ""

    def sealed(self) -> Recipe:
        """The same, with the digest of what the kernel and emukern are now."""
        return replace(self, machine=self.digest())

    def digest(self) -> str:
        """16 hexadecimal digits that stand for the kernel, the machine and this very emukern."""
        from emukern import __version__
        from emukern.kernel.bootinfo import built
        from emukern.linux import sources

        image = Path(self.kernel).read_bytes() if self.kernel else built(self.arch, "kernel.elf")
        emukern = sources.digest() or __version__
        machine = (sha256(image).hexdigest(), self.memory, self.limit, emukern)
        return sha256(repr(machine).encode()).hexdigest()[:16]

    def boot(self) -> Any:
        """The guest."""
        from emukern.machine.clock import NS_PER_BLOCK

        options: dict[str, Any] = {} if self.memory is None else {"memory": self.memory}
        blocks = None if self.limit is None else max(1, round(self.limit * 1_000_000_000) // NS_PER_BLOCK)
        if self.kernel is not None:
            from emukern.linux.boot import boot as boot_image

            borrowed = boot_image(self.kernel, modules=self.tree, **options)
            borrowed.call_blocks = blocks or borrowed.call_blocks
            return borrowed
        from emukern.guest import boot

        guest = boot(self.arch, **options)
        guest.k.lockup_blocks = blocks or guest.k.lockup_blocks
        return guest


def result(machine: str, path: str, **known: Any) -> dict[str, Any]:
    """The line of a sweep's file for one module: every field, always in this order. `machine` is a recipe's digest."""
    empty = Outcome(module_name(path)).record()
    fields = {"path": path, "name": empty.pop("name"), "deps": [], "deps_failed": [], **empty, "insmod_ns": None}
    return fields | {"outcome": "ok", "reason": None, "checks": [], "machine": machine} | known


def indexes() -> Path:
    """Where indexes of module trees are kept: a worker must not spend seconds on what another one knows."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "emukern" / "trees"


def _kind(last_words: str) -> str:
    """The outcome of a module whose code did not come back."""
    return "hang" if any(words in last_words for words in HANGS) else "oops"


class Bench:
    """A guest that is put back as it was before each module."""

    def __init__(self, recipe: Recipe) -> None:
        self.machine = recipe.machine
        self.tree = open_tree(Path(recipe.tree), indexes())
        self.guest = recipe.boot()
        self._fresh = self.guest.save()
        self.sound = True  # no failure of emukern itself may have left anything behind

    def attempt(self, item: Item) -> dict[str, Any]:
        """Insert what the module needs, insert it, remove it: the result."""
        seen = Outcome(module_name(item.path))
        noted: dict[str, Any] = {"deps": [], "deps_failed": [], "checks": []}
        try:
            self.guest.restore(self._fresh)
            self._try(Path(item.file), seen, noted)
            verdict = "errno" if seen.insmod_errno or seen.rmmod_errno else "ok"
            reason = seen.reason
        except (GuestOops, GuestPanic) as death:
            verdict, reason = _kind(str(death)), str(death)
        except Exception as error:
            verdict, reason, self.sound = "crash", f"{type(error).__name__}: {error}", False
        messages = seen.insmod_kmsg + seen.rmmod_kmsg
        if verdict in ("ok", "errno") and checks.died(messages):
            verdict = "oops"  # of another task than the one that inserted or removed
        noted["checks"] = checks.complaints(messages) + noted["checks"]
        noted |= {"insmod_ns": seen.insmod_ns, "outcome": verdict, "reason": reason}
        return result(self.machine, item.path, **seen.record(), **noted)

    def _try(self, file: Path, seen: Outcome, noted: dict[str, Any]) -> None:
        try:
            blob = self.plain(file)
        except OSError as error:
            seen.insmod_errno, seen.reason = error.errno or errno.EIO, f"cannot read the file: {error.strerror}"
            return
        for name, needed in self.tree.needed(file):
            noted["deps"].append(name)
            number = self._insert_needed(name, needed)
            if number:  # the module is tried all the same, as the recordings did
                failed = {"name": name, "insmod_errno": number, "insmod_errname": errno_word(number)}
                noted["deps_failed"].append(failed)
        # No time passes here, as in the recordings: what these do in the background may still come to that.
        before = checks.Belongings(self.guest)
        outcome.insert(self.guest, blob, seen)
        if seen.insmod_errno == 0:
            outcome.remove(self.guest, seen)
            if seen.rmmod_errno == 0:
                noted["checks"] = before.left_in(self.guest, seen.name)

    def _insert_needed(self, name: str, file: Path | None) -> int:
        """0 or the errno. A module that is there already was asked for by another one."""
        if file is None:
            return errno.ENOENT
        try:
            self.guest.insmod(self.plain(file))
        except ModuleError as refusal:
            return 0 if refusal.errno == errno.EEXIST else refusal.errno
        except (GuestOops, GuestPanic) as death:
            raise type(death)(f"{name}, which it needs: {death.report}") from None
        return 0

    def plain(self, file: Path) -> bytes:
        """A module's bytes, unpacked; what cannot be unpacked is the guest's to refuse. Raises OSError."""
        try:
            return self.tree.blob(str(file))
        except ModuleError:
            return file.read_bytes()
