"""What README and docs show is true: their commands run, their sessions answer, their links lead somewhere."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from corpus import CACHE, tree

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FETCHED = re.compile(r"fetch-corpus (amd64|riscv64)")  # what is fetched already is not fetched again
ARCHES = {"amd64": "x86_64", "riscv64": "riscv64"}
IMAGE = "IMAGE"  # a kernel image's path, in a session and in `pytest --emukern-kernel IMAGE`
ELSEWHERE = ("scripts/",)  # needs a network and a fresh clone: the continuous integration runs these


def blocks(kind):
    for page in PAGES:
        for found, text in BLOCK.findall(page.read_text()):
            if found == kind:
                yield pytest.param(text, id=f"{page.name}: {text.splitlines()[0][:30]}")


def commands():
    """Whole blocks, for later lines may need earlier ones."""
    for block in blocks("sh"):
        if not block.values[0].startswith(ELSEWHERE):
            yield block


def folder_of(corpus):
    """Where scripts/fetch-corpus has put a kernel; the test is skipped when it has not."""
    folder = tree(ARCHES[corpus])
    if folder is None or not list(folder.glob("boot/vmlinu[xz]*")):
        pytest.skip(f"no {corpus} kernel: run scripts/fetch-corpus (it needs a network)")
    return folder


def image():
    """The path of a kernel image."""
    (found,) = folder_of("amd64").glob("boot/vmlinu[xz]*")
    return str(found)


@pytest.mark.parametrize("script", list(commands()))
def test_commands_run(script, tmp_path):
    for corpus in FETCHED.findall(script):
        folder_of(corpus)
    (tmp_path / "scripts").symlink_to(ROOT / "scripts")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "emukern").write_text(f'#!/bin/sh\nexec {sys.executable} -m emukern "$@"\n')
    (tmp_path / "bin" / "emukern").chmod(0o755)
    env = os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-ec", script], capture_output=True, text=True, cwd=tmp_path, env=env, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


def python(sessions):
    """The blocks that are sessions, or those that are files of tests."""
    return [block for block in blocks("python") if (">>>" in block.values[0]) is sessions]


@pytest.mark.parametrize("text", python(sessions=False))
def test_tests_pass(text, pytester, monkeypatch):
    kernel = image() if IMAGE in text else None
    monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE))  # booted kernels are in it
    pytester.makepyfile(text)
    plugin = () if pytester_has_plugin() else ("-p", "emukern.pytest_plugin")
    option = (f"--emukern-kernel={kernel}", "--emukern-arch=x86_64") if kernel else ()
    outcomes = pytester.runpytest_subprocess("-p", "no:cacheprovider", *plugin, *option).parseoutcomes()
    assert outcomes.get("passed"), outcomes
    assert not outcomes.get("failed"), outcomes


@pytest.mark.parametrize("text", python(sessions=True))
def test_sessions_answer_what_they_show(text):
    kernel = image() if IMAGE in text else None
    session = doctest.DocTestParser().get_doctest(text, {IMAGE: kernel}, "session", None, 0)
    report = []
    failed, tried = doctest.DocTestRunner().run(session, out=report.append)
    assert tried
    assert not failed, "".join(report)


def pytester_has_plugin():
    from importlib.metadata import entry_points

    return any(entry.value == "emukern.pytest_plugin" for entry in entry_points(group="pytest11"))


def sessions():
    """What is typed at a prompt."""
    shown = [text for kind, text in BLOCK.findall(PAGES[0].read_text()) if "/ # " in text]
    return [pytest.param(text, id=text.splitlines()[0]) for text in shown]


@pytest.mark.parametrize("shown", sessions())
def test_the_terminal_sessions_of_the_readme(shown):
    """Typed as shown, the guest answers as shown."""
    command = []
    if "--kernel" in shown:
        kernel = image()
        if Path(kernel).name not in shown:
            pytest.skip(f"the session is on another kernel than {Path(kernel).name}")
        command = ["--kernel", kernel]
    typed = [line.removeprefix("/ # ") for line in shown.splitlines() if line.startswith("/ # ")]
    answers = [line for line in shown.split("/ # ", 1)[1].splitlines() if not line.startswith("/ # ")][1:]
    done = subprocess.run(
        [sys.executable, "-m", "emukern", "boot", *command],
        input="\n".join(typed),
        capture_output=True,
        text=True,
        cwd=ROOT,
    )
    assert done.stdout.splitlines() == answers
    assert done.returncode == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
        if not target.startswith("http"):
            assert (page.parent / target).exists(), target


def test_options_in_the_usage_page_exist():
    from emukern.cli import parser

    helps = []
    for name in ("boot", "run", "sweep", "modinfo", "samples"):
        done = subprocess.run(
            [sys.executable, "-m", "emukern", name, "--help"], capture_output=True, text=True, cwd=ROOT, check=True
        )
        helps.append(done.stdout)
    known = set(re.findall(r"--[\w-]+", "".join(helps) + parser().format_help()))
    known |= {"--all", "--emukern-kernel"}  # of `emukern cache remove`, and of pytest
    for page in ("usage.md", "distribution-kernels.md"):
        assert set(re.findall(r"`[^`\n]*?(--[\w-]+)", (ROOT / "docs" / page).read_text())) <= known
