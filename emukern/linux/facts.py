"""What the host knows of a kernel image: enough to start from a snapshot without unpacking the image again."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from emukern.errors import ImageError
from emukern.linux import rewriting

if TYPE_CHECKING:
    from emukern.linux import tty
    from emukern.linux.image import KernelImage
    from emukern.linux.kallsyms import Kallsyms
    from emukern.linux.ksymtab import ExportTable
    from emukern.linux.rewriting import Watched

# The body of a system call that nothing but our agent makes; its first instruction is where a guest parks.
PARK = ("__x64_sys_getppid", "__riscv_sys_getppid", "__se_sys_getppid", "__do_sys_getppid", "sys_getppid")
KMALLOC = ("__kmalloc_noprof", "__kmalloc")


@dataclass
class Facts:
    """About one kernel: its names, its exports, and where it has what the host uses. Addresses are virtual."""

    arch: str
    release: str
    banner: str
    symbols: Kallsyms = field(repr=False)
    exports: ExportTable = field(repr=False)
    btf: tuple[int, int]  # first and last + 1
    linear: tuple[tuple[int, int, int], ...]  # (address, size, physical) of the image's segments
    park: int
    kmalloc: str
    rewriters: tuple[Watched, ...]  # functions through which the kernel rewrites code
    # Known once the kernel runs:
    direct_map: int | None = None
    tty: tty.Places | None = None

    def first_of(self, names: tuple[str, ...], what: str) -> str:
        """The first of `names` that the kernel has. Raises ImageError."""
        return _first(self.symbols, names, what, self.release)


def _first(symbols: Kallsyms, names: tuple[str, ...], what: str, release: str) -> str:
    for name in names:
        if symbols.address(name) is not None:
            return name
    raise ImageError(f"the kernel {release} has no {what} ({', '.join(names)}): emukern cannot work with it")


def gather(image: KernelImage, symbols: Kallsyms, exports: ExportTable) -> Facts:
    """The facts of an image."""
    start, stop = symbols.address("__start_BTF"), symbols.address("__stop_BTF")
    if start is None or stop is None:
        raise ImageError(f"the kernel {image.release} has no BTF type information (CONFIG_DEBUG_INFO_BTF)")
    park = symbols.address(_first(symbols, PARK, "getppid system call", image.release))
    assert park is not None
    from emukern.linux.btf import Btf

    return Facts(
        arch=image.arch,
        release=image.release,
        banner=image.banner,
        symbols=symbols,
        exports=exports,
        btf=(start, stop),
        linear=tuple((s.vaddr, s.memsz, s.paddr) for s in image.segments),
        park=park,
        kmalloc=_first(symbols, KMALLOC, "memory allocator", image.release),
        rewriters=rewriting.find(symbols, Btf(image.read(start, stop - start)), image.release),
    )
