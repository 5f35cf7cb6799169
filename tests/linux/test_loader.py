"""Our loader against the kernel's own: the same module, two ways in, one result; on each architecture."""

import errno
import re
from collections import Counter

import pytest

from emukern.errors import ModuleError
from emukern.kmod.compression import strip_signature
from emukern.kmod.file import parse
from emukern.linux import elliptic, forming, keyring, loader, signature, struct_module
from emukern.linux.loaded import Loaded
from emukern.linux.struct_module import Kernel, kernel_of

# Of all kinds: with and without parameters, exports, dependencies, exception tables, per-CPU data, static calls.
SAMPLE = ("dummy", "loop", "garp", "libarc4", "tls", "nbd", "xt_recent", "ip_set", "lz4", "dm_mod", "rds_rdma", "kvm")
ADDRESS = re.compile(r"(?:0x)?ffffffff[0-9a-f]{5}([0-9a-f]{3})\b")
ATTRIBUTES = ("coresize", "initsize", "initstate", "refcnt", "taint", "version", "srcversion", "import_ns")
SETTLED = 0.1  # virtual seconds after which nothing is left to do of what was loaded before


def plain(guest, name):
    """A stock module's file; skips the test where this kernel has no such module."""
    if name not in guest.tree.paths:
        pytest.skip(f"{name} is no module of {guest.release}")
    return guest.tree.blob(guest.tree.paths[name])


def with_needs(guest, name):
    """The module's file, with everything it needs in the kernel."""
    blob = plain(guest, name)
    for step in guest.tree.plan(name)[name][:-1]:
        if step.path:
            loader.load(guest, guest.tree.blob(step.path))
    guest.advance(SETTLED)
    return blob


def said(guest, since):
    return [(record.level, record.text) for record in guest.dmesg() if record.seq > since]


def attempt(guest, load, *arguments):
    """What loading comes to: the errno, the messages with addresses left out, the module if there is one."""
    since, module, number = guest.last_record(), None, 0
    try:
        module = load(guest, *arguments)
    except ModuleError as refusal:
        number = refusal.errno
    return number, [(level, ADDRESS.sub(r"…\1", text)) for level, text in said(guest, since)], module


def sysfs(guest, file, name):
    """Everything below /sys/module/NAME, with addresses cut to their offsets in the page."""
    folder = f"/sys/module/{name}/"
    names = {section.name for section in file.elf.sections if section.name}
    paths = [folder + attribute for attribute in ATTRIBUTES]
    paths += [f"{folder}{kind}/{section}" for kind in ("sections", "notes") for section in sorted(names)]
    paths += [f"{folder}parameters/{parameter}" for parameter, _, _ in file.params]
    lists = guest.execute(["/bin/ls", folder, f"{folder}sections", f"{folder}holders", f"{folder}notes"]).output
    return ADDRESS.sub(r"…\1", guest.execute(["/bin/cat", *paths, "/proc/modules"]).output) + lists


def pages(guest, module):
    """Size and permissions of the module's memory."""
    found = []
    for start, end in module.ranges:
        found += [guest.machine.mem.lookup(page)[1] for page in range(start, end, 4096)]
    return found


def symbols(module):
    """What kallsyms says, with addresses cut to their offsets in the page."""
    return [(name, value & 4095, letter) for name, value, letter in module.symbols.rows()]


def seen(guest, file, load, *arguments):
    """All there is to be seen of a module's coming and going."""
    number, messages, module = attempt(guest, load, *arguments)
    if module is None:
        return number, messages
    guest.advance(SETTLED)
    there = sysfs(guest, file, file.name), pages(guest, module), symbols(module), module.refcnt, module.size
    since = guest.last_record()
    try:
        guest.rmmod(file.name)
        gone = 0
    except ModuleError as refusal:
        gone = refusal.errno
    return number, messages, *there, gone, said(guest, since), guest.execute(["/bin/cat", "/proc/modules"]).output


@pytest.mark.parametrize("name", SAMPLE)
def test_both_ways_have_the_same_result(borrowed, name):
    blob = with_needs(borrowed, name)
    file = parse(blob, borrowed.machine.arch.e_machine)
    before = borrowed.save()
    ours = seen(borrowed, file, loader.load, blob)
    borrowed.restore(before)
    kernels = seen(borrowed, file, loader.by_the_kernel, blob)
    assert ours == kernels
    assert ours[0] in (0, errno.ENODEV)


def test_the_kernel_itself_knows_nothing_of_the_loader(borrowed, monkeypatch):
    monkeypatch.setattr(loader, "by_the_kernel", None)  # ours must do
    module = loader.load(borrowed, plain(borrowed, "dummy"))
    assert borrowed.call("find_module", borrowed.alloc(b"dummy\0")) == module.address
    assert borrowed.shell("lsmod").output.splitlines()[1].split()[0] == "dummy"


