"""Every chosen stock module loads and unloads with the errno and the messages that a real kernel recorded."""

from __future__ import annotations

import re
from typing import Any

import pytest
from corpus import Bench, expected

NAMES = sorted({name for arch in ("x86_64", "riscv64") for name in expected(arch)})


def shape(messages: list[tuple[int, str]], stable: str) -> list[tuple[int, str]]:
    """The messages as they are compared: where numbers vary, every run of digits and spaces counts as one."""
    if stable == "exact":
        return messages
    return [(level, re.sub(r"[ \d]+", "#", text)) for level, text in messages]


def recorded(messages: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(message["level"], message["text"]) for message in messages]


def test_there_are_enough_of_them() -> None:
    for arch in ("x86_64", "riscv64"):
        assert len(expected(arch)) >= 90
        assert sum(record["source"] == "recorded" for record in expected(arch).values()) >= 50


@pytest.mark.parametrize("name", NAMES)
def test_outcome(bench: Bench, name: str) -> None:
    record = expected(bench.arch).get(name)
    if record is None:
        pytest.skip(f"{name} is not among the modules chosen for {bench.arch}")
    bench.load(*record["deps"])
    before = len(bench.messages())
    assert bench.insmod_errno(name) == record["insmod_errno"]
    inserted = len(bench.messages())
    assert bench.rmmod_errno(name) == record["rmmod_errno"]
    messages = bench.messages()
    stable = record["stable"]
    assert shape(messages[before:inserted], stable) == shape(recorded(record["insmod_kmsg"]), stable)
    assert shape(messages[inserted:], stable) == shape(recorded(record["rmmod_kmsg"]), stable)
