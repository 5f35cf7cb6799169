"""Every chosen stock module loads and unloads with the errno and the messages that a real kernel recorded."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from typing import Any

import pytest
from corpus import Bench, expected, stock_module

ARCHES = ("x86_64", "riscv64")
ALL = [(arch, name) for arch in ARCHES for name in expected(arch)]
OVER_THE_COMMAND_LINE = ("crc7", "nls_cp437", "raid6_pq")


def shape(messages: list[tuple[int, str]], stable: str) -> list[tuple[int, str]]:
    """The messages as they are compared: where numbers vary, every run of digits and spaces counts as one."""
    if stable == "exact":
        return messages
    return [(level, re.sub(r"[ \d]+", "#", text)) for level, text in messages]


def recorded(messages: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(message["level"], message["text"]) for message in messages]


def test_there_are_enough_of_them() -> None:
    for arch in ARCHES:
        assert len(expected(arch)) >= 90
        assert sum(record["source"] == "recorded" for record in expected(arch).values()) >= 50


@pytest.mark.parametrize(("arch", "name"), ALL, indirect=["arch"])
def test_outcome(bench: Bench, name: str) -> None:
    record = expected(bench.arch)[name]
    bench.load(*record["deps"])
    before = len(bench.messages())
    assert bench.insmod_errno(name) == record["insmod_errno"]
    inserted = len(bench.messages())
    assert bench.rmmod_errno(name) == record["rmmod_errno"]
    messages, stable = bench.messages(), record["stable"]
    assert shape(messages[before:inserted], stable) == shape(recorded(record["insmod_kmsg"]), stable)
    assert shape(messages[inserted:], stable) == shape(recorded(record["rmmod_kmsg"]), stable)
    assert name not in {loaded for loaded, _, _ in bench.guest.lsmod()}


@pytest.mark.parametrize("arch", ARCHES)
@pytest.mark.parametrize("name", OVER_THE_COMMAND_LINE)
def test_emukern_run(arch: str, name: str) -> None:
    """`emukern run` takes the architecture from the file and prints the record."""
    record = expected(arch)[name]
    command = [sys.executable, "-m", "emukern", "run", "--json", str(stock_module(arch, record["path"]))]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    printed = json.loads(done.stdout)
    stable = record["stable"]
    for field in ("insmod_kmsg", "rmmod_kmsg"):
        assert shape(recorded(printed.pop(field)), stable) == shape(recorded(record[field]), stable)
    assert printed == {
        "name": name,
        "insmod_errno": 0,
        "insmod_errname": "OK",
        "rmmod_errno": 0,
        "rmmod_errname": "OK",
    }