def test_the_bytes_are_those_that_the_kernel_would_have_put_there(borrowed):
    blob, mem = plain(borrowed, "dummy"), borrowed.machine.mem
    before, found = borrowed.save(), []
    for load in (loader.load, loader.by_the_kernel):
        borrowed.restore(before)
        places = [page for start, end in load(borrowed, blob).ranges for page in range(start, end, 4096)]
        found.append({page: mem.read(page, 4096) for page in places if mem.lookup(page)[1] == "r"})
    assert found[0] == found[1]
    assert any(map(any, found[0].values()))


def replaced(old, new):
    return lambda blob: strip_signature(blob)[0].replace(old, new, 1)


DAMAGE = {
    "unsigned": lambda blob: strip_signature(blob)[0],
    "badly signed": lambda blob: blob.replace(b"license=GPL", b"license=gpl", 1),
    "cut short": lambda blob: blob[: len(blob) // 2],
    "no ELF file": lambda blob: b"\x7fELG" + blob[4:],
    "another vermagic": replaced(b" SMP", b" smp"),
    "proprietary": replaced(b"license=GPL", b"license=BSD"),
    "out of tree": replaced(b"intree=Y", b"outree=Y"),
    "unknown symbol": replaced(b"\0register_netdevice\0", b"\0register_nothing_\0"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_odd_modules_are_treated_alike(borrowed, damage):
    blob = DAMAGE[damage](plain(borrowed, "dummy"))
    before = borrowed.save()
    ours = attempt(borrowed, loader.load, blob)[:2]
    tainted = borrowed.shell("cat /proc/sys/kernel/tainted").output
    borrowed.restore(before)
    assert ours == attempt(borrowed, loader.by_the_kernel, blob)[:2]
    assert tainted == borrowed.shell("cat /proc/sys/kernel/tainted").output


PARAMS = "numdummies=2", "numdummies=many", "numdummies", "nosuch=1", "numdummies=0 -- more", "async_probe=1"


@pytest.mark.parametrize("params", [*PARAMS, '"numdummies=0"', "dyndbg=+p numdummies=0"])
def test_parameters_are_the_kernels_business(borrowed, params):
    blob = plain(borrowed, "dummy")
    before = borrowed.save()
    ours = attempt(borrowed, loader.load, blob, params)[:2]
    borrowed.restore(before)
    assert ours == attempt(borrowed, loader.by_the_kernel, blob, params)[:2]


def test_of_a_module_that_fails_nothing_stays(borrowed):
    blob = plain(borrowed, "dummy")
    loader.load(borrowed, blob)
    borrowed.rmmod("dummy")
    borrowed.advance(SETTLED)
    blocks = areas(borrowed)
    for params in ("numdummies=many", "numdummies=-1 nosuch"):
        attempt(borrowed, loader.load, blob, params)
        if borrowed.lsmod():
            borrowed.rmmod("dummy")
    borrowed.advance(SETTLED)
    assert (borrowed.lsmod(), borrowed.loaded) == ([], {})
    assert areas(borrowed) == blocks
    assert loader.load(borrowed, blob).refcnt == 0


def test_what_was_given_before_memory_ran_out_is_given_back(borrowed, monkeypatch):
    blob, real, given = plain(borrowed, "dummy"), forming.allocate, []

    def scarce(kernel, size, text):
        given.append(0 if given else real(kernel, size, text))
        return given[-1]

    borrowed.advance(SETTLED)
    blocks = areas(borrowed)
    monkeypatch.setattr(forming, "allocate", scarce)
    monkeypatch.setattr(loader, "by_the_kernel", lambda *arguments: "asked")
    assert loader.load(borrowed, blob) == "asked"
    borrowed.advance(SETTLED)
    assert areas(borrowed) == blocks
    assert given[0] != 0 == given[1]


def areas(guest):
    """How many areas of each size there are where modules lie."""
    lines = guest.execute(["/bin/cat", "/proc/vmallocinfo"]).output.splitlines()
    return Counter(line.split()[1] for line in lines if line.startswith("0xffffffff"))


def test_modules_hold_what_they_use(borrowed):
    blob = with_needs(borrowed, "garp")
    loader.load(borrowed, blob)
    assert borrowed.loaded["stp"].refcnt == 1
    with pytest.raises(ModuleError) as held:
        borrowed.rmmod("stp")
    assert held.value.errno == 11
    users = {name: users for name, _, users in borrowed.lsmod()}
    assert users["stp"] == ["garp"]
    borrowed.rmmod("garp")
    assert borrowed.loaded["stp"].refcnt == 0
    borrowed.rmmod("stp")


def test_one_that_is_there_already_is_refused(borrowed):
    blob = plain(borrowed, "dummy")
    loader.load(borrowed, blob)
    with pytest.raises(ModuleError) as twice:
        loader.load(borrowed, blob)
    assert twice.value.errno == 17


def test_it_can_be_called_and_looked_at(borrowed):
    blob = plain(borrowed, "libarc4")
    module = loader.load(borrowed, blob)
    assert isinstance(module, Loaded)
    address = module.symbols.address_of("arc4_setkey")
    context, key = borrowed.alloc(1032), borrowed.alloc(b"Key")
    assert borrowed.call(address, context, key, 3) == 0
    source, target = borrowed.alloc(b"Plaintext"), borrowed.alloc(9)
    borrowed.call(module.symbols.address_of("arc4_crypt"), context, target, source, 9)
    assert borrowed.machine.mem.read(target, 9).hex() == "bbf316e8d940af0ad3"
    assert module.sections[".text"] <= address < module.ranges[0][1]


def test_who_wants_to_see_it_before_init_can(borrowed):
    there = []

    def look(module):
        init = module.symbols.address_of("init_module")
        there.append((module.now.state.name, borrowed.machine.mem.lookup(init)[1], borrowed.loaded[module.name]))
        assert module.sections[".init.text"] <= init

    module = loader.load(borrowed, plain(borrowed, "dummy"), before_init=look)
    assert there == [("COMING", "rx", module)]
    assert module.symbols.address_of("init_module") is None


def test_code_of_a_module_that_was_there_before_is_not_run(borrowed):
    for name in ("libarc4", "dummy", "libarc4", "lz4", "dummy"):
        with_needs(borrowed, name)
        loader.load(borrowed, plain(borrowed, name))
        borrowed.rmmod(name)
        borrowed.advance(SETTLED)


def test_what_needs_another_kernel_is_said_in_a_sentence(borrowed, monkeypatch):
    monkeypatch.setattr(struct_module, "NEEDED", (("no_such_function", "nor_this"),))
    words = 'it has no symbol no_such_function or nor_this; via="kernel" works'
    with pytest.raises(ModuleError, match=words):
        Kernel(borrowed)


def test_signatures_are_told_good_from_bad(borrowed):
    blob = plain(borrowed, "dummy")
    keys = keyring.trusted(kernel_of(borrowed))
    assert signature.is_good(blob, keys)
    assert not signature.is_good(blob, {})
    assert not signature.is_good(strip_signature(blob)[0], keys)
    for at in (64, len(blob) // 2, len(blob) - 100):
        assert not signature.is_good(blob[:at] + bytes([blob[at] ^ 1]) + blob[at + 1 :], keys)
    for size in range(1, 48):
        assert not signature.is_good(blob[-size:], keys)


# RFC 6979, A.2.5 and A.2.6: "sample" with SHA-256.
DIGEST = bytes.fromhex("af2bdbe1aa9b6ec1e2ade1d694f41fc71a831d0268e9891562113d8a62add1bf")
P256 = (
    (
        0x60FED4BA255A9D31C961EB74C6356D68C049B8923B61FA6CE669622E60F29FB6,
        0x7903FE1008B8BC99A41AE9E95628BC64F2F1B20C2D7E9F5177A3C294D4462299,
    ),
    0xEFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716,
    0xF7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8,
)
P384 = (
    (
        0xEC3A4E415B4E19A4568618029F427FA5DA9A8BC4AE92E02E06AAE5286B300C64DEF8F0EA9055866064A254515480BC13,
        0x8015D9B72D7D57244EA8EF9AC0C621896708A59367F9DFB9F54CA84B3F1C9DB1288B231C3AE0D4FE7344FD2533264720,
    ),
    0x21B13D1E013C7FA1392D03C5F99AF8B30C570C6F98D4EA8E354B63A21D3DAA33BDE1E888E63355D92FA2B3C36D8FB2CD,
    0xF3AA443FB107745BF4BD77CB3891674632068A10CA67E3D45DB2266FA7D1FEEBEFDC63ECCD1AC42EC0CB8668A4FA0AB0,
)


@pytest.mark.parametrize(("curve", "example"), [(elliptic.P256, P256), (elliptic.P384, P384)])
def test_ecdsa_of_the_standard(curve, example):
    public, r, s = example
    assert elliptic.verify(curve, public, r, s, DIGEST)
    assert not elliptic.verify(curve, public, r, s + 1, DIGEST)
    assert not elliptic.verify(curve, public, r, s, DIGEST[::-1])
    assert not elliptic.verify(curve, (public[0], public[1] ^ 1), r, s, DIGEST)
    assert not elliptic.verify(curve, public, 0, s, DIGEST)
    assert not elliptic.verify(curve, public, r, curve.n, DIGEST)
