"""Loading and unloading on a made-up kernel: order, words, errnos, and that a failure leaves nothing behind."""

import errno
import pickle

import pytest

from emukern import elf
from emukern.errors import Errno, ModuleError
from emukern.kmod.load import load_module
from emukern.kmod.module import State
from emukern.kmod.unload import unload_module
from tests.elfwriter import ABS64, COMMON, DATA, RODATA, TEXT, WEAK, ElfWriter
from tests.kmod.fakehost import FakeKernel

CALL = {"x86_64": 4, "riscv64": 19}
CODE = {"x86_64": b"\xe8" + bytes(4) + b"\xc3" + bytes(10), "riscv64": bytes.fromhex("97000000e7800000") + bytes(8)}
AT = {"x86_64": 1, "riscv64": 0}
ADDEND = {"x86_64": -4, "riscv64": 0}


@pytest.fixture(params=["x86_64", "riscv64"])
def arch(request):
    return request.param


@pytest.fixture
def k(arch):
    return FakeKernel(arch, exports=["printk", "param_ops_int"])


def writer_for(k, name="probe", calls=("printk",), init=True, leave=True, **info):
    """A module whose .text calls the given functions, with an init in .init.text and an exit."""
    writer = ElfWriter(k.arch.e_machine)
    size = len(CODE[k.arch.name])
    text = writer.section(".text", CODE[k.arch.name] * max(len(calls), 1), TEXT)
    for i, function in enumerate(calls):
        writer.rela(text, i * size + AT[k.arch.name], CALL[k.arch.name], function, ADDEND[k.arch.name])
    writer.section(".rodata", b"words", RODATA)
    writer.section(".data", bytes(16), DATA)
    writer.bss(64)
    if init:
        writer.symbol("init_module", writer.section(".init.text", CODE[k.arch.name], TEXT))
    if leave:
        writer.symbol("cleanup_module", text)
    writer.module(name, "init_module" if init else "", "cleanup_module" if leave else "", **info)
    return writer


def export(writer, name, k, gpl=False, section=1, at=0):
    """Let the module export a symbol at `at` in `section`, with pointers as riscv64's struct kernel_symbol has them."""
    table = writer.section(f"___ksymtab{'_gpl' if gpl else ''}+{name}", bytes(24), RODATA)
    writer.symbol(name, section, at)
    writer.symbol(f"__ksymtab_{name}", table, bind=0)
    writer.rela(table, 0, ABS64[k.arch.e_machine], name)


def insmod(k, writer, args="", **more):
    blob = writer if isinstance(writer, bytes) else writer.build()
    return k.run(load_module(k, blob, args, **more))


def refused(k, writer, args=""):
    """errno and log lines of a refused module; checks that nothing is left of it."""
    before = state(k)
    lines = len(k.log.lines)
    with pytest.raises(ModuleError) as refusal:
        insmod(k, writer, args)
    assert state(k) == before
    return refusal.value.errno, k.log.lines[lines:]


def state(k):
    """Everything a failed load must leave as it was."""
    return (
        pickle.dumps((k.symbols, k.modules, k.heap.owners)),
        {a: bytes(b) for a, b in k.mem.blocks.items()},
        dict(k.module_area.prot),
    )


def test_a_module_goes_live(k):
    assert insmod(k, writer_for(k), "unknown=1") == 0
    module = k.modules["probe"]
    assert (module.state, module.refcnt, module.size, module.init_size) == (State.LIVE, 0, 12288, 0)
    assert module.proc_line == f"probe 12288 0 - Live {module.core:#018x}"
    assert k.mem.u32(module.this_module) == State.LIVE
    assert [a for a, _ in k.calls] == [module.init]
    assert k.text == ["probe: unknown parameter 'unknown' ignored"]
    assert k.module_area.prot == {
        module.core: "rx",
        module.core + 4096: "r",
        module.core + 8192: "rw",
    }
    copy = pickle.loads(pickle.dumps(module))
    assert (copy.proc_line, copy.regions, list(copy.symbols.rows())) == (
        module.proc_line,
        module.regions,
        list(module.symbols.rows()),
    )


def test_unloading_leaves_nothing(k):
    before = state(k)
    insmod(k, writer_for(k), "a=1 b")
    assert k.run(unload_module(k, "probe")) == 0
    assert state(k) == before


