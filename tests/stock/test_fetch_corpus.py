"""scripts/fetch-corpus without a network: it unpacks a package that is there, or says what is wrong with it."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "fetch-corpus"
PACKAGE = "linux-image-6.1.0-56-amd64"


def deb(files: dict[str, bytes]) -> bytes:
    """A Debian package: an ar archive whose data.tar.xz holds `files`."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:xz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    archive = b"!<arch>\n"
    members = {"debian-binary": b"2.0\n", "control.tar": b"odd", "data.tar.xz": data.getvalue()}
    for name, content in members.items():
        header = f"{name:<16}{0:<12}{0:<6}{0:<6}{0o100644:<8o}{len(content):<10}`\n"
        archive += header.encode() + content + b"\n" * (len(content) % 2)
    return archive


def fetch(cache: Path, package: bytes | None) -> subprocess.CompletedProcess[str]:
    """Run the script for amd64 with `package` already downloaded."""
    return run(cache, "amd64", {} if package is None else {f"{PACKAGE}_6.1_amd64.deb": package})


def run(cache: Path, name: str, packages: dict[str, bytes]) -> subprocess.CompletedProcess[str]:
    """Run the script for the kernel `name` with these packages already downloaded."""
    folder = cache / "emukern" / "corpus" / name / "packages"
    folder.mkdir(parents=True)
    for file, content in packages.items():
        (folder / file).write_bytes(content)
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PATH": ""}  # no apt-get, so no network
    command = [sys.executable, str(SCRIPT), name]
    return subprocess.run(command, env=environment, text=True, capture_output=True, check=False)


def test_unpack(tmp_path: Path) -> None:
    files = {
        "./lib/modules/6.1.0-56-amd64/kernel/lib/crc7.ko": b"module",
        "./boot/vmlinuz-6.1.0-56-amd64": b"image",
        "./usr/share/doc/copyright": b"text",
        "./lib/modules/6.1.0-56-amd64/../../../../escaped": b"no",
    }
    done = fetch(tmp_path, deb(files))
    tree = tmp_path / "emukern" / "corpus" / "amd64" / "6.1.0-56-amd64"
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(tree)
    paths = [path for path in tree.rglob("*") if path.is_file()]
    found = {path.relative_to(tree).as_posix(): path.read_bytes() for path in paths}
    assert found == {"kernel/lib/crc7.ko": b"module", "boot/vmlinuz-6.1.0-56-amd64": b"image"}


def test_a_kernel_in_two_packages(tmp_path: Path) -> None:
    release = "7.2.13+deb14-riscv64"
    image = deb({f"./usr/lib/modules/{release}/vmlinuz": b"image"})
    modules = deb({f"./usr/lib/modules/{release}/kernel/lib/crc7.ko.xz": b"module"})
    named = {f"linux-{part}-{release}_7_riscv64.deb": one for part, one in (("binary", image), ("modules", modules))}
    done = run(tmp_path, "riscv64-7.2", named)
    tree = tmp_path / "emukern" / "corpus" / "riscv64-7.2" / release
    assert done.stdout.strip() == str(tree), done.stderr
    assert (tree / f"boot/vmlinuz-{release}").read_bytes() == b"image"
    assert (tree / "kernel/lib/crc7.ko.xz").read_bytes() == b"module"


def test_half_of_a_kernel_is_none(tmp_path: Path) -> None:
    done = run(tmp_path, "amd64-7.2", {"linux-binary-7.2.13+deb14-amd64_7_amd64.deb": deb({})})
    assert done.returncode == 1
    assert "put linux-binary-7.2.13+deb14-amd64_*.deb and linux-modules-7.2.13+deb14-amd64_*.deb into" in done.stderr


DAMAGED = {"empty": b"", "noise": b"not an archive", "header": deb({})[:100], "data": deb({})[:-60]}


@pytest.mark.parametrize("package", DAMAGED.values(), ids=DAMAGED)
def test_a_broken_package_leaves_no_tree(tmp_path: Path, package: bytes) -> None:
    done = fetch(tmp_path, package)
    assert done.returncode == 1
    assert done.stderr.startswith("fetch-corpus: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "emukern" / "corpus" / "amd64" / "6.1.0-56-amd64").exists()


def test_without_apt_it_says_what_to_do(tmp_path: Path) -> None:
    done = fetch(tmp_path, None)
    assert done.returncode == 1
    assert "there is no apt-get here" in done.stderr


def test_an_unknown_kernel() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "vax"], text=True, capture_output=True, check=False)
    assert done.returncode == 2
    assert "no kernel vax" in done.stdout + done.stderr
