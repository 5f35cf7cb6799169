"""Booting a distribution's kernel: the same to the bit each time, and one clear sentence when it cannot be done."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from emukern.linux import boot as booting
from emukern.machine.ram import PAGE

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
