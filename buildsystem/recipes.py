"""What there is to build, as a list of products: which sources make which file of emukern/built.

First every source becomes an object, two or more at a time, then every product is linked from its objects. A
product that fails does not keep the others from being built; all failures are told together at the end.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol

from buildsystem import modpost
from buildsystem.cache import Cache, default_folder
from buildsystem.rust import NoRust, Rust
from buildsystem.targets import I386_USER, TARGETS, Target
from buildsystem.toolchain import BuildError, Toolchain

COMPAT_PROGRAMS = ("insmod", "rmmod", "lsmod")  # also built for i386, to prove the 32-bit system calls
PROGRAM_LINK = (
    "-static",
    "--gc-sections",
    "--strip-all",
    "--image-base=0x400000",
    "-z",
    "max-page-size=4096",
)
KERNEL_LINK = ("-static", "-no-pie", "-z", "max-page-size=4096", "--no-relax")
NATIVE_FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-ffreestanding", "-fno-stack-protector", "-Wall", "-Werror")


Objects = list["Future[Path]"]


class Link(Protocol):
    """Makes one file from objects."""

    def __call__(self, objects: list[Path]) -> Path: ...


@dataclass
class Product:
    """One file below emukern/built: `finish` turns its objects into it."""

    path: str
    objects: Objects
    finish: Link

    def make(self) -> Path:
        """The finished file in the cache; BuildError with every failure among its objects."""
        failures = [error for error in (future.exception() for future in self.objects) if error]
        if failures:
            raise failures[0]
        return self.finish([future.result() for future in self.objects])


@dataclass
class Report:
    """What a build did: files below emukern/built, warnings, how many steps the cache did not know."""

    files: dict[str, bytes] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    made: int = 0


class Build:
    """One run over all sources below `root`."""

    def __init__(self, root: Path, pool: ThreadPoolExecutor, cache: Cache) -> None:
        self.root, self.pool = root, pool
        self.tools = Toolchain(root, cache)
        self.cache = cache
        self.report = Report()
        self.guest_headers = root / "guest" / "include"

    def sources(self, folder: str, *patterns: str) -> list[Path]:
        """The files of one folder that match, in order of name."""
        return sorted(path for pattern in patterns for path in (self.root / folder).glob(pattern))

    def objects(self, sources: Iterable[Path], flags: Sequence[str], includes: Sequence[Path]) -> Objects:
        """Start compiling; the results come as futures."""
        return [self.pool.submit(self.tools.compile, source, flags, includes) for source in sources]

    def kernel(self, target: Target) -> list[Product]:
        """kernel.elf from guest/kernel/*.c, guest/arch/ARCH/*.[cS], placed by guest/arch/ARCH/kernel.ld."""
        arch = f"guest/arch/{target.name}"
        script = self.root / arch / "kernel.ld"
        if not script.exists():
            self.report.warnings.append(f"{arch}/kernel.ld is missing: no guest kernel for {target.name}")
            return []
        includes = [self.guest_headers, self.root / "guest" / "kernel", self.root / arch]
        code = [*self.sources("guest/kernel", "*.c"), *self.sources(arch, "*.c")]
        objects = self.objects(self.sources(arch, "*.S"), target.assembly, includes)
        objects += self.objects(code, (*target.kernel, f"-DARCH_{target.name}"), includes)
        path = f"{target.name}/kernel.elf"
        return [self._linked(path, objects, KERNEL_LINK, script)]

    def programs(
        self, arch: str, flags: Sequence[str], folder: str, only: Sequence[str] = ()
    ) -> list[Product]:
        """One static program for each guest/user/*.c, linked with guest/user/lib."""
        sources = [path for path in self.sources("guest/user", "*.c") if not only or path.stem in only]
        return self._programs(sources, arch, flags, folder, ["guest/user"])

    def borrowed(self, target: Target) -> list[Product]:
        """One static program for each guest/linux/*.c: user space for a kernel that is not ours."""
        sources = self.sources("guest/linux", "*.c")
        return self._programs(
            sources, target.name, target.user, f"{target.name}/linux", ["guest/linux", "guest/user"]
        )

    def _programs(
        self, sources: Sequence[Path], arch: str, flags: Sequence[str], folder: str, places: Sequence[str]
    ) -> list[Product]:
        """One program for each of `sources`, linked with what lies in lib and lib/ARCH of all `places`."""
        if sources and not self.sources(f"guest/user/lib/{arch}", "start.S"):
            self.report.warnings.append(f"guest/user/lib/{arch}/start.S is missing: no programs for {arch}")
            return []
        includes = [*(self.root / place / "include" for place in places), self.guest_headers]
        folders = [(f"{place}/lib", f"{place}/lib/{arch}") for place in places]
        code = [
            path
            for own, machine in folders
            for path in (*self.sources(own, "*.c"), *self.sources(machine, "*.[cS]"))
        ]
        library = self.objects(code, flags, includes) if sources else []
        return [
            self._linked(
                f"{folder}/{source.stem}", [*self.objects([source], flags, includes), *library], PROGRAM_LINK
            )
            for source in sources
        ]

    def _linked(
        self, path: str, objects: Objects, flags: Sequence[str], script: Path | None = None
    ) -> Product:
        return Product(path, objects, lambda objects: self.tools.link(path, objects, flags, script))

    def native(self) -> list[Product]:
        """native.so for the host's Python; without it emukern uses a Python hook, slower but the same."""
        source = self.root / "emukern" / "machine" / "native.c"
        if not source.exists():
            return []
        if not sys.platform.startswith("linux"):
            self.report.warnings.append("no native block hook on this system: the Python one will be used")
            return []
        try:
            made = self.tools.compile(source, NATIVE_FLAGS, [])
            linked = self.tools.link("native.so", [made], ("-shared", "-z", "noexecstack"))
        except BuildError as error:
            self.report.warnings.append(f"{error}\nno native block hook: the Python one will be used")
            return []
        return [Product("native.so", [], lambda objects: linked)]

    def modules(self, target: Target) -> list[Product]:
        """NAME.ko for each folder modules/NAME with .c or .rs files in it, plus modules.dep and SKIPPED."""
        flags = (*target.kernel, "-DMODULE")
        includes = [self.root / "modules" / "include", self.guest_headers]
        objects: dict[str, Objects] = {}
        skipped: list[str] = []
        for folder in sorted(path for path in (self.root / "modules").glob("*") if path.is_dir()):
            code, crates = sorted(folder.glob("*.c")), sorted(folder.glob("*.rs"))
            name = folder.name
            if code:
                objects[name] = self.objects(code, (*flags, *modname(name)), includes)
            elif crates:
                try:
                    objects[name] = [self._crate(target, crates[0])]
                except NoRust as reason:
                    skipped.append(f"{name}: {reason}\n")
        self.report.files[f"{target.name}/modules/SKIPPED"] = "".join(skipped).encode()
        return self._modules(target, flags, includes, objects)

    def _crate(self, target: Target, source: Path) -> Future[Path]:
        done: Future[Path] = Future()
        done.set_result(Rust(self.root, target.name, self.cache).compile(source))
        return done

    def _modules(
        self, target: Target, flags: Sequence[str], includes: Sequence[Path], objects: dict[str, Objects]
    ) -> list[Product]:
        """Tails need to know what every other module exports, so this waits for all objects."""
        known = {
            name: modpost.symbols_of(future.result() for future in futures)
            for name, futures in objects.items()
            if not any(future.exception() for future in futures)
        }
        needs = {name: modpost.dependencies(symbols, known) for name, symbols in known.items()}
        rows = [f"{name}.ko:{''.join(f' {need}.ko' for need in wanted)}\n" for name, wanted in needs.items()]
        self.report.files[f"{target.name}/modules/modules.dep"] = "".join(rows).encode()
        script = self.root / "modules" / "module.lds"

        def finish(objects: list[Path], name: str) -> Path:
            text = modpost.tail(known[name], needs[name])
            last = self.tools.compile_text(f"{name}.mod.c", text, (*flags, *modname(name)), includes)
            return self.tools.link(f"{name}.ko", [*objects, last], ("-r",), script)

        return [
            Product(f"{target.name}/modules/{name}.ko", futures, partial(finish, name=name))
            for name, futures in objects.items()
        ]

    def collect(self, products: Sequence[Product]) -> None:
        """Finish every product; BuildError with all different failures."""
        failures: dict[str, None] = {}
        for product, future in [(product, self.pool.submit(product.make)) for product in products]:
            try:
                self.report.files[product.path] = future.result().read_bytes()
            except BuildError as error:
                failures[str(error)] = None
        if failures:
            raise BuildError("\n".join(failures))


def modname(name: str) -> tuple[str, ...]:
    """The macros Kbuild passes: the module's name as a string."""
    return (f'-DKBUILD_MODNAME="{modpost.module_name(name)}"',)


def install(files: dict[str, bytes], built: Path, *, keep_others: bool) -> None:
    """Bring emukern/built up to date, touching only what differs; what nothing makes any more goes."""
    for path, data in files.items():
        target = built / path
        if target.is_file() and target.read_bytes() == data:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.{os.getpid()}")
        fresh.write_bytes(data)
        if data[:4] == b"\x7fELF":
            fresh.chmod(0o755)
        fresh.replace(target)
    if not keep_others:
        for old in [old for old in built.rglob("*") if old.is_file()]:
            if old.relative_to(built).as_posix() not in files:
                old.unlink()


def build(root: Path) -> Report:
    """Make emukern/built below `root`; BuildError when something that must be there could not be made."""
    cache = Cache(default_folder())
    with ThreadPoolExecutor(max_workers=min(4, os.cpu_count() or 2)) as pool:
        run = Build(root, pool, cache)
        for header in run.sources("guest/include/emukern", "*.h"):
            run.report.files[header.name] = header.read_bytes()
        products = run.native()
        for target in TARGETS:
            products += run.kernel(target)
            products += run.programs(target.name, target.user, f"{target.name}/bin")
            products += run.borrowed(target)
        products += run.programs("i386", I386_USER, "x86_64/bin32", COMPAT_PROGRAMS)
        for target in TARGETS:
            products += run.modules(target)
        failed = True
        try:
            run.collect(products)
            failed = False
        finally:
            install(run.report.files, root / "emukern" / "built", keep_others=failed)
    if cache.made:
        cache.forget_old()
    run.report.made = cache.made
    return run.report
