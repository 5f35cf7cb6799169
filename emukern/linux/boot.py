"""From an image file to a booted guest: the first time by booting it, then from the snapshot in the cache."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emukern.errors import GuestPanic
from emukern.linux.facts import Facts, gather
from emukern.linux.guest import LinuxGuest
from emukern.linux.machine import MIB, Machine
from emukern.machine.console import Console, Input

if TYPE_CHECKING:
    from emukern.linux.image import KernelImage

MEMORY = 256 * MIB
BOOT_LIMIT = 600_000_000_000  # ns of virtual time within which a kernel must have reached user space
# For every kernel: end with the machine when it panics, instead of waiting for a person.
CMDLINE = "panic=-1"


def boot(
    image: str | Path,
    *,
    modules: str | Path | None = None,
    memory: int = MEMORY,
    cmdline: str = "",
    console: Callable[[bytes], object] | None = None,
    source: Input | None = None,
    cache: bool = True,
) -> LinuxGuest:
    """A guest running the kernel in the file `image`, parked: ready for modules, calls and commands.

    `modules`: the module tree that dependencies and modprobe use. `memory` in bytes. `cmdline` is added to the
    kernel's command line. Raises ImageError, and GuestPanic when the kernel does not reach user space.
    """
    from emukern.linux.image import load

    return first_boot(load(image), memory, cmdline, Console(console, source))


def first_boot(image: KernelImage, memory: int, cmdline: str, console: Console) -> LinuxGuest:
    """Boot an image from its entry to where our agent parks."""
    from emukern.linux import initramfs, kallsyms, ksymtab

    machine = Machine(image.arch, memory, console)
    symbols = kallsyms.parse(image)
    facts = gather(image, symbols, ksymtab.exports(image, symbols))
    guest = LinuxGuest(machine, facts)
    line = " ".join([machine.platform.CMDLINE, CMDLINE, cmdline]).strip()
    machine.load(image, line.encode(), initramfs.build(image.arch))
    machine.break_at(facts.park)
    machine.mem.linear = facts.linear
    guest.park(limit=BOOT_LIMIT)
    learn_direct_map(guest)
    return guest


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


__all__ = ["Any", "Facts", "boot"]
