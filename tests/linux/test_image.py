"""Kernel images: every format and compression gives the same kernel, and what is none is refused with a sentence."""

import gzip
import lzma
import pickle
import random
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emukern.errors import ImageError
from emukern.linux import image, kallsyms
from emukern.linux.decompress import decompress
from tests.elfwriter import ElfWriter
from tests.linux.imagewriter import BANNER, BASE, COMPRESS, RAM, RELEASE, Kernel, bzimage, pe, zboot

RISCV_PE, X86_PE = 0x5064, 0x8664


@pytest.fixture(scope="module")
def x86():
    return Kernel("x86_64", percpu=True)


@pytest.fixture(scope="module")
def riscv():
    return Kernel("riscv64")


@pytest.fixture
def kernel(arch, x86, riscv):
    return {"x86_64": x86, "riscv64": riscv}[arch]


def refusal(blob):
    with pytest.raises(ImageError) as refused:
        image.parse(blob)
    return str(refused.value)


@pytest.mark.parametrize("compression", COMPRESS)
def test_bzimage(x86, compression):
    found = image.parse(x86.bzimage(compression))
    assert (found.arch, found.format) == ("x86_64", f"bzImage ({compression})")
    assert found.data == x86.elf()
    assert (found.release, found.banner) == (RELEASE, BANNER.rstrip())
    assert found.setup_header[0x202 - 0x1F1 :][:4] == b"HdrS"
    assert len(found.setup_header) == 0x11 + 0x6A


@pytest.mark.parametrize("compression", COMPRESS)
def test_compressed_image(riscv, compression):
    found = image.parse(COMPRESS[compression](riscv.image()))
    assert (found.arch, found.format) == ("riscv64", f"Image ({compression})")
    assert found.data == riscv.image()


@pytest.mark.parametrize("compression", COMPRESS)
def test_zboot(riscv, compression):
    found = image.parse(zboot(riscv.image(), compression))
    assert (found.format, found.data) == (f"EFI zboot ({compression})", riscv.image())


def test_unified_kernel_image(x86, riscv):
    sections = {".osrel": b"ID=test", ".linux": x86.bzimage(), ".initrd": bytes(5000)}
    found = image.parse(pe(X86_PE, sections))
    assert (found.arch, found.format, found.data) == ("x86_64", "EFI unified kernel image (gzip)", x86.elf())
    assert found.setup_header
    assert image.parse(pe(RISCV_PE, {".linux": riscv.image()})).arch == "riscv64"


def test_several_blocks_of_lz4():
    plain = random.Random(1).randbytes(1000) * 20_000  # of 8 MB each, and the last one shorter
    assert decompress(COMPRESS["lz4"](plain)) == ("lz4", plain)
    assert decompress(COMPRESS["lz4"](plain) + struct.pack("<I", len(plain))) == ("lz4", plain)


def test_segments_of_a_vmlinux(x86):
    found = image.parse(x86.elf())
    code, percpu = found.segments
    assert (code.paddr, code.vaddr, code.filesz) == (RAM["x86_64"], BASE["x86_64"], len(x86.memory))
    assert percpu.vaddr == 0
    assert found.entry == RAM["x86_64"]
    assert found.setup_header is None


def test_segment_of_an_image(riscv):
    found = image.parse(riscv.image())
    (only,) = found.segments
    assert (only.paddr, only.vaddr, only.offset) == (RAM["riscv64"], BASE["riscv64"], 0)
    assert (only.filesz, only.memsz) == (len(riscv.memory), len(riscv.memory) + 0x2000)
    assert found.entry == RAM["riscv64"]


def test_a_riscv_vmlinux_goes_where_its_image_goes(riscv):
    whole = Kernel("riscv64")
    whole.memory = riscv.image()
    found = image.parse(whole.elf())
    assert found.format == "vmlinux ELF"
    assert (found.segments[0].paddr, found.entry) == (RAM["riscv64"], RAM["riscv64"])


def test_reading_at_addresses(kernel):
    found = image.parse(kernel.file())
    at = kernel.address("linux_banner")
    assert found.read(at, 13) == b"Linux version"
    assert found.text(at) == BANNER
    end = kernel.base + len(kernel.memory)
    assert found.read(end - 2, 10) == kernel.memory[-2:] + bytes(8)  # beyond the file's content, zeros
    assert found.limit == end + 0x2000
    for address, n in ((kernel.base - 1, 1), (found.limit - 1, 2)):
        with pytest.raises(ImageError, match="has nothing at"):
            found.read(address, n)
    with pytest.raises(ImageError, match="has no string at"):
        found.text(1 << 40)


