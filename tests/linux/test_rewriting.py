"""Kernels rewrite their own code through other addresses than it runs at; what the CPU translated must follow."""

import pytest


def test_the_functions_are_found(borrowed):
    symbols = borrowed.facts.symbols
    names = {symbols.at(one.function)[0] for one in borrowed.facts.rewriters}
    assert names & {"__text_poke", "__patch_insn_write"}
    assert names & {"execmem_free", "module_memfree"}


@pytest.mark.parametrize("name", ["dummy"])
def test_code_at_the_same_place_is_the_newest(borrowed, name):
    """The kernel's own loader puts one module after the other into the same pages."""
    blobs = [borrowed.tree.blob(borrowed.tree.paths[one]) for one in (name, "tun", name, "loop")]
    for blob in blobs:
        handle = borrowed.insmod(blob, via="kernel")
        borrowed.rmmod(handle.name)


def test_a_static_key_switches_code_that_has_run(borrowed):
    """Patched in the middle of a page full of translated code, and back."""
    before = borrowed.shell("cat /proc/sys/kernel/sched_schedstats").output
    assert borrowed.shell("echo 1 > /proc/sys/kernel/sched_schedstats").status == 0
    assert borrowed.shell("cat /proc/sys/kernel/sched_schedstats").output == "1\n"
    assert borrowed.shell(f"echo {before.strip()} > /proc/sys/kernel/sched_schedstats").status == 0
    assert borrowed.machine.rewritten == []
