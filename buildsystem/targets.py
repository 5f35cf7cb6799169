"""What each guest architecture is to the compiler: flags for kernel mode, programs and assembly."""

from __future__ import annotations

from dataclasses import dataclass

SHARED = (
    "-std=gnu11",
    "-O2",
    "-ffreestanding",
    "-fno-pic",
    "-fno-stack-protector",
    "-fno-strict-aliasing",
    "-fno-omit-frame-pointer",
    "-fno-asynchronous-unwind-tables",
    "-fno-unwind-tables",
    "-Wall",
    "-Werror",
    "-ferror-limit=5",
    "-fmacro-backtrace-limit=1",
)
# Backtraces name every caller only when frames are real, so there are no sibling calls. Plain char is
# unsigned, as in Linux since 6.2 on every architecture.
TRACEABLE = ("-g", "-gdwarf-4", "-fno-optimize-sibling-calls", "-mno-omit-leaf-frame-pointer")
KERNEL = (*SHARED, *TRACEABLE, "-funsigned-char")
USER = (*SHARED, "-Wextra", "-Wno-unused-parameter", "-g0", "-ffunction-sections", "-fdata-sections")


@dataclass(frozen=True)
class Target:
    """Flags: `kernel` of guest kernel and modules, `user` of programs, `assembly` of the kernel's .S."""

    name: str
    kernel: tuple[str, ...]
    user: tuple[str, ...]
    assembly: tuple[str, ...]


def _x86_64() -> Target:
    machine = ("-target", "x86_64-unknown-none-elf", "-march=x86-64")
    no_vectors = ("-mno-sse", "-mno-sse2", "-mno-mmx", "-msoft-float")
    kernel = (*machine, "-mcmodel=kernel", "-mno-red-zone", *no_vectors)
    return Target("x86_64", (*KERNEL, *kernel), (*USER, *machine), (*machine, "-g"))


def _riscv64() -> Target:
    machine = ("-target", "riscv64-unknown-none-elf", "-mcmodel=medany", "-mno-relax")
    # Kernel code is soft-float, as in Linux; the assembly may still save the floating-point registers.
    kernel = (*machine, "-march=rv64imac_zicsr_zifencei", "-mabi=lp64")
    user = (*machine, "-march=rv64imafdc_zicsr_zifencei", "-mabi=lp64d")
    assembly = (*machine, "-march=rv64imafdc_zicsr_zifencei", "-mabi=lp64", "-g")
    return Target("riscv64", (*KERNEL, *kernel), (*USER, *user), assembly)


TARGETS = (_x86_64(), _riscv64())
I386_USER = (*USER, "-target", "i386-unknown-none-elf", "-march=i686", "-mno-sse", "-mno-mmx")
