"""What the package build makes: the sample modules as files, and the build's own promises."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

ROOT = Path(__file__).parent.parent
BUILT = ROOT / "emukern" / "built"
ARCHES = {"x86_64": "EM_X86_64", "riscv64": "EM_RISCV"}
SAMPLES = sorted(path.parent.name for path in ROOT.glob("modules/*/*.c"))
SHF_WRITE, SHF_ALLOC, SHF_EXECINSTR = 1, 2, 4
SOURCES = ("buildsystem", "guest", "modules", "hatch_build.py", "emukern/machine")
arches = pytest.mark.parametrize("arch", ARCHES)
every_module = pytest.mark.parametrize("name", SAMPLES)


def module(arch: str, name: str) -> ELFFile:
    return ELFFile(io.BytesIO((BUILT / arch / "modules" / f"{name}.ko").read_bytes()))


def modinfo(elf: ELFFile) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for entry in elf.get_section_by_name(".modinfo").data().rstrip(b"\0").split(b"\0"):
        key, _, value = entry.decode().partition("=")
        found.setdefault(key, []).append(value)
    return found


def relocations(elf: ELFFile, section: str) -> dict[int, str]:
    """Offset → symbol name of the relocations of one section."""
    symbols = elf.get_section_by_name(".symtab")
    table = elf.get_section_by_name(f".rela{section}")
    return {r["r_offset"]: symbols.get_symbol(r["r_info_sym"]).name for r in table.iter_relocations()}


def unresolved(elf: ELFFile) -> set[str]:
    symbols = elf.get_section_by_name(".symtab").iter_symbols()
    return {symbol.name for symbol in symbols if symbol["st_shndx"] == "SHN_UNDEF" and symbol.name}


def first_line(name: str) -> str:
    """A sample's description: the comment its source starts with."""
    source = next((ROOT / "modules" / name).glob("*.[cr]*"))
    return source.read_text().splitlines()[0].removeprefix("// ")


@arches
@every_module
def test_module_is_a_relocatable_file_without_writable_code(arch, name):
    elf = module(arch, name)
    assert (elf["e_type"], elf["e_machine"], elf.elfclass) == ("ET_REL", ARCHES[arch], 64)
    for section in elf.iter_sections():
        flags = section["sh_flags"]
        assert not (flags & SHF_WRITE and flags & SHF_EXECINSTR), section.name
        assert not (section.name.startswith(".debug") and flags & SHF_ALLOC), section.name
    assert elf.get_section_by_name(".debug_info") is not None


@arches
@every_module
def test_module_says_who_it_is(arch, name):
    info = modinfo(module(arch, name))
    assert info["name"] == [name.replace("-", "_")]
    assert info["vermagic"] == ["0.1.0 emukern mod_unload"]
    assert info["license"] == ["GPL"]
    assert info["intree"] == ["Y"]
    assert info["description"] == [first_line(name)]
    assert info["depends"] == (["exports_a"] if name == "needs-a" else [""])


@arches
@every_module
def test_this_module_is_laid_out_as_in_linux_6_1(arch, name):
    elf = module(arch, name)
    this = elf.get_section_by_name(".gnu.linkonce.this_module")
    assert (this["sh_size"], this["sh_addralign"]) == (896, 64)
    assert this.data()[24:80].rstrip(b"\0").decode() == name.replace("-", "_")
    if name == "adder":
        assert elf.get_section_by_name(".rela.gnu.linkonce.this_module") is None
    else:
        pointers = relocations(elf, ".gnu.linkonce.this_module")
        assert pointers == {312: "init_module", 848: "cleanup_module"}


@arches
def test_exports_are_sorted_and_end_in_their_own_sections(arch):
    elf = module(arch, "exports-a")
    strings = elf.get_section_by_name("__ksymtab_strings").data()
    assert set(strings.strip(b"\0").split(b"\0")) == {
        b"exports_a_calls",
        b"exports_a_double",
        b"exports_a_secret",
    }
    symbols = elf.get_section_by_name(".symtab")
    entries = {s.name: s["st_value"] for s in symbols.iter_symbols() if s.name.startswith("__ksymtab_")}
    assert entries == {
        "__ksymtab_exports_a_calls": 0,
        "__ksymtab_exports_a_double": 12,
        "__ksymtab_exports_a_secret": 0,
    }
    assert elf.get_section_by_name("__ksymtab")["sh_size"] == 24
    assert elf.get_section_by_name("__ksymtab_gpl")["sh_size"] == 12


@arches
def test_needs_a_takes_its_symbols_from_exports_a(arch):
    wanted = {"exports_a_calls", "exports_a_double", "exports_a_secret"}
    assert wanted < unresolved(module(arch, "needs-a"))
    dep = (BUILT / arch / "modules" / "modules.dep").read_text().splitlines()
    assert "needs-a.ko: exports-a.ko" in dep
    assert "hello.ko:" in dep


@arches
def test_parameters_are_described_in_order(arch):
    elf = module(arch, "params")
    info = modinfo(elf)
    types = dict(entry.split(":", 1) for entry in info["parmtype"])
    names = "byte short ushort int uint long ulong ullong hexint bool invbool charp".split()
    assert {name: types[name] for name in names} == {name: name for name in names}
    assert types["numbers"] == "array of int"
    assert types["string"] == "string"
    assert "percent" not in types
    assert "percent:0 to 100, a percent sign is allowed" in info["parm"]
    assert elf.get_section_by_name("__param")["sh_size"] == 40 * 16
    # perm is a u16 at 24 of each struct kernel_param, level a signed byte after it.
    (perm, level) = struct.unpack_from("<Hb", elf.get_section_by_name("__param").data(), 24)
    assert (perm, level) == (0o644, -1)


