"""What README and docs show is true: their commands run, their sessions answer, their links lead somewhere."""

import doctest
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
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


@pytest.mark.parametrize("script", list(commands()))
def test_commands_run(script, tmp_path):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "emukern").write_text(f'#!/bin/sh\nexec {sys.executable} -m emukern "$@"\n')
    (tmp_path / "bin" / "emukern").chmod(0o755)
    env = os.environ | {"PYTHONPATH": str(ROOT), "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}"}
    done = subprocess.run(
        ["sh", "-ec", script], capture_output=True, text=True, cwd=tmp_path, env=env, stdin=subprocess.DEVNULL
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


@pytest.mark.parametrize("text", list(blocks("python")))
def test_sessions_answer_what_they_show(text, pytester):
    if ">>>" not in text:
        pytester.makepyfile(text)
        plugin = () if pytester_has_plugin() else ("-p", "emukern.pytest_plugin")
        result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *plugin)
        outcomes = result.parseoutcomes()
        assert outcomes.get("passed"), outcomes
        assert not outcomes.get("failed"), outcomes
        return
    session = doctest.DocTestParser().get_doctest(text, {}, "session", None, 0)
    report = []
    failed, tried = doctest.DocTestRunner().run(session, out=report.append)
    assert tried
    assert not failed, "".join(report)


def pytester_has_plugin():
    from importlib.metadata import entry_points

    return any(entry.value == "emukern.pytest_plugin" for entry in entry_points(group="pytest11"))


def test_the_terminal_session_of_the_readme():
    """Typed as shown, the guest answers as shown."""
    shown = next(text for kind, text in BLOCK.findall(PAGES[0].read_text()) if "/ # " in text)
    typed = [line.removeprefix("/ # ") for line in shown.splitlines() if line.startswith("/ # ")]
    answers = [line for line in shown.split("/ # ", 1)[1].splitlines() if not line.startswith("/ # ")][1:]
    done = subprocess.run(
        [sys.executable, "-m", "emukern", "boot"], input="\n".join(typed), capture_output=True, text=True, cwd=ROOT
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
    for name in ("boot", "run", "modinfo", "samples"):
        done = subprocess.run(
            [sys.executable, "-m", "emukern", name, "--help"], capture_output=True, text=True, cwd=ROOT, check=True
        )
        helps.append(done.stdout)
    known = set(re.findall(r"--[\w-]+", "".join(helps) + parser().format_help()))
    said = set(re.findall(r"`[^`\n]*?(--[\w-]+)", (ROOT / "docs" / "usage.md").read_text()))
    assert said <= known
