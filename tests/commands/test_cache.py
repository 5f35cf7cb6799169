"""`emukern cache`: what it lists, removes and refuses."""

import os
import time
from dataclasses import replace

import pytest
from booted import BOOT, FACTS, MEMORY, RISCV, snapshot

from emukern import cli
from emukern.commands import cache as command
from emukern.linux import sources
from emukern.linux.cache import Cache


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The cache that the command sees: a boot of each architecture, and a file that is none."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sources, "digest", lambda: BOOT.emukern)
    store = Cache()
    for boot in (BOOT, RISCV):
        store.save(replace(boot, memory=MEMORY), snapshot(), FACTS)
    os.utime(store.folder / f"{RISCV.name}.boot", (0, time.time() - 7300))
    (store.folder / "0123456789.boot").write_bytes(b"rubbish")
    os.utime(store.folder / "0123456789.boot", (0, time.time() - 15 * 86400))
    return store


@pytest.fixture
def emukern(capsys):
    """Run `emukern cache ARGUMENTS`; answers exit status, output and error output."""

    def run(*arguments):
        status = cli.main(["cache", *arguments])
        return (status, *capsys.readouterr())

    return run


@pytest.mark.parametrize("arguments", [(), ("list",)])
def test_a_line_for_each(store, emukern, arguments):
    status, out, err = emukern(*arguments)
    head, *rows, total = (line.split() for line in out.splitlines())
    assert head == "name kernel architecture memory size last used".split()
    mib = [f"{MEMORY >> 20}", "MiB", "0.1", "MiB"]
    assert rows == [
        [BOOT.name[:8], BOOT.release, "x86_64", *mib, "just", "now"],
        [RISCV.name[:8], RISCV.release, "riscv64", *mib, "2", "hours", "ago"],
        ["01234567", "(unreadable)", "0.0", "MiB", "2", "weeks", "ago"],
    ]
    assert total[:3] == ["3", "booted", "kernels,"]
    assert total[-1] == str(store.folder)
    assert (status, err) == (0, "")


def test_an_empty_cache(tmp_path, monkeypatch, emukern):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert emukern() == (0, f"nothing in {tmp_path}/emukern/kernels\n", "")
    assert emukern("remove", "--all")[:2] == (0, "removed 0 booted kernels, 0.0 MiB\n")
    assert list(tmp_path.iterdir()) == []


def test_the_path(store, emukern):
    assert emukern("path") == (0, f"{store.folder}\n", "")


def test_remove_by_name_and_by_release(store, emukern):
    assert emukern("remove", BOOT.name[:8])[:2] == (0, "removed 1 booted kernel, 0.1 MiB\n")
    assert emukern("remove", RISCV.release, "0123")[0] == 0
    assert store.entries() == []


def test_remove_everything(store, emukern):
    assert emukern("remove", "--all")[1].startswith("removed 3 booted kernels, ")
    assert list(store.folder.iterdir()) == []


@pytest.mark.parametrize("wrong", [(), ("nothing-like-this",), ("--all", "0123"), (BOOT.release, "nothing")])
def test_what_cannot_be_removed(store, emukern, wrong):
    status, out, err = emukern("remove", *wrong)
    assert (status, out) == (2, "")
    assert err.startswith("emukern: ")
    assert len(err.splitlines()) == 1
    assert len(store.entries()) == 3


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (3599, "59 minutes ago"),
        (7200, "2 hours ago"),
        (86400 * 6.9, "6 days ago"),
        (86400 * 14, "2 weeks ago"),
        (86400 * 800, "2 years ago"),
    ],
)
def test_ages(seconds, words):
    assert command.age(seconds) == words
