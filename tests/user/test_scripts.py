"""The shell and the tools, a script and its exact output at a time (scripts/NAME.sh, NAME.txt)."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from tests.user.programs import HERE, run

SCRIPTS = sorted(path.stem for path in (HERE / "scripts").glob("*.sh"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_prints_what_it_should(name: str, tmp_path: Path) -> None:
    script = HERE / "scripts" / f"{name}.sh"
    assert run("x86_64", tmp_path, "sh", str(script)) == script.with_suffix(".txt").read_text()


def test_commands_may_read_what_follows_them_in_the_input(tmp_path: Path) -> None:
    text = "echo first\nhead -n 1\nfor head\ncat | wc -c\n12345"
    # head takes a block: what it does not print is gone, as with any shell
    assert run("x86_64", tmp_path, "sh", "-s", text=text).startswith("first\nfor head\n")
    assert run("x86_64", tmp_path, "sh", text="cat | wc -c\n12345") == "5\nstatus 0\n"


def test_script_as_an_argument(tmp_path: Path) -> None:
    assert run("x86_64", tmp_path, "sh", "-c", "echo a; false\nX=b; echo $X; exit 4") == "a\nb\nstatus 4\n"


# qemu's user mode does not start foreign programs by itself, so riscv64 runs builtins and single tools here
BUILTINS = "pwd > f; X='a  b'; cd absent || cd .; true && false; wait; history; exit 6"
INSMOD = "insmod: ERROR: could not"
BAD_DIRECTORY = "sh: cd: absent: No such file or directory\n"


@pytest.mark.parametrize("arch", ["x86_64", "riscv64"])
def test_builtins(arch: str, tmp_path: Path) -> None:
    assert run(arch, tmp_path, "sh", "-c", BUILTINS) == f"{BAD_DIRECTORY}status 6\n"
    assert (tmp_path / "f").read_text() == f"{tmp_path}\n"


@pytest.mark.parametrize("arch", ["x86_64", "riscv64"])
@pytest.mark.parametrize(
    ("words", "text", "expected"),
    [
        (("echo", "-n", "a", "b c"), "", "a b cstatus 0\n"),
        (("cat",), "x\ny", "x\nystatus 0\n"),
        (("tail", "-n", "2"), "1\n2\n3\n4", "3\n4\nstatus 0\n"),
        (("wc",), "one two\nthree\n", "2 3 14\nstatus 0\n"),
        (("grep", "-c", "o"), "one\ntwo\nthree\n", "2\nstatus 0\n"),
        (("insmod", "x.ko"), "", f"{INSMOD} load module x.ko: No such file or directory\nstatus 2\n"),
        (("insmod", "."), "", f"{INSMOD} insert module .: Is a directory\nstatus 21\n"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_tool(arch: str, words: tuple[str, ...], text: str, expected: str, tmp_path: Path) -> None:
    assert run(arch, tmp_path, *words, text=text) == expected


INFO = b"license=GPL\0parm=who:whom to greet\0depends=a,b\0parmtype=who:charp\0parmtype=n:int\0bad\0"


@pytest.mark.parametrize("arch", ["x86_64", "riscv64"])
def test_modinfo_prints_as_kmod_does(arch: str, tmp_path: Path) -> None:
    module = tmp_path / "m.ko"
    module.write_bytes(module_with(INFO))
    assert run(arch, tmp_path, "modinfo", "m.ko") == (
        f"filename:       {tmp_path}/m.ko\n"
        "license:        GPL\n"
        "depends:        a,b\n"
        "parm:           n:int\n"
        "parm:           who:whom to greet (charp)\n"
        "status 0\n"
    )
    assert run(arch, tmp_path, "modinfo", "-F", "depends", "m.ko") == "a,b\nstatus 0\n"
    module.write_bytes(b"\x7fELF\x02 and no more")
    refusal = "modinfo: ERROR: could not get modinfo from 'm.ko': Exec format error\nstatus 1\n"
    assert run(arch, tmp_path, "modinfo", "m.ko").endswith(refusal)


def module_with(info: bytes) -> bytes:
    """The smallest ELF file with a .modinfo section."""
    names = b"\0.modinfo\0.names\0"

    def section(name: int, offset: int, size: int) -> bytes:
        return struct.pack("<IIQQQQIIQQ", name, 1, 0, 0, offset, size, 0, 0, 1, 0)

    header = struct.pack("<4sBBB33xQ", b"\x7fELF", 2, 1, 1, 64) + struct.pack("<4xHHHHHH", 64, 0, 0, 64, 3, 2)
    start = 64 + 3 * 64
    sections = bytes(64) + section(1, start, len(info)) + section(10, start + len(info), len(names))
    return header + sections + info + names
