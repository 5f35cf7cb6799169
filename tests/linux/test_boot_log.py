"""The same kernel with the same programs and command line under QEMU and here: every difference has a known reason."""

from __future__ import annotations

import pytest
from corpus import CACHE
from linux import bootlog

from emukern.linux import boot as booting
from emukern.linux import initramfs

# Those that all tests use, and those that are compared where they were fetched.
KERNELS = [("x86_64", "amd64"), ("x86_64", "amd64-6.12"), ("x86_64", "amd64-7.2")]
KERNELS += [("riscv64", "riscv64"), ("riscv64", "riscv64-7.2")]
MEMORY = 512 << 20
SCRIPT = "-- -c poweroff"  # QEMU's guest switches itself off; ours is stopped once it has come so far
TROUBLE = ("WARNING:", "BUG:", "Oops", "stall", "nable to handle", "cut here", "Call Trace", "hung", "lockup")


@pytest.mark.parametrize(("arch", "kernel"), KERNELS)
def test_the_log_is_qemus(arch, kernel):
    found = sorted((CACHE / "emukern" / "corpus" / kernel).glob("*/boot/vmlinu*"))
    if not found:
        pytest.skip(f"no such kernel: run scripts/fetch-corpus {kernel} (it needs a network)")
    line = booting.command_line(arch, SCRIPT)
    theirs = bootlog.qemu(arch, found[-1], initramfs.build(arch), line, MEMORY)
    ours = bootlog.printed(booting.boot(found[-1], cmdline=SCRIPT, memory=MEMORY))
    different = bootlog.differences(bootlog.lines(theirs), bootlog.lines(ours))
    assert bootlog.unexplained(arch, different) == []
    assert [line for line in ours.splitlines() if any(word in line for word in TROUBLE)] == []


@pytest.mark.parametrize("arch", ["x86_64", "riscv64"])
def test_what_has_no_reason_is_told(arch):
    theirs = ["Linux version 7", "a device: found", "Run /init as init process"]
    ours = ["Linux version 7", "Run /init as init process", "------------[ cut here ]------------"]
    different = bootlog.differences(theirs, ours)
    assert bootlog.unexplained(arch, different) == ["-a device: found", "+------------[ cut here ]------------"]


def test_only_the_kernels_lines_count_without_times_and_addresses():
    console = (
        "OpenSBI v1.1\r\n[    0.000000] RAMDISK: [mem 0x1ff9a000-0x1ffdffff]\r\n[   12.345678] tsc: 1.5 MHz\r\nhi\r\n"
    )
    assert bootlog.lines(console) == ["RAMDISK: [mem RANGE]", "tsc: MHz"]
