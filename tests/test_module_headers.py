"""The kernel headers of modules/include: each compiles alone, and their macros do what Linux's do."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path

import pytest

pytest.importorskip("ziglang", reason="the compiler of the package build is not installed")

from buildsystem.cache import Cache, default_folder
from buildsystem.targets import TARGETS
from buildsystem.toolchain import Toolchain

ROOT = Path(__file__).parent.parent
INCLUDES = [ROOT / "modules" / "include", ROOT / "guest" / "include"]
HEADERS = sorted(p.relative_to(INCLUDES[0]).as_posix() for p in INCLUDES[0].rglob("*.h"))


@pytest.fixture(scope="module")
def tools():
    return Toolchain(ROOT, Cache(default_folder()))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
@pytest.mark.parametrize("header", HEADERS)
def test_header_needs_no_other_before_it(tools, header, target):
    text = f"#include <{header}>\n#include <{header}>\nint unused;\n"
    tools.compile_text("alone.c", text, (*target.kernel, '-DKBUILD_MODNAME="alone"'), INCLUDES)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="links a shared object with lld for ELF")
def test_macros_do_what_linux_ones_do(tools):
    flags = ("-std=gnu11", "-O1", "-fPIC", "-ffreestanding", "-fno-stack-protector", "-Wall", "-Werror")
    compiled = tools.compile(ROOT / "tests" / "module_headers.c", flags, INCLUDES)
    library = ctypes.CDLL(str(tools.link("module_headers.so", [compiled], ("-shared",))))
    wrong = library.check()
    assert wrong == 0, f"tests/module_headers.c:{wrong}"


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_parameter_of_the_wrong_type_does_not_compile(tools, target):
    from buildsystem.toolchain import BuildError

    text = "#include <linux/module.h>\nstatic long n;\nmodule_param(n, int, 0);\n"
    with pytest.raises(BuildError, match="incompatible pointer types returning 'long \\*'"):
        tools.compile_text("wrong.c", text, (*target.kernel, '-DKBUILD_MODNAME="wrong"'), INCLUDES)