def test_offsets_have_addresses(kernel):
    found = image.parse(kernel.file())
    offset = found.data.index(BANNER.encode())
    assert found.vaddr_of(offset) == kernel.address("linux_banner")
    assert found.vaddr_of(len(found.data)) is None


@pytest.mark.parametrize("sections", [True, False])
def test_sections_by_table_or_by_symbols(sections):
    kernel = Kernel(btf=b"types!")
    found = image.parse(kernel.elf(sections=sections))
    symbols = kallsyms.parse(found)
    assert found.section(".BTF") == (b"types!" if sections else None)
    assert found.section(".BTF", symbols) == b"types!"
    assert found.section(".nothing", symbols) is None
    assert found.between(symbols, "_start", "nothing") is None


def test_a_kernel_without_types():
    found = image.parse(Kernel(btf=b"").elf(sections=False))
    assert found.section(".BTF", kallsyms.parse(found)) is None


def test_pickled(kernel):
    found = image.parse(kernel.file())
    assert pickle.loads(pickle.dumps(found)) == found


def test_the_digest_is_the_files(x86):
    packed, plain = image.parse(x86.bzimage()), image.parse(x86.elf())
    assert packed.data == plain.data
    assert packed.digest != plain.digest


@pytest.mark.parametrize(
    ("blob", "reason"),
    [
        (b"", "not a kernel image: the file is empty"),
        (b"hello", "not a kernel image"),
        (bytes(100_000), "not a kernel image"),
        (gzip.compress(b"hello"), "not a kernel image"),
        (pe(X86_PE, {".text": b"code"}), "not a kernel image but an EFI program for x86_64"),
        (pe(0x1234, {}), "not a kernel image but an EFI program for PE machine 0x1234"),
    ],
)
def test_no_kernel(blob, reason):
    assert refusal(blob) == reason


def test_a_module_is_no_kernel():
    writer = ElfWriter()
    writer.module()
    for blob in (writer.build(), lzma.compress(writer.build()), COMPRESS["zstd"](writer.build())):
        assert refusal(blob) == "not a kernel image but a module or another object file"


def test_a_program_is_no_kernel(x86):
    plain = x86.elf().replace(b"Linux version", b"Other version")
    assert refusal(plain) == 'not a kernel image: nowhere does it say "Linux version"'


def test_other_architectures(x86, riscv):
    ours = "and emukern runs those for x86_64 and riscv64"
    assert refusal(riscv.image(magic2=b"ARMd")) == f"a kernel for aarch64, {ours}"
    assert refusal(gzip.compress(riscv.image(magic2=b"ARMd"))) == f"a kernel for aarch64, {ours}"
    assert refusal(riscv.image(flags=1)) == f"a kernel for big-endian riscv64, {ours}"
    assert refusal(x86.elf(machine=183)) == f"a kernel for aarch64, {ours}"
    assert refusal(x86.elf(machine=3)) == f"a kernel for i386, {ours}"
    assert refusal(x86.elf(machine=22)) == f"a kernel for ELF machine 22, {ours}"
    assert refusal(x86.bzimage(xloadflags=0)) == f"a kernel for i386, {ours}"


def test_old_boot_protocol(x86):
    assert refusal(x86.bzimage(protocol=0x204)) == "its boot protocol 2.04 is older than 2.08"


def test_unknown_compression(x86, riscv):
    blob = x86.bzimage()
    at = blob.index(b"\x1f\x8b")
    assert "(89004c5a)" in refusal(blob[:at] + b"\x89\0LZ" + blob[at + 4 :])
    blob = zboot(riscv.image(), "gzip", name="lzo")
    at = blob.index(b"\x1f\x8b")
    reason = "its payload is compressed in a way that emukern does not know (lzo)"
    assert refusal(blob[:at] + b"\x89\0LZ" + blob[at + 4 :]) == reason


