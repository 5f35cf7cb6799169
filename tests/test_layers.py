"""The house rules that a program can check: who imports whom, how large things are, how they are called."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

import emukern

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "emukern"

# A file imports only from its own row and from rows above it; names for type checkers alone do not count.
ROWS = (
    "errors flow trap event",
    "elf cdecl cexpr cparse ctype",
    "devices",
    "arch",
    "machine",
    "pretty ptr scalars varargs",
    "kmod",
    "kernel",
    "kapi syscalls",
    "dispatch run samples trace snapshot exchange guest",
    "linux",
    "terminal commands cli pytest_plugin __init__ __main__",
)
ROW = {name: row for row, names in enumerate(ROWS) for name in names.split()}
# Imports inside functions that reach for a later row, and why.
UPWARD = {
    ("kernel/kernel.py", "kapi"): "the kernel publishes what the files of kapi export",
    ("kernel/hypercall.py", "kapi"): "the boot maps a stub for each export",
}
UNICORN = re.compile(
    r"arch/\w+/(regs|trap|platform|cpuid|__init__)\.py|machine/(cpu|view|recorder|hooks|codepages)\.py"
)
LONGEST_FILE, LONGEST_FUNCTION = 400, 60
GENERATED = re.compile(r"arch/\w+/syscallnr\.py")
BANNED = {"util", "utils", "helper", "helpers", "manager", "base", "common", "misc", "core", "impl"}

FILES = {str(path.relative_to(PACKAGE)): path for path in sorted(PACKAGE.rglob("*.py")) if "built" not in path.parts}
TREES = {name: ast.parse(path.read_text()) for name, path in FILES.items()}
every_file = pytest.mark.parametrize("name", FILES)


def imports(tree):
    """(module, whether inside a function) for each import that happens at run time."""
    for_types = {
        inner
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    late = {inner for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) for inner in ast.walk(node)}
    for node in ast.walk(tree):
        if node in for_types:
            continue
        if isinstance(node, ast.Import):
            yield from ((alias.name, node in late) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the package"
            whole = node.module == "emukern"
            yield from ((f"emukern.{a.name}" if whole else node.module, node in late) for a in node.names)


def part(name):
    """The file or folder directly below the package."""
    return name.split("/")[0].removesuffix(".py")


@every_file
def test_imports_go_one_way(name):
    assert part(name) in ROW, f"{name} belongs to no row"
    for module, late in imports(TREES[name]):
        if module.split(".")[0] != "emukern":
            continue
        target = (module.split(".") + ["__init__"])[1]
        if target.startswith("__") or target in emukern.__all__:
            continue
        below = ROW[target] <= ROW[part(name)]
        assert below or (late and (name, target) in UPWARD), f"{name} imports {module}"


def test_siblings_do_not_import_each_other():
    for name, tree in TREES.items():
        for module, _ in imports(tree):
            pair = {part(name), (module.split(".") + [""])[1]}
            assert pair != {"kapi", "syscalls"}, f"{name} imports {module}"


@every_file
def test_the_engine_is_known_in_few_places(name):
    if not UNICORN.fullmatch(name):
        assert not [module for module, _ in imports(TREES[name]) if module.split(".")[0] == "unicorn"]


@every_file
def test_architectures_are_not_named_in_generic_code(name):
    if part(name) != "arch":
        named = [m for m, _ in imports(TREES[name]) if re.match(r"emukern\.arch\.(x86_64|riscv64)", m)]
        assert not named


@every_file
def test_files_and_functions_are_short(name):
    if GENERATED.fullmatch(name):
        return
    assert len(FILES[name].read_text().splitlines()) <= LONGEST_FILE
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.FunctionDef):
            length = node.end_lineno - node.lineno + 1
            assert length <= LONGEST_FUNCTION, f"{node.name} has {length} lines"


@every_file
def test_files_say_what_they_are(name):
    assert ast.get_docstring(TREES[name])


@every_file
def test_banned_names(name):
    words = set(re.split(r"[_/.]", name))
    assert not words & BANNED
    for node in ast.walk(TREES[name]):
        if isinstance(node, ast.ClassDef):
            words = {word.lower() for word in re.findall(r"[A-Z][a-z]*", node.name)}
            assert not words & BANNED, node.name
            assert not node.name.endswith("Handler"), node.name


@every_file
def test_all_is_sorted(name):
    for node in TREES[name].body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names = ast.literal_eval(node.value)
            assert names == sorted(names)


def test_the_public_names_are_there():
    import emukern

    for name in emukern.__all__:
        assert getattr(emukern, name).__name__ == name
    assert dir(emukern) == emukern.__all__
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        emukern.nothing  # noqa: B018


def test_the_version_is_said_once():
    import emukern

    project = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{emukern.__version__}"' in project


def test_importing_emukern_costs_nothing():
    code = "import sys; before = set(sys.modules); import emukern; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert [name for name in done.stdout.split() if name.startswith("emukern")] == ["emukern"]


def test_no_build_product_is_committed():
    done = subprocess.run(["git", "ls-files", "-z"], capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode:
        pytest.skip("this is no git checkout")
    kinds = (".ko", ".o", ".so", ".elf", ".pyc", ".a")
    assert [name for name in done.stdout.split("\0") if name.endswith(kinds) or name.startswith("emukern/built/")] == []
