"""Modules of a distribution's kernel by name, with what they need; and the one call that boots it."""

import re
import shutil

import pytest

import emukern
from emukern import ModuleError, UsageError
from emukern.linux import modprobe

QUIET, NEEDS = "dummy", "macvtap"
OTHER = {"x86_64": "riscv64", "riscv64": "x86_64"}


def loaded(guest):
    return {name for name, _, _ in guest.lsmod()}


def in_tree(guest, name):
    return guest.tree.root / guest.tree.paths[name]


@pytest.mark.parametrize("via", ["loader", "kernel"])
def test_what_it_needs_goes_in_first(borrowed, via):
    module = borrowed.modprobe(NEEDS, via=via)
    assert module.name == NEEDS
    assert loaded(borrowed) >= {NEEDS, "macvlan", "tap"}


def test_what_is_there_already_is_no_obstacle(borrowed):
    borrowed.modprobe("macvlan")
    borrowed.modprobe(NEEDS)
    with pytest.raises(ModuleError) as refusal:
        borrowed.modprobe(NEEDS)
    assert refusal.value.errno == 17


def test_a_file_of_the_tree_and_one_beside_it(borrowed, tmp_path):
    file = in_tree(borrowed, NEEDS)
    needed = [modprobe.module_name(path.name) for path, required in modprobe.before(borrowed, file) if required]
    assert set(needed) == {"macvlan", "tap"}
    copy = tmp_path / file.name
    shutil.copy(file, copy)
    assert {path.name for path, _ in modprobe.before(borrowed, copy)} == {
        path.name for path, _ in modprobe.before(borrowed, file)
    }
    borrowed.modprobe(str(copy))
    assert NEEDS in loaded(borrowed)


def test_a_soft_dependency_may_fail_or_be_missed(borrowed):
    soft = next(name for name, (pre, _) in borrowed.tree.softdeps.items() if pre and name in borrowed.tree.paths)
    files = modprobe.before(borrowed, in_tree(borrowed, soft))
    assert any(not required for _, required in files)


def test_parameters(borrowed):
    borrowed.modprobe(QUIET, numdummies=3)
    assert [name for name in borrowed.shell("ls /sys/class/net").output.split() if name.startswith(QUIET)] == [
        "dummy0",
        "dummy1",
        "dummy2",
    ]


def test_insmod_takes_names_paths_and_bytes(borrowed):
    for module in (
        QUIET,
        in_tree(borrowed, QUIET),
        str(in_tree(borrowed, QUIET)),
        borrowed.tree.blob(borrowed.tree.paths[QUIET]),
    ):
        borrowed.insmod(module)
        borrowed.rmmod(QUIET)


def test_names_that_mean_nothing_something_else_or_too_much(borrowed):
    with pytest.raises(ModuleError, match="no_such_module not found") as missing:
        borrowed.modprobe("no_such_module")
    assert missing.value.errno == 2
    with pytest.raises(ModuleError, match="could not load module ./no.ko: No such file"):
        borrowed.insmod("./no.ko")
    builtin = next(iter(sorted(borrowed.tree.builtin - set(borrowed.tree.paths))))
    with pytest.raises(UsageError, match=re.escape(f"{builtin} is built into the kernel {borrowed.release}")):
        borrowed.modprobe(builtin)


def test_one_call_boots_it(kernel_image, arch):
    guest = emukern.boot(kernel=kernel_image)
    assert isinstance(guest, emukern.LinuxGuest)
    assert guest.arch == arch
    assert guest.release in kernel_image.name
    assert guest.modprobe(QUIET).name == QUIET
    with pytest.raises(UsageError, match=f"is for {arch}, not for {OTHER[arch]}"):
        emukern.boot(OTHER[arch], kernel=kernel_image)
    with pytest.raises(emukern.ImageError, match="there is no kernel image at /nowhere"):
        emukern.boot(kernel="/nowhere")