@pytest.mark.parametrize("compression", COMPRESS)
def test_a_bzimage_that_is_cut_short(x86, compression):
    blob = x86.bzimage(compression)
    size = len(blob) - 0x40
    for cut in (0x230, 0x600, len(blob) // 2, size - 1):
        assert "cut short" in refusal(blob[:cut])


@pytest.mark.parametrize("compression", COMPRESS)
def test_compressed_data_that_is_cut_short(riscv, compression):
    blob = COMPRESS[compression](riscv.image())
    assert refusal(blob[: len(blob) // 2]).startswith(f"its {compression} data does not unpack: ")
    assert refusal(zboot(riscv.image(), compression)[:0x100]).startswith("it is cut short")


def test_a_payload_of_another_size(x86):
    blob = x86.bzimage("zstd")
    size = struct.pack("<I", len(x86.elf()))
    assert "is damaged" in refusal(blob.replace(size + b"\xcc", bytes(4) + b"\xcc"))


def test_an_elf_that_is_cut_short(x86):
    for keep in (20, 63, 100, 0x1100, len(x86.memory) // 2):
        assert "it is damaged or cut short" in refusal(x86.elf()[:keep])


def test_an_image_that_is_cut_short(riscv):
    header = bytearray(pe(RISCV_PE, {".text": riscv.image()[0x400:]}))
    struct.pack_into("<Q", header, 8, 0x20_0000)
    header[0x38:0x3C] = b"RSC\x05"
    assert image.parse(bytes(header)).format == "Image"
    assert "cut short" in refusal(bytes(header[:-0x1000]))


@settings(max_examples=150)
@given(data=st.data())
def test_damaged_files_are_refused_or_taken(x86, riscv, data):
    """Whatever the bytes, the answer is a kernel or an ImageError."""
    kinds = {"elf": x86.elf, "bzimage": x86.bzimage, "image": riscv.image}
    blob = bytearray(kinds[data.draw(st.sampled_from(sorted(kinds)))]())
    for _ in range(data.draw(st.integers(1, 8))):
        blob[data.draw(st.integers(0, 0x300) | st.integers(0, len(blob) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(blob[: data.draw(st.integers(0, len(blob)))])
    try:
        answer = repr(image.parse(cut))
    except ImageError as refused:
        answer = str(refused)
    assert answer


def test_files_that_cannot_be_read(tmp_path, x86):
    with pytest.raises(ImageError, match=r"cannot read .*nothing: No such file or directory"):
        image.load(tmp_path / "nothing")
    with pytest.raises(ImageError, match="Is a directory"):
        image.load(tmp_path)
    with pytest.raises(ImageError, match="cannot read /dev/zero: not a file"):
        image.load("/dev/zero")
    with pytest.raises(ImageError, match="No such file"):
        image.digest(tmp_path / "nothing")
    with (tmp_path / "disk").open("wb") as disk:
        disk.truncate(1 << 31)
    with pytest.raises(ImageError, match="not a kernel image: it has more than 1073741824 bytes"):
        image.load(tmp_path / "disk")
    (tmp_path / "vmlinuz").write_bytes(b"hello")
    with pytest.raises(ImageError) as refused:
        image.load(tmp_path / "vmlinuz")
    assert str(refused.value) == f"{tmp_path / 'vmlinuz'}: not a kernel image"
    (tmp_path / "vmlinuz").write_bytes(bzimage(x86.elf()))
    found = image.load(str(tmp_path / "vmlinuz"))
    assert found.release == RELEASE
    assert found.digest == image.digest(tmp_path / "vmlinuz")


def test_the_stock_kernel(arch, module_tree, stock_kernel, stock_symbols):
    assert stock_kernel.arch == arch
    assert module_tree.name == stock_kernel.release
    assert stock_kernel.banner.startswith(f"Linux version {stock_kernel.release} (")
    assert stock_kernel.section(".BTF", stock_symbols)[:2] == b"\x9f\xeb"
    assert any(s.paddr <= stock_kernel.entry < s.paddr + s.filesz for s in stock_kernel.segments)
    ends = sorted((s.paddr, s.paddr + s.memsz) for s in stock_kernel.segments)
    assert all(end <= start for (_, end), (start, _) in zip(ends, ends[1:], strict=False))


def test_a_stock_module_is_no_kernel(module_tree):
    module = next(path for path in sorted(module_tree.glob("kernel/**/dummy.ko*")))
    with pytest.raises(ImageError, match="not a kernel image but a module"):
        image.load(module)
