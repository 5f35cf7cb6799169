"""The log of a boot under QEMU and of one in emukern, and why they differ where they do."""

from __future__ import annotations

import difflib
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest

from emukern.linux.guest import LinuxGuest

QEMU = 7  # the release that the differences are explained for
SECONDS = 300  # after which QEMU is given up
NAMES = {"x86_64": "qemu-system-x86_64", "riscv64": "qemu-system-riscv64"}
# The machines of QEMU's that are most like ours: a PC without APIC and HPET; a CPU without what ours does not have.
MACHINES = {
    "x86_64": ["-M", "pc,hpet=off", "-cpu", "Westmere,-apic"],
    "riscv64": ["-M", "virt", "-cpu", "rv64,h=off,sstc=off,pmu-num=0"],
}
# Time passes with the instructions executed: the log must not depend on what else the host is doing.
CLOCK = ["-icount", "shift=0,sleep=off", "-rtc", "base=2023-11-14T22:13:20,clock=vm"]
DEBUG = 7  # records of this level do not reach a console

# What differs from run to run, or from host to host: addresses in memory, times, frequencies. Applied in order.
FORMS = (
    (r"^\[ *\d+\.\d{6}\] ", ""),
    (r"\b0x[0-9a-f]{8,16}\b", "ADDRESS"),
    (r"\b0x[0-9A-F]{16}\b", "ADDRESS"),
    (r"\[mem 0x[0-9a-f]+-0x[0-9a-f]+\]", "[mem RANGE]"),
    (r"\[mem ADDRESS-ADDRESS( window)?\]", r"[mem RANGE\1]"),
    (r"\d+\.\d+ MHz", "MHz"),
    (r"max_cycles: \w+, max_idle_ns: \d+ ns", "LIMITS"),
    (r"\d+\.\d+ BogoMIPS( \(lpj=\d+\))?", "BogoMIPS"),
    (r"audit\(\d+\.\d+:\d+\)", "audit(TIME)"),
    (r"to \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d UTC \(\d+\)", "to TIME"),
    (r"Marking stable \(.*\)", "Marking stable"),
    (r"initialised in \d+ms", "initialised"),
    (r"^Memory: .*K/.*K available", "Memory: available"),
    (r"\d+K reserved", "reserved"),
    (r"Total pages: \d+", "Total pages"),
    (r"(?<=: )\d+ pages in unavailable", "some pages in unavailable"),
    (r"(is|access time is|speed is) \d+\.\d+", r"\1 RATIO"),
    (r"last_pfn = \w+", "last_pfn"),
)


@dataclass(frozen=True)
class Reason:
    """Why lines that match differ: `side` is "-" for lines that only QEMU's log has, "+" for those that only ours has,
    "~" for those that come at another place."""

    side: str
    pattern: str
    why: str


def lines(log: str) -> list[str]:
    """The kernel's lines of a console log in a form in which two boots can be compared."""
    found = []
    for line in log.replace("\r", "").splitlines():
        if not re.match(FORMS[0][0], line):
            continue  # firmware, or a program
        for pattern, form in FORMS:
            line = re.sub(pattern, form, line)
        found.append(line.rstrip())
    return found


def differences(theirs: list[str], ours: list[str]) -> list[tuple[str, str]]:
    """(side, line) of everything that is not the same."""
    found = []
    for operation, start, end, first, last in difflib.SequenceMatcher(None, theirs, ours, False).get_opcodes():
        if operation != "equal":
            found += [("-", line) for line in theirs[start:end]] + [("+", line) for line in ours[first:last]]
    for side, line in list(found):
        if side == "-" and ("+", line) in found:
            found.remove(("-", line))
            found.remove(("+", line))
            found.append(("~", line))
    return found


def unexplained(arch: str, found: list[tuple[str, str]]) -> list[str]:
    """What no reason is known for."""
    reasons = REASONS[arch]
    return [
        f"{side}{line}"
        for side, line in found
        if not any(reason.side == side and re.fullmatch(reason.pattern, line) for reason in reasons)
    ]


