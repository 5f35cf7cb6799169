"""The shell at a terminal: line editing, history, completion and Ctrl-C."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.user.programs import folder, launcher

pexpect = pytest.importorskip("pexpect")

PROMPT = "/d # "
LEFT, UP, DOWN, HOME = "\x1b[D", "\x1b[A", "\x1b[B", "\x1bOH"
Shell = Any  # pexpect has no types


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    """The shell at its first prompt."""
    if launcher("x86_64"):
        pytest.skip("the shell starts programs, which only an x86_64 host can do")
    (tmp_path / "d").mkdir()
    place = folder("x86_64")
    child = pexpect.spawn(str(place / "sh"), cwd=tmp_path / "d", env={"PATH": str(place)}, encoding="latin-1")
    child.delaybeforesend = None
    child.expect_exact(PROMPT)
    yield child
    child.close(force=True)


def typed(shell: Shell, keys: str) -> list[str]:
    """Type `keys`: the lines on the screen up to the next prompt, without the one that was typed."""
    shell.send(keys)
    shell.expect_exact("\n")
    shell.expect(f"[^\n]*{PROMPT}", timeout=10)
    return str(shell.before).splitlines()


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("echo abc\r", "abc"),
        (f"echo ac{LEFT}b\r", "abc"),
        ("echo abcx\x7f\r", "abc"),
        ("wrong\x15echo abc\r", "abc"),
        ("echo abc wrong\x17\r", "abc"),
        (f"bc{HOME}a\x01echo \r", "abc"),
        ("echo abcwrong\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\x0b\r", "abc"),
        ("ech\to abc\r", "o abc"),
    ],
    ids=["plain", "left", "backspace", "^U", "^W", "home", "^K", "tab"],
)
def test_editing(shell: Shell, keys: str, words: str) -> None:
    assert typed(shell, keys) == [words]


def test_history(shell: Shell) -> None:
    typed(shell, "echo one\r")
    typed(shell, "echo two\r")
    assert typed(shell, f"{UP}{UP}\r") == ["one"]
    assert typed(shell, f"echo dra{UP}{DOWN}ft\r") == ["draft"]


def test_completion_lists_choices_and_finishes_names(shell: Shell) -> None:
    typed(shell, "touch hello.ko help.ko\r")
    assert typed(shell, "ls hell\t\r") == ["hello.ko"]
    assert typed(shell, "ls h\t\t\x03") == ["hello.ko  help.ko"]


def test_control_c_discards_the_line(shell: Shell) -> None:
    assert typed(shell, "echo wrong\x03") == []
    assert typed(shell, "echo right\r") == ["right"]


def test_control_c_ends_the_command_and_what_follows_it(shell: Shell) -> None:
    shell.send("echo begun; sleep 100; echo skip''ped\r")
    shell.expect_exact("begun\r\n")
    while shell.expect_exact([PROMPT, pexpect.TIMEOUT], timeout=0.2):
        shell.send("\x03")  # one that comes before sleep has begun is lost
    assert "skipped" not in shell.before
    assert typed(shell, "echo $?\r") == ["130"]


def test_open_quote_asks_for_more(shell: Shell) -> None:
    assert typed(shell, "echo 'a\rb'\r")[-2:] == ["a", "b"]
