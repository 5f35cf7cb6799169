"""From an image file to a booted guest: the first time by booting it, from then on from the snapshot in the cache."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from emukern.errors import GuestPanic, ImageError, UsageError
from emukern.linux import rewriting
from emukern.linux.guest import LinuxGuest
from emukern.linux.machine import MIB, Machine
from emukern.machine.console import Console, Input

if TYPE_CHECKING:
    from emukern.linux.cache import Image, Kept
    from emukern.linux.depends import ModuleTree
    from emukern.linux.facts import Facts
    from emukern.linux.image import KernelImage

MEMORY = 640 * MIB
# A kernel must have reached user space within so much virtual time (ns), and in so many executed blocks.
BOOT_LIMIT, BOOT_BLOCKS = 200_000_000_000, 1_500_000_000
# What is left to do in the background at the end of a boot is done before the snapshot: self-tests, free memory.
SETTLE_MS = 2000
# For every kernel: end with the machine when it panics, instead of waiting for a person.
CMDLINE = "panic=-1"


def boot(
    image: str | Path,
    *,
    arch: str | None = None,
    modules: str | Path | None = None,
    memory: int = MEMORY,
    cmdline: str = "",
    console: Callable[[bytes], object] | None = None,
    source: Input | None = None,
    cache: bool = True,
    meanwhile: Callable[[Callable[[], ModuleTree]], object] = lambda find_tree: None,
) -> LinuxGuest:
    """A guest running the kernel in the file `image`, parked: ready for modules, calls and commands.

    `arch`: the architecture it has to be for. `modules`: the module tree that dependencies and modprobe use (beside the
    image, or /lib/modules/RELEASE). `memory` in bytes. `cmdline` is added to the kernel's command line. Without `cache`
    nothing is read from or kept in the cache. `meanwhile` is called with a way to the module tree while the cache is
    read. Raises ImageError, UsageError, and GuestPanic when the kernel does not reach user space.
    """
    from emukern import arch as arches
    from emukern.linux import initramfs
    from emukern.linux.cache import Cache
    from emukern.linux.cache import boot as describe

    path, store = Path(image), Cache()
    if not path.is_file():
        raise ImageError(f"there is no kernel image at {path}")
    known, loaded = store.image(path, load) if cache else (None, load(path))
    one = known or loaded
    assert one is not None
    if arch is not None and arch != one.arch:
        raise UsageError(f"the kernel {path} is for {one.arch}, not for {arch}")
    record = arches.get(one.arch)
    programs, line = initramfs.build(record.name), command_line(record.name, cmdline)
    this = describe(one, cmdline=line, initramfs=programs, memory=memory, arch=record)
    waiting = store.start(this) if cache else None
    machine = Machine(record.name, memory, Console(console, source))
    find_tree = partial(tree_of, path, modules, one.release)
    if waiting is not None:
        meanwhile(find_tree)
    kept = waiting.result() if waiting is not None else None
    if kept is not None:
        guest = resume(machine, kept)
    else:
        guest = first_boot(machine, loaded or load(path), line, programs)
        if cache:
            store.save(this, guest.save().machine, pickle.dumps(guest.facts, protocol=5))
    guest.find_tree = find_tree
    return guest


def load(path: Path) -> KernelImage:
    """Read an image, which is not often needed. Raises ImageError."""
    from emukern.linux import image

    return image.load(path)


def identify(image: str | Path) -> Image:
    """What the kernel image at a path is: its architecture and release. Raises ImageError."""
    from emukern.linux.cache import Cache

    if not Path(image).is_file():
        raise ImageError(f"there is no kernel image at {image}")
    return Cache().image(Path(image), load)[0]


def command_line(arch: str, extra: str) -> str:
    """What the kernel is told: what the platform needs, what we need, what the user wants."""
    from importlib import import_module

    platform = import_module(f"emukern.arch.{arch}.platform").Platform
    return " ".join([platform.CMDLINE.strip(), CMDLINE, extra]).strip()


def tree_of(image: Path, modules: str | Path | None, release: str) -> ModuleTree:
    """The module tree of a kernel. Raises UsageError when it is another release's, or there is none."""
    from emukern.linux.depends import open_tree

    beside = image.absolute().parent
    within = (top / lib / "modules" / release for top in (beside, beside.parent) for lib in ("lib", "usr/lib"))
    places = [*within, beside.parent, beside, Path("/lib/modules") / release]
    root = Path(modules) if modules is not None else next((p for p in places if (p / "kernel").is_dir()), None)
    if root is None:
        raise UsageError(f"there is no module tree for {release}: say where with --modules DIR")
    if not root.is_dir():
        raise UsageError(f"there is no module tree at {root}")
    tree = open_tree(root)
    if tree.release and tree.release != release:
        raise UsageError(f"the modules in {root} are of {tree.release}, the kernel is {release}")
    return tree


def resume(machine: Machine, kept: Kept) -> LinuxGuest:
    """Go on where the kept boot ended."""
    from emukern.linux import snapshot

    facts: Facts = pickle.loads(kept.facts)  # written by us, and its checksum was right
    guest = LinuxGuest(machine, facts)
    prepare(guest)
    snapshot.restore(machine, kept.snapshot)
    assert facts.direct_map is not None
    machine.mem.has_direct_map(facts.direct_map)
    guest.parked = True
    return guest


def first_boot(machine: Machine, image: KernelImage, line: str, initrd: bytes) -> LinuxGuest:
    """Boot an image from its entry to where our agent parks, and let it come to rest."""
    from emukern.linux import kallsyms, ksymtab, tty
    from emukern.linux.facts import gather

    symbols = kallsyms.parse(image)
    guest = LinuxGuest(machine, gather(image, symbols, ksymtab.exports(image, symbols)))
    machine.load(image, line.encode(), initrd)
    prepare(guest)
    guest.park(BOOT_LIMIT, BOOT_BLOCKS)
    machine.console.booting = False
    learn_direct_map(guest)
    guest.facts.tty = tty.find(guest)
    guest.call("msleep", SETTLE_MS)
    machine.cpu.flush_code()  # what only the boot needed lies in memory that is free now
    return guest


def prepare(guest: LinuxGuest) -> None:
    """Tell the machine what the facts say."""
    guest.machine.break_at(guest.facts.park)
    guest.machine.mem.linear = guest.facts.linear
    rewriting.watch(guest.machine, guest.facts.rewriters)


def learn_direct_map(guest: LinuxGuest) -> None:
    """Where the kernel maps all RAM: a block it hands out tells."""
    machine, facts = guest.machine, guest.facts
    block = guest.alloc(1)
    found = machine.mem.lookup(block)
    if found is None:
        raise GuestPanic(f"the kernel's memory at {block:#x} is not mapped")
    facts.direct_map = block - found[0] + machine.ram.base
    machine.mem.has_direct_map(facts.direct_map)
    guest.free(block)
