"""python -m bench [--arch A] [--runs N] [--kernel IMAGE]: the table of costs."""

import argparse
import platform
import sys

from bench import qemu
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


def main():
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--arch", choices=NAMES, action="append")
    parser.add_argument("--runs", type=int, default=11, help="of each measurement, of which the median is printed")
    parser.add_argument("--kernel", help="kernel image for QEMU (with one --arch)")
    options = parser.parse_args()
    print(f"Python {platform.python_version()} on {platform.machine()}; medians of {options.runs} runs")
    for arch in options.arch or NAMES:
        print(f"{arch}:")
        whole_processes(arch, options.runs, options.kernel)
        inside(arch, options.runs)


main()
