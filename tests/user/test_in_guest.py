"""The same scripts and tests inside the emulated machine, on both architectures."""

from __future__ import annotations

import pytest

from emukern.guest import Guest, boot
from tests.user.programs import HERE, folder

SCRIPTS = sorted(path.stem for path in (HERE / "scripts").glob("*.sh"))


@pytest.fixture(params=["x86_64", "riscv64"])
def machine(request: pytest.FixtureRequest) -> Guest:
    folder(request.param)
    return boot(request.param)


def quoted(text: str) -> str:
    """`text` as one word of a shell's line."""
    return "'" + text.replace("'", "'\\''") + "'"


@pytest.mark.parametrize("name", SCRIPTS)
def test_script_prints_in_the_guest_what_it_prints_on_linux(machine: Guest, name: str) -> None:
    script = HERE / "scripts" / f"{name}.sh"
    written = machine.shell(f"mkdir /tmp/work; echo {quoted(script.read_text())} > /tmp/script")
    assert (written.output, written.status) == ("", 0)
    done = machine.shell("cd /tmp/work; sh /tmp/script")
    assert f"{done.output}status {done.status}\n" == script.with_suffix(".txt").read_text()


def test_usertests(machine: Guest) -> None:
    done = machine.shell("usertests")
    assert done.status == 0, done.output
    assert done.output.endswith("usertests: ALL TESTS PASSED\n")