@arches
def test_bss_and_common_has_both(arch):
    elf = module(arch, "bss-and-common")
    assert elf.get_section_by_name(".bss")["sh_size"] >= 256 * 1024
    symbols = elf.get_section_by_name(".symtab").iter_symbols()
    common = {s.name: (s["st_size"], s["st_value"]) for s in symbols if s["st_shndx"] == "SHN_COMMON"}
    assert common == {"common_counter": (4, 4), "common_array": (800, 32)}


@arches
def test_hello_has_text_rodata_and_data_only(arch):
    elf = module(arch, "hello")
    assert elf.get_section_by_name(".data..ro_after_init") is None
    core = [s for s in elf.iter_sections() if s["sh_flags"] & SHF_ALLOC and not s.name.startswith(".init")]
    text = sum(s["sh_size"] for s in core if s["sh_flags"] & SHF_EXECINSTR)
    data = sum(s["sh_size"] for s in core if s["sh_flags"] & SHF_WRITE)
    rodata = sum(s["sh_size"] for s in core) - text - data
    assert 0 < text < 4096
    assert 0 < rodata < 4096
    # The page of data also takes the symbol table.
    assert 0 < data < 2048


@arches
def test_warnings_carry_their_place(arch):
    elf = module(arch, "bug-and-warn")
    table = elf.get_section_by_name("__bug_table").data()
    entries = [struct.unpack_from("<iiHH", table, at) for at in range(0, len(table), 12)]
    source = (ROOT / "modules/bug-and-warn/bug-and-warn.c").read_text().splitlines()
    said = {(source[line - 1].strip().split("(")[0], flags) for _, _, line, flags in entries}
    assert said == {("WARN_ON", 0x901), ("WARN", 0x909), ("WARN_ON_ONCE", 0x903), ("BUG", 0)}
    assert b"modules/bug-and-warn/bug-and-warn.c\0" in elf.get_section_by_name(".rodata.str1.1").data()


@arches
def test_rust_module_is_built_or_its_absence_explained(arch):
    skipped = (BUILT / arch / "modules" / "SKIPPED").read_text().splitlines()
    reasons = dict(line.split(": ", 1) for line in skipped)
    if "hello-rust" in reasons:
        assert not (BUILT / arch / "modules" / "hello-rust.ko").exists()
        pytest.skip(f"hello-rust was not built for {arch}: {reasons['hello-rust']}")
    assert unresolved(module(arch, "hello-rust")) == {"_printk", "panic"}
    assert modinfo(module(arch, "hello-rust"))["description"] == [first_line("hello-rust")]


@pytest.fixture
def checkout(tmp_path):
    """A copy of what the build reads, with nothing built yet; the user's cache is used as always."""
    pytest.importorskip("ziglang", reason="the compiler of the package build is not installed")
    for name in SOURCES:
        source = ROOT / name
        copy = shutil.copytree if source.is_dir() else shutil.copy
        (tmp_path / name).parent.mkdir(exist_ok=True)
        copy(source, tmp_path / name)
    return tmp_path


def run_build(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "hatch_build.py"], cwd=checkout, capture_output=True, text=True)


def test_same_sources_give_the_same_files_and_cost_nothing(checkout):
    from buildsystem.recipes import build

    first = build(checkout)
    again = build(checkout)
    assert again.made == 0
    assert again.files == first.files
    built = checkout / "emukern" / "built"
    assert {p.relative_to(built).as_posix() for p in built.rglob("*") if p.is_file()} == set(first.files)
    assert str(checkout).encode() not in first.files["x86_64/modules/hello.ko"]


def test_file_that_nothing_makes_any_more_goes(checkout):
    assert run_build(checkout).returncode == 0
    shutil.rmtree(checkout / "modules" / "leak")
    assert run_build(checkout).returncode == 0
    built = checkout / "emukern" / "built" / "riscv64" / "modules"
    assert not (built / "leak.ko").exists()
    assert (built / "hello.ko").exists()


def test_broken_source_is_one_message_and_the_rest_is_built(checkout):
    (checkout / "modules" / "hello" / "hello.c").write_text("int broken(void) { return missing; }\n")
    done = run_build(checkout)
    assert done.returncode == 1
    assert done.stderr.startswith("emukern: cannot compile modules/hello/hello.c:\n")
    assert "use of undeclared identifier 'missing'" in done.stderr
    assert "Traceback" not in done.stderr
    modules = checkout / "emukern" / "built" / "x86_64" / "modules"
    assert not (modules / "hello.ko").exists()
    assert (modules / "params.ko").exists()


def test_native_hook_that_does_not_compile_is_only_a_warning(checkout):
    (checkout / "emukern" / "machine" / "native.c").write_text("#error not on this machine\n")
    done = run_build(checkout)
    assert done.returncode == 0
    assert "no native block hook: the Python one will be used" in done.stderr
    assert not (checkout / "emukern" / "built" / "native.so").exists()


def test_wheel_carries_what_was_built(checkout):
    pytest.importorskip("hatchling", reason="the backend of the package build is not installed")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, checkout)
    (checkout / "emukern" / "__init__.py").touch()
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel"]
    done = subprocess.run(command, cwd=checkout, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (wheel,) = (checkout / "dist").glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    built = checkout / "emukern" / "built"
    made = {p.relative_to(checkout).as_posix() for p in built.rglob("*") if p.is_file()}
    assert len(made) > 60
    assert made <= names
    assert not any(name.startswith(("guest/", "modules/", "buildsystem/")) for name in names)
    # The tag names this platform exactly when the native hook is inside.
    assert wheel.name.endswith("-py3-none-any.whl") == ("emukern/built/native.so" not in names)