def test_pages_are_protected_while_init_runs(k):
    seen = {}
    writer = writer_for(k)
    writer.section(".init.data", bytes(8), DATA)
    writer.section(".init.rodata", bytes(8), RODATA)
    writer.section(".data..ro_after_init", bytes(8), DATA)

    def init(k):
        module = k.modules["probe"]
        assert module.state is State.COMING
        assert module.proc_line.endswith("(+)")
        seen.update({(r.kind, r.init): k.module_area.prot[r.address] for r in module.regions})
        return 0

    answer = load_module(k, writer.build())
    k.functions[answer.address] = init
    k.run(answer)
    assert seen == {
        ("text", False): "rx",
        ("rodata", False): "r",
        ("ro_after_init", False): "rw",
        ("data", False): "rw",
        ("text", True): "rx",
        ("rodata", True): "r",
        ("data", True): "rw",
    }
    module = k.modules["probe"]
    assert {r.kind: k.module_area.prot[r.address] for r in module.regions}["ro_after_init"] == "r"
    assert all(not name.startswith(".init") for name in module.sections)


def test_init_fails(k):
    before = state(k)
    answer = load_module(k, writer_for(k).build(), "a=1")
    k.functions[answer.address] = lambda k: -19 & 0xFFFF_FFFF
    assert k.run(answer) == -19
    assert state(k) == before
    assert k.text == ["probe: unknown parameter 'a' ignored"]


def test_init_returns_too_much(k):
    answer = load_module(k, writer_for(k).build())
    k.functions[answer.address] = lambda k: 5
    assert k.run(answer) == 0
    assert k.modules["probe"].state is State.LIVE
    assert k.log.lines == [
        (4, "do_init_module: 'probe'->init suspiciously returned 5, it should follow 0/-E convention"),
        (4, "do_init_module: loading module anyway..."),
    ]


def test_every_missing_symbol_is_named(k):
    writer = writer_for(k, calls=("nowhere", "printk", "elsewhere"))
    writer.symbol("perhaps", bind=WEAK)
    assert refused(k, writer) == (
        errno.ENOENT,
        [(4, "probe: Unknown symbol nowhere (err -2)"), (4, "probe: Unknown symbol elsewhere (err -2)")],
    )


def test_missing_symbols_may_be_stood_in_for(k):
    k.stand_ins = {}
    assert insmod(k, writer_for(k, calls=("nowhere", "printk"))) == 0
    assert list(k.stand_ins) == ["nowhere"]


def test_gpl_symbols_are_not_there_for_others(k):
    k.export("secret", gpl=True)
    assert insmod(k, writer_for(k, calls=("secret",))) == 0
    code, lines = refused(k, writer_for(k, "other", calls=("secret",), license="Proprietary"))
    assert code == errno.ENOENT
    assert [text for _, text in lines] == [
        "other: module license 'Proprietary' taints kernel.",
        "Disabling lock debugging due to kernel taint",
        "other: Unknown symbol secret (err -2)",
    ]
    assert k.taints == {"P"}


def test_taint_lines_come_once(k):
    without = writer_for(k)
    without.sections = [s for s in without.sections if s.name != ".modinfo"]
    for name in ("first", "second"):
        writer = writer_for(k, name)
        modinfo = next(s for s in writer.sections if s.name == ".modinfo")
        modinfo.data = modinfo.data.replace(b"intree=Y", b"intrex=Y")
        insmod(k, writer)
    assert k.text == ["first: loading out-of-tree module taints kernel."]
    assert k.modules["second"].flags == "(O)"


def test_common_symbols(k):
    writer = writer_for(k)
    writer.symbol("shared", COMMON, value=32, size=100)
    k.allow_common = False
    assert refused(k, writer) == (errno.ENOEXEC, [(4, "probe: please compile with -fno-common")])
    k.allow_common = True
    insmod(k, writer)
    module = k.modules["probe"]
    address = next(v for n, v, _ in module.symbols.rows() if n == "cleanup_module")
    assert address == module.exit


def test_bad_section_index(k):
    writer = writer_for(k)
    writer.symbol("odd", 0x300)
    code, lines = refused(k, writer)
    last = len(elf.parse(writer.build(), k.arch.e_machine).sections) - 1
    assert code == errno.ENOEXEC
    assert lines == [(3, f"probe: Symbol odd has an invalid section index 768 (max {last})")]


def test_writable_code(k):
    writer = writer_for(k)
    writer.sections[1].flags |= 1
    text = "probe: section .text (index 1) has invalid WRITE|EXEC flags"
    assert refused(k, writer) == (errno.ENOEXEC, [(3, text)])