def qemu(arch: str, image: Path, initramfs: bytes, cmdline: str, memory: int) -> str:
    """What QEMU's serial console printed. Skips the test where there is no QEMU that we know."""
    program = shutil.which(NAMES[arch])
    if program is None:
        pytest.skip(f"{NAMES[arch]} is not installed")
    version = subprocess.run([program, "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]
    if f"version {QEMU}." not in version:
        pytest.skip(f"differences are explained for QEMU {QEMU}, this is {version}")
    with tempfile.NamedTemporaryFile(suffix=".cpio") as archive:
        archive.write(initramfs)
        archive.flush()
        command = [
            program,
            "-accel",
            "tcg",
            *MACHINES[arch],
            *CLOCK,
            "-smp",
            "1",
            "-m",
            str(memory >> 20),
            "-nodefaults",
        ]
        command += ["-display", "none", "-serial", "stdio", "-no-reboot", "-kernel", str(image)]
        command += ["-initrd", archive.name, "-append", cmdline]
        nothing = subprocess.DEVNULL
        done = subprocess.run(command, stdin=nothing, capture_output=True, timeout=SECONDS, check=True)
    return done.stdout.decode("utf-8", "replace")


def printed(guest: LinuxGuest) -> str:
    """What a guest's kernel has logged, as it appears on a console."""
    records = [record for record in guest.dmesg() if record.level < DEBUG]
    return "".join(f"[{record.time_ns / 1e9:12.6f}] {line}\n" for record in records for line in record.text.split("\n"))


_FIRMWARE = "each firmware has its own tables, and calls itself by its own name"
_NO_APIC = (
    "QEMU's firmware describes interrupt controllers that this CPU cannot use; Linux doubts it, and counts two CPUs"
)
_ONE_CPU = "because it counted two CPUs there"
_NO_ROUTER = "nothing can be plugged into our board: no slots, no interrupt router, no events of theirs"
_NO_SLEEP = "our board does not sleep: it is on or off"
_SEED = "our boot loader hands over a seed, so that random numbers are the same on every boot"
_NO_SCREEN = "our board has no screen"
_EDGE = "our firmware has set the ACPI interrupt up"
_BACKGROUND = "done in the background while the rest goes on: where it shows depends on how fast the machine is"
_POWER = "QEMU's guest is told to switch itself off, ours is stopped before"
_ASKED = "our init asks whether it is in emukern, with an instruction that is refused elsewhere"
_SBI = "the SBI firmware is ours: newer, with a debug console, which is an early console; without performance counters"
_NO_ROOM = "our firmware takes no room in memory"
_OLD_TREE = "QEMU 7's devicetree describes the CPU in the old way only"

REASONS = {
    "x86_64": (
        Reason("-", r"ACPI: (RSDP|RSDT|FACP|DSDT|FACS|APIC|WAET) .*", _FIRMWARE),
        Reason("+", r"ACPI: (RSDP|XSDT|FACP|DSDT|FACS) .*", _FIRMWARE),
        Reason("-", r"ACPI: Reserving (APIC|WAET) table memory at .*", _FIRMWARE),
        Reason("-", r"found SMP MP-table .*|Intel MultiProcessor Spec.*|MPTABLE: .*|IOAPIC\[0\]: .*", _NO_APIC),
        Reason(
            "-", r"BIOS bug, MP table .*|\.\.\. disabling SMP support.*|CPU topo: 2 possible CPUs exceed.*", _NO_APIC
        ),
        Reason("-", r"smpboot: Allowing 2 CPUs, 1 hotplug CPUs|smpboot: Max logical packages: 2", _ONE_CPU),
        Reason("+", r"smpboot: Allowing 1 CPUs, 0 hotplug CPUs|smpboot: Max logical packages: 1", _ONE_CPU),
        Reason("-", r"setup_percpu: .*nr_cpu_ids:2.*|percpu: Embedded .* u1048576|SLUB: .*CPUs=2.*", _ONE_CPU),
        Reason("+", r"setup_percpu: .*nr_cpu_ids:1.*|percpu: Embedded .* u2097152|SLUB: .*CPUs=1.*", _ONE_CPU),
        Reason("-", r"rcu: .*nr_cpu_ids=2\.?", _ONE_CPU),
        Reason("+", r"rcu: .*nr_cpu_ids=1\.?", _ONE_CPU),
        Reason("+", r"Freeing SMP alternatives memory: \d+K", _ONE_CPU),
        Reason("-", r"NR_IRQS: 524544, nr_irqs: (256|440), .*", _NO_APIC),
        Reason("+", r"NR_IRQS: 524544, nr_irqs: 32, .*", _NO_APIC),
        Reason("+", r"random: crng init done|extended physical RAM map:|reserve setup_data: \[mem RANGE\] .*", _SEED),
        Reason("-", r"Console: colour \*CGA 80x25", _NO_SCREEN),
        Reason("+", r"Console: colour dummy device 80x25", _NO_SCREEN),
        Reason("-", r"ACPI: setting ELCR to 0200 \(from 0c00\)", _EDGE),
        Reason("-", r"ACPI: PM: \(supports S0 S3 S4 S5\)|rtc_cmos .*: RTC can wake from S4", _NO_SLEEP),
        Reason("+", r"ACPI: PM: \(supports S0 S5\)", _NO_SLEEP),
        Reason("-", r"acpiphp: Slot \[\d+\] registered|ACPI: Enabled 2 GPEs in block 00 to 0F", _NO_ROUTER),
        Reason("-", r"ACPI: PCI: Interrupt link LNK[A-DS] configured for IRQ \d+", _NO_ROUTER),
        Reason("-", r"pci_bus 0000:00: (root bus resource|resource 8) \[mem RANGE window\]", _NO_ROUTER),
        Reason("~", r"tsc: Refined TSC .*|clocksource: tsc: mask: .*|clocksource: Switched to .* tsc", _BACKGROUND),
        Reason("~", r"Freeing initrd memory: \d+K|Initialise system trusted keyrings|audit: .*", _BACKGROUND),
        Reason("~", r"input: AT Translated Set 2 keyboard .*", _BACKGROUND),
        Reason("-", r"traps: init\[1\] general protection fault .*", _ASKED),
        Reason("-", r"ACPI: PM: Preparing to enter system sleep state S5|reboot: Power down", _POWER),
    ),
    "riscv64": (
        Reason("-", r"Machine model: riscv-virtio,qemu", _FIRMWARE),
        Reason("+", r"Machine model: riscv-virtio,emukern", _FIRMWARE),
        Reason("-", r"SBI specification v1\.0 detected|SBI implementation ID=0x1 Version=0x10001", _SBI),
        Reason("+", r"SBI specification v2\.0 detected|SBI implementation ID=ADDRESS Version=0x1", _SBI),
        Reason("+", r"SBI DBCN extension detected|printk: legacy bootconsole \[sbi0\] (en|dis)abled", _SBI),
        Reason("-", r"Malformed early option 'earlycon'|riscv-pmu-sbi: .*", _SBI),
        Reason("+", r"Legacy PMU implementation is available", _SBI),
        Reason(
            "-", r"OF: reserved mem: ADDRESS\.\.ADDRESS \(512 KiB\) map non-reusable mmode_resv0@80000000", _NO_ROOM
        ),
        Reason("+", r"OF: reserved mem: Reserved memory: No reserved-memory node in the DT", _NO_ROOM),
        Reason("-", r'Falling back to deprecated "riscv,isa"', _OLD_TREE),
        Reason("~", r"Freeing initrd memory: \d+K|Trying to unpack rootfs image as initramfs\.\.\.", _BACKGROUND),
        Reason("-", r"reboot: Power down", _POWER),
    ),
}
