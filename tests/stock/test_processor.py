"""boot_cpu_data, which modules read inline, says what cpuid says on the machine's CPU model."""

from __future__ import annotations

import pytest
import unicorn
from corpus import Bench
from unicorn import x86_const

from emukern.arch import get

CAPABILITY = 40  # offset of the feature words in struct cpuinfo_x86
LEAVES = {0: (1, x86_const.UC_X86_REG_EDX), 1: (0x8000_0001, x86_const.UC_X86_REG_EDX)}
LEAVES |= {4: (1, x86_const.UC_X86_REG_ECX), 6: (0x8000_0001, x86_const.UC_X86_REG_ECX)}
LEAVES |= {9: (7, x86_const.UC_X86_REG_EBX), 16: (7, x86_const.UC_X86_REG_ECX)}


def cpuid(leaf: int, register: int) -> int:
    """What the instruction leaves in `register` on a bare CPU of the machine's model."""
    arch, mode, model = get("x86_64").unicorn
    cpu = unicorn.Uc(arch, mode)
    cpu.ctl_set_cpu_model(model)
    cpu.mem_map(0x1000, 0x1000)
    cpu.mem_write(0x1000, b"\x0f\xa2")
    cpu.reg_write(x86_const.UC_X86_REG_RAX, leaf)
    cpu.reg_write(x86_const.UC_X86_REG_RCX, 0)
    cpu.emu_start(0x1000, 0x1002)
    return int(cpu.reg_read(register))


def test_feature_words(bench: Bench) -> None:
    if bench.arch != "x86_64":
        pytest.skip("only x86 modules read boot_cpu_data")
    words = bench.address("boot_cpu_data") + CAPABILITY
    for word, (leaf, register) in LEAVES.items():
        assert int.from_bytes(bench.read(words + 4 * word, 4), "little") == cpuid(leaf, register), word