def test_the_same_name_twice(k):
    insmod(k, writer_for(k))
    assert refused(k, writer_for(k)) == (errno.EEXIST, [])
    k.modules["probe"].state = State.COMING
    assert refused(k, writer_for(k)) == (errno.EBUSY, [])


@pytest.mark.parametrize("size", [1 << 30, 1 << 60, (1 << 64) - 8])
def test_no_memory(k, size):
    writer = writer_for(k)
    writer.bss(size, ".bss.huge")
    assert refused(k, writer) == (errno.ENOMEM, [])


def test_vermagic(k):
    k.vermagic = "6.1.0 SMP mod_unload "
    code, lines = refused(k, writer_for(k, vermagic="6.2.0 SMP mod_unload "))
    assert (code, lines) == (
        errno.ENOEXEC,
        [(3, "probe: version magic '6.2.0 SMP mod_unload ' should be '6.1.0 SMP mod_unload '")],
    )
    insmod(k, writer_for(k, vermagic=k.vermagic))
    assert refused(k, writer_for(k, "another", vermagic="x"), "")[0] == errno.ENOEXEC
    insmod(k, writer_for(k, "forced", vermagic="x"), flags=2)
    assert "forced: bad vermagic: kernel tainted." in k.text


def test_versions(k):
    k.export("counted", crc=0x1234)
    for crc, line in ((0x9999, "disagrees about version of symbol counted"), (None, "no symbol version for counted")):
        writer = writer_for(k, calls=("counted",))
        name = b"counted" if crc else b"#ounted"
        writer.section("__versions", (crc or 0).to_bytes(8, "little") + name.ljust(56, b"\0"), RODATA)
        assert refused(k, writer) == (
            errno.EINVAL,
            [(4, f"probe: {line}"), (4, "probe: Unknown symbol counted (err -22)")],
        )
        k.taints.clear()
    writer = writer_for(k, calls=("counted",))
    writer.section("__versions", 0x1234.to_bytes(8, "little") + b"counted".ljust(56, b"\0"), RODATA)
    assert insmod(k, writer) == 0


def test_exports_and_references(k):
    library = writer_for(k, "library", init=False)
    export(library, "shared", k)
    insmod(k, library)
    user = writer_for(k, "user", calls=("shared", "shared"))
    insmod(k, user)
    first, second = k.modules["library"], k.modules["user"]
    assert (first.refcnt, first.holders, second.uses) == (1, ["user"], ["library"])
    assert " 1 user, Live" in first.proc_line
    with pytest.raises(Errno) as busy:
        unload_module(k, "library")
    assert busy.value.number == errno.EWOULDBLOCK
    assert k.run(unload_module(k, "user")) == 0
    assert (first.refcnt, first.holders) == (0, [])
    assert k.run(unload_module(k, "library")) == 0
    assert k.symbols.modules.table == {}


def test_a_failed_user_gives_its_references_back(k):
    library = writer_for(k, "library", init=False)
    export(library, "shared", k)
    insmod(k, library)
    refused(k, writer_for(k, "user", calls=("shared", "nowhere")))
    assert k.modules["library"].refcnt == 0


def test_exporting_a_taken_name(k):
    for name, owner in (("printk", "kernel"), ("shared", "library")):
        writer = writer_for(k, "user" if owner == "library" else "first", calls=())
        export(writer, name, k)
        if owner == "library":
            library = writer_for(k, "library")
            export(library, "shared", k)
            insmod(k, library)
        text = f"{'user' if owner == 'library' else 'first'}: exports duplicate symbol {name} (owned by {owner})"
        assert refused(k, writer) == (errno.ENOEXEC, [(3, text)])


def test_using_a_module_that_is_not_ready(k):
    library = writer_for(k, "library")
    export(library, "shared", k)
    insmod(k, library)
    k.modules["library"].state = State.COMING
    assert refused(k, writer_for(k, "user", calls=("shared",))) == (
        errno.EBUSY,
        [
            (4, "user: gave up waiting for init of module library."),
            (4, "user: Unknown symbol shared (err -16)"),
        ],
    )


def test_namespaces(k):
    k.export("inner", namespace="PRIVATE")
    assert refused(k, writer_for(k, calls=("inner",))) == (
        errno.EINVAL,
        [
            (3, "probe: module uses symbol (inner) from namespace PRIVATE, but does not import it."),
            (4, "probe: Unknown symbol inner (err -22)"),
        ],
    )
    assert insmod(k, writer_for(k, calls=("inner",), import_ns="PRIVATE")) == 0


