"""python -m bench [--arch A] [--runs N] [--kernel IMAGE]: the table of costs."""

import argparse
import platform
import sys

from bench import qemu
from bench.borrowed import CPUS, MIB, RECORDED, Borrowed
from bench.inside import Bench
from bench.timing import process
from emukern.arch import NAMES

KINDS = {"sort": "sort(), short blocks", "copy": "memcpy(), calls", "chacha": "ChaCha, long blocks"}


def row(what, value, unit, note=""):
    print(f"  {what:<52} {value:>10} {unit:<8} {note}".rstrip(), flush=True)


def whole_processes(arch, runs, kernel):
    command = [sys.executable, "-m", "emukern", "boot", "--arch", arch, "-c", "true"]
    ours = process(command, runs)
    try:
        theirs = qemu.seconds(arch, max(1, runs // 4), kernel)
    except qemu.Absent as absent:
        row("boot to the shell and power off, whole process", f"{ours * 1000:.0f}", "ms")
        row("qemu with Debian's kernel to the same shell", "-", "", f"skipped: {absent}")
        return
    row("boot to the shell and power off, whole process", f"{ours * 1000:.0f}", "ms", f"{theirs / ours:.1f} x faster")
    row("qemu with Debian's kernel to the same shell", f"{theirs * 1000:.0f}", "ms")
    bare = process([sys.executable, "-c", "import unicorn"], runs)
    row("of which Python and the import of unicorn", f"{bare * 1000:.0f}", "ms")


def inside(arch, runs):
    bench = Bench(arch, runs)
    row("insmod and rmmod of hello, in the guest's shell", f"{bench.insmod_in_shell() * 1000:.2f}", "ms")
    row("insmod and rmmod of hello, from Python", f"{bench.insmod() * 1000:.2f}", "ms")
    row("one system call", f"{bench.syscall() * 1e6:.1f}", "us")
    row("one call of an export written in Python", f"{bench.export() * 1e6:.1f}", "us")
    row("one guest function called from Python", f"{bench.call() * 1e6:.1f}", "us")
    for kind, what in KINDS.items():
        clocked, bare = bench.speed(kind)
        row(
            f"million instructions a second: {what}",
            f"{clocked:.0f}",
            "",
            f"{clocked / bare:.0%} of bare Unicorn's {bare:.0f}",
        )
    first, later, restore = bench.snapshot()
    row("snapshot: save, the first", f"{first * 1000:.2f}", "ms")
    row("snapshot: save, a later one", f"{later * 1000:.2f}", "ms")
    row("snapshot: restore", f"{restore * 1000:.2f}", "ms")


def used(what, usage, than=None):
    note = f"{usage.cpu:.2f} s of CPU"
    row(what, f"{usage.wall:.2f}", "s", note if than is None else f"{note}, QEMU's / {than.cpu / usage.cpu:.1f}")


def borrowed(arch, runs, kernel):
    try:
        measured = Borrowed(arch, runs, kernel)
    except qemu.Absent as absent:
        row("a distribution's kernel", "-", "", f"skipped: {absent}")
        return
    with measured as bench:
        print(f"{arch}, {bench.image.name}:")
        first, start = bench.first_boot(), bench.start()
        (guest, nothing), module = bench.guest(), bench.module()
        bench.open()
        booting = inserting = None
        try:
            booting, inserting = bench.qemu()
            used("QEMU: boot to the shell and power off", booting)
            used("QEMU: the same with insmod and rmmod in between", inserting)
        except qemu.Absent as absent:
            row("QEMU", "-", "", f"skipped: {absent}")
        used("boot to the shell and power off, the first time", first, booting)
        used("the same from the cache, whole process", start, booting)
        on_top = f"{(guest.cpu - nothing.cpu) * 1000:.0f}"
        row("a guest from the cache, on top of Python and unicorn", on_top, "ms", "of CPU")
        used("insmod and rmmod of a module, whole process", module, inserting)
        within(arch, bench)


def within(arch, bench):
    took, count = bench.inside()
    row("insmod and rmmod in a session", f"{took * 1000:.1f}", "ms", f"of CPU, median of {count} modules")
    row("snapshot: restore", f"{bench.restore() * 1000:.2f}", "ms", "of CPU")
    swept, count = bench.sweep()
    all_of_them = f"{RECORDED[arch]} on {CPUS} CPUs: {swept.cpu / count * RECORDED[arch] / CPUS:.0f} s"
    row("sweep: modules a second of CPU", f"{count / swept.cpu:.1f}", "", all_of_them)
    row("sweep: memory of a worker", f"{swept.memory / MIB:.0f}", "MiB")


def main():
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--arch", choices=NAMES, action="append")
    parser.add_argument("--runs", type=int, default=11, help="of each measurement, of which the median is printed")
    parser.add_argument("--kernel", help="kernel image for QEMU (with one --arch)")
    parser.add_argument("--borrowed", action="store_true", help="only what a distribution's kernel costs")
    options = parser.parse_args()
    print(f"Python {platform.python_version()} on {platform.machine()}; medians of {options.runs} runs")
    for arch in options.arch or NAMES:
        if not options.borrowed:
            print(f"{arch}:")
            whole_processes(arch, options.runs, options.kernel)
            inside(arch, options.runs)
        borrowed(arch, options.runs, options.kernel)


main()
