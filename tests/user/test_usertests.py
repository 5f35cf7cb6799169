"""The kernel's own tests (usertests) must hold on Linux before the tiny kernel is measured by them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.user.programs import launcher, run

# What qemu's user mode answers otherwise than Linux: it keeps pages below a lowered brk, and looks at
# pointers in another order than at the values beside them.
QEMU_DIFFERS = {"brk", "bad-pointers", "bad-log-buffer"}


@pytest.mark.parametrize("group", ["filetests", "proctests", "memtests", "faulttests"])
@pytest.mark.parametrize("arch", ["x86_64", "riscv64"])
def test_group_passes_on_linux(arch: str, group: str, tmp_path: Path) -> None:
    known = QEMU_DIFFERS if launcher(arch) else set()
    lines = run(arch, tmp_path, group).splitlines()
    failed = {line.split()[1].rstrip(":") for line in lines if line.endswith("FAILED")}
    assert failed <= known, "\n".join(lines)
    assert any(line.endswith("OK") for line in lines)


def test_all_groups_from_one_program(tmp_path: Path) -> None:
    if launcher("x86_64"):
        pytest.skip("usertests starts programs, which only an x86_64 host can do")
    assert run("x86_64", tmp_path, "usertests").endswith("usertests: ALL TESTS PASSED\nstatus 0\n")