def test_rules_of_removal(k):
    with pytest.raises(Errno) as unknown:
        unload_module(k, "nosuch")
    assert unknown.value.number == errno.ENOENT
    insmod(k, writer_for(k, leave=False))
    with pytest.raises(Errno) as permanent:
        unload_module(k, "probe")
    assert permanent.value.number == errno.EBUSY
    assert "[permanent]," in k.modules["probe"].proc_line
    assert k.run(unload_module(k, "probe", 0o1000)) == 0
    insmod(k, writer_for(k))
    k.modules["probe"].refcnt += 1
    with pytest.raises(Errno) as used:
        unload_module(k, "probe")
    assert used.value.number == errno.EWOULDBLOCK


def test_a_library_has_no_init(k):
    assert insmod(k, writer_for(k, init=False, leave=False)) == 0
    assert k.calls == []
    assert k.run(unload_module(k, "probe")) == 0


def test_entry_points_that_relocations_do_not_name(k):
    writer = writer_for(k)
    for s in writer.sections:
        s.relas = [(o, t, {"init_module": "start", "cleanup_module": "stop"}.get(y, y), a) for o, t, y, a in s.relas]
    writer.symbol("start", 5)
    writer.symbol("stop", 1)
    insmod(k, writer)
    module = k.modules["probe"]
    assert module.exit == module.core
    assert module.init != 0


def test_a_plain_object_is_a_module_too(k):
    writer = ElfWriter(k.arch.e_machine)
    writer.symbol("hello-world.c", 0xFFF1, bind=0, type=elf.STT_FILE)
    text = writer.section(".text", CODE[k.arch.name], TEXT)
    writer.symbol("init_module", text)
    assert insmod(k, writer) == 0
    assert k.modules["hello_world"].init == k.modules["hello_world"].core
    k.plain_objects = False
    assert refused(k, writer)[1] == [(4, "(missing .modinfo section or name field): No module found in object")]


def test_a_module_without_symbols(k):
    writer = writer_for(k)
    blob = writer.build()
    symtab = next(s for s in elf.parse(blob, k.arch.e_machine).sections if s.type == elf.SHT_SYMTAB)
    from tests.elfwriter import section_field

    stripped = section_field(blob, symtab.index, "type", 1)
    assert refused(k, stripped) == (errno.ENOEXEC, [(4, "probe: module has no symbols (stripped?)")])


def test_percpu_data(k):
    writer = writer_for(k)
    percpu = writer.section(".data..percpu", b"each cpu", DATA)
    writer.symbol("counter", percpu, 4)
    data = next(i for i, s in enumerate(writer.sections) if s.name == ".data")
    writer.rela(data, 0, ABS64[k.arch.e_machine], "counter")
    before = state(k)
    insmod(k, writer)
    module = k.modules["probe"]
    assert k.mem.read(module.percpu, 8) == b"each cpu"
    assert k.mem.u64(module.sections[".data"]) == module.percpu + 4 - k.percpu_base
    k.run(unload_module(k, "probe"))
    assert state(k) == before


def test_names_of_addresses(k):
    insmod(k, writer_for(k))
    module = k.modules["probe"]
    assert k.symbols.where(module.exit + 3) == ("cleanup_module", 3, module.this_module - module.exit, "probe")
    assert k.symbols.where(module.core - 1) is None
    assert all(name != "init_module" for _, _, name, owner in k.symbols.kallsyms() if owner)


def test_compressed_and_signed_files(k):
    import gzip
    import lzma
    import struct

    plain = writer_for(k).build()
    signature = b"x" * 100
    signed = plain + signature + struct.pack(">BBBBB3xI", 0, 0, 2, 0, 0, 100) + b"~Module signature appended~\n"
    for blob in (lzma.compress(plain), gzip.compress(plain), signed, lzma.compress(signed)):
        assert insmod(k, blob) == 0
        k.run(unload_module(k, "probe"))
    for cut in (lzma.compress(plain)[:-20], gzip.compress(plain)[:-20], b"\xfd7zXZ\0garbage", b"\x1f\x8bgarbage"):
        assert refused(k, cut)[0] == errno.EINVAL


def test_zstd(k):
    zstandard = pytest.importorskip("zstandard")
    assert insmod(k, zstandard.ZstdCompressor().compress(writer_for(k).build())) == 0


@pytest.mark.parametrize("keep", range(0, 100, 7))
def test_truncated_files(k, keep):
    blob = writer_for(k).build()
    assert refused(k, blob[: len(blob) * keep // 100])[0] == errno.ENOEXEC
