"""Booting a distribution's kernel: the same to the bit each time, and one clear sentence when it cannot be done."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from emukern.errors import GuestPanic, UsageError
from emukern.linux import boot as booting
from emukern.linux.cache import IMAGES, folder
from emukern.linux.machine import MIB, Machine
from emukern.machine.console import Console
from emukern.machine.ram import PAGE

SECONDS = 20  # of CPU time that a boot may take at most
HERE = Path(__file__).parent
ROOT = HERE.parent.parent
COMMANDS = "uname -a; ls -l /proc; ps; cat /proc/interrupts /proc/meminfo; hexdump -C /dev/urandom | head; dmesg"


def fingerprint(moment: Any) -> dict[str, str]:
    """What a snapshot consists of, hashed."""
    ram = hashlib.sha256()
    for start, end in moment.ram.runs(256 * PAGE):
        for page in range(start, end, PAGE):
            ram.update(b"%d:" % page + os.pread(moment.ram.fd, PAGE, page))
    rest = {"cpu": moment.cpu, "parts": moment.parts}
    return {"ram": ram.hexdigest()} | {name: hashlib.sha256(data).hexdigest() for name, data in rest.items()}


def tale(guest: Any) -> list[Any]:
    """Programs, calls and modules, and what came of them."""
    seen = [guest.shell(COMMANDS), guest.call("int_sqrt", 1 << 40)]
    for via in ("kernel", "loader"):
        for name in ("dummy", "tun", "raid6_pq"):
            for step in guest.tree.plan(name)[name]:
                if step.path:
                    guest.insmod(guest.tree.blob(step.path), via=via)
            guest.rmmod(name)
    guest.advance(2.5)
    seen += [guest.shell("cat /proc/uptime /proc/stat"), guest.dmesg()]
    machine = guest.machine
    told = hashlib.sha256(repr(seen).encode()).hexdigest()
    return [told, machine.clock.now, machine.clock.blocks, fingerprint(guest.save().machine)]


def elsewhere(expression: str, image: Path, tree: Path) -> str:
    """The value of an expression in a new process with another hash seed, environment and folder."""
    path = os.pathsep.join([str(HERE), str(ROOT), *sys.path])
    environment = os.environ | {"PYTHONPATH": path, "PYTHONHASHSEED": "7", "NOISE": "x" * 5000}
    code = f"from test_boot import booting, fingerprint, tale; image, tree = {str(image)!r}, {str(tree)!r}"
    command = [sys.executable, "-c", f"{code}; print({expression})"]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd="/", check=True).stdout.strip()


def test_two_boots_are_equal(kernel_image, module_tree, borrowed, monkeypatch):
    found = []
    resume = booting.resume
    monkeypatch.setattr(booting, "resume", lambda machine, kept: (found.append(kept), resume(machine, kept))[1])
    guest = booting.boot(kernel_image)
    first = found[0].snapshot if found else guest.save().machine
    again = elsewhere("fingerprint(booting.boot(image, cache=False).save().machine)", kernel_image, module_tree)
    assert again == str(fingerprint(first))


def test_what_was_done_before_makes_no_difference(kernel_image, module_tree, borrowed):
    moment = borrowed.save()
    first = tale(borrowed)
    borrowed.restore(moment)
    borrowed.shell("modprobe loop; head -c 1000 /dev/urandom | wc")
    borrowed.restore(moment)
    assert tale(borrowed) == first
    assert elsewhere("tale(booting.boot(image, modules=tree))", kernel_image, module_tree) == str(first)


# Boots that lead nowhere.


@pytest.fixture
def fails(kernel_image, tmp_path, monkeypatch):
    """Boot with an empty cache, fail: what is said. Nothing of it is kept, and it costs no more than a boot."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def boot(memory=booting.MEMORY, **options):
        printed = []
        start = time.process_time()
        with pytest.raises((GuestPanic, UsageError)) as error:
            booting.boot(kernel_image, memory=memory, console=printed.append, **options)
        assert time.process_time() - start < SECONDS
        assert {path.name for path in folder().glob("*")} <= {IMAGES}
        return error.value, b"".join(printed).decode()

    return boot


def test_a_kernel_that_panics(fails):
    error, printed = fails(cmdline="rdinit=/nonexistent")
    assert str(error).endswith("Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)")
    first, *rest = error.report.splitlines()
    assert first == str(error)
    assert any("mount_" in line for line in rest)  # where it came from
    assert first in printed


@pytest.mark.parametrize("arch", ["riscv64"])  # a PC's says nothing so early
def test_a_kernel_that_panics_before_it_knows_what_to_do_then(fails):
    error, _ = fails(memory=64 * MIB)
    assert "Kernel panic - not syncing: memblocks_present: Failed to allocate" in str(error)


def test_a_kernel_that_panics_and_stays(arch):
    """It was told to wait for somebody to read the screen."""
    machine = Machine(arch, 2 * MIB, Console())
    machine.console.write(b"[    1.000000] ---[ end Kernel panic - not syncing: no init ]-")
    assert machine.power.state == "on"
    machine.console.write(b"--\r\n")
    assert machine.run().why == "reset"


def test_a_kernel_that_waits_for_ever(fails, monkeypatch):
    monkeypatch.setattr(booting, "BOOT_LIMIT", 10 * 10**9)
    error, _ = fails(cmdline="rdinit=/nonexistent root=/dev/sda rootwait")
    assert str(error) == "the kernel did not reach user space"
    assert error.report.splitlines()[-1].endswith("Waiting for root device /dev/sda...")


def test_a_kernel_that_computes_for_ever(fails, monkeypatch):
    monkeypatch.setattr(booting, "BOOT_BLOCKS", 20_000_000)
    error, _ = fails()
    assert str(error) == "the kernel did not reach user space"


def test_memory_that_is_too_small(fails):
    error, printed = fails(memory=32 * MIB)
    assert str(error) == "kernel and initial file system need more memory than 32 MiB"
    assert printed == ""


def test_a_command_line_that_is_too_long(fails):
    error, _ = fails(cmdline="x" * 5000)
    assert "command line may have" in str(error)


@pytest.mark.parametrize("lib", ["lib", "usr/lib"])
def test_the_modules_that_came_with_an_image_are_found(tmp_path, lib):
    tree = tmp_path / lib / "modules" / "1.2.3"
    (tree / "kernel").mkdir(parents=True)
    assert booting.tree_of(tmp_path / "boot" / "vmlinuz-1.2.3", None, "1.2.3").root == tree
    with pytest.raises(UsageError, match="there is no module tree for 1.2.4"):
        booting.tree_of(tmp_path / "boot" / "vmlinuz-1.2.3", None, "1.2.4")
