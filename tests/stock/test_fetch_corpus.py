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
    folder = cache / "emukern" / "corpus" / "amd64" / "packages"
    folder.mkdir(parents=True)
    if package is not None:
        (folder / f"{PACKAGE}_6.1_amd64.deb").write_bytes(package)
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PATH": ""}  # no apt-get, so no network
    command = [sys.executable, str(SCRIPT), "amd64"]
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


def test_an_unknown_architecture() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "vax"], text=True, capture_output=True, check=False)
    assert done.returncode == 2
    assert "no architecture vax" in done.stdout + done.stderr
