"""The yardstick: QEMU boots the same architecture's Debian kernel to the same shell, which runs the same command."""

import os
import shutil
import tempfile
from importlib import resources
from pathlib import Path

from bench.timing import process, usage
from emukern.linux import initramfs as programs

DEBIAN = {"x86_64": "amd64", "riscv64": "riscv64"}
BOARD = {"x86_64": "pc", "riscv64": "virt"}
PROGRAMS = ("init", "sh", "true")
REGULAR, FOLDER, CHARACTER = 0o100755, 0o40755, 0o20600


class Absent(Exception):
    """There is nothing to compare with; the text says why."""


def seconds(arch, runs, kernel):
    """Median seconds from QEMU's start to its end. Raises Absent."""
    with tempfile.NamedTemporaryFile(suffix=".cpio") as archive:
        archive.write(initramfs(arch))
        archive.flush()
        words = "console=ttyS0 quiet panic=-1 rdinit=/bin/init -- -c true"
        return process(command(arch, kernel or find_kernel(arch), archive.name, words), runs, timeout=300)


def usage_of(arch, runs, image, script, files):
    """What it takes to boot `image` into the programs that emukern has for it, which run `script` and power off.

    `files`: name → content of what else is in the root folder. Raises Absent.
    """
    more = [programs.file(name, data) for name, data in files.items()]
    with tempfile.NamedTemporaryFile(suffix=".cpio") as archive:
        archive.write(programs.build(arch) + programs.archive(more))
        archive.flush()
        words = f'console=ttyS0 quiet panic=-1 -- -c "{script}"'
        return usage(command(arch, image, archive.name, words), runs)


def command(arch, image, archive, words):
    """QEMU's command line for a kernel image, an initramfs file and a kernel command line. Raises Absent."""
    program = f"qemu-system-{arch}"
    if shutil.which(program) is None:
        raise Absent(f"{program} is not installed")
    options = ["-accel", "tcg", "-M", BOARD[arch], "-m", "256", "-display", "none", "-nic", "none"]
    options += ["-serial", "stdio", "-no-reboot"]
    return [program, *options, "-kernel", str(image), "-initrd", archive, "-append", words]


def find_kernel(arch):
    """The newest kernel that scripts/fetch-corpus fetched."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "emukern" / "corpus"
    found = sorted((cache / DEBIAN[arch]).glob("*/boot/vmlinu*"))
    if not found:
        raise Absent("no kernel image: run scripts/fetch-corpus, or give one with --kernel")
    return found[-1]


def initramfs(arch):
    """A cpio archive with the guest's own init and shell."""
    programs = resources.files("emukern") / "built" / arch / "bin"
    archive = entry("dev", FOLDER) + entry("dev/console", CHARACTER, device=(5, 1)) + entry("bin", FOLDER)
    for name in PROGRAMS:
        archive += entry(f"bin/{name}", REGULAR, (programs / name).read_bytes())
    return archive + entry("TRAILER!!!", 0)


def entry(name, mode, data=b"", device=(0, 0)):
    """One member in the "newc" format."""
    path = name.encode() + b"\0"
    inode = sum(path)  # unique enough: nothing has two links
    fields = [inode, mode, 0, 0, 1, 0, len(data), 0, 0, *device, len(path), 0]
    header = b"070701" + b"".join(b"%08x" % field for field in fields) + path
    return header + bytes(-len(header) % 4) + data + bytes(-len(data) % 4)
