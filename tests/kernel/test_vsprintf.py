"""The kernel's printf: against the host's C library where both agree, against Linux's documents elsewhere."""

import ctypes
import struct
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emukern.errors import GuestFault, Unimplemented
from emukern.kernel.printf_spec import parse
from emukern.kernel.vsprintf import vsprintf
from emukern.varargs import HostArgs
from tests.guestmem import DictMem

TEXT, DATA = 0xFFFF_8880_0000_1000, 0xFFFF_8880_0000_2000
LIBC = ctypes.CDLL(None)


class Symbols:
    def where(self, address):
        if 0x1000 <= address < 0x1040:
            return ("probe", address - 0x1000, 0x40, "hello")
        return ("start_kernel", address - 0x900, 0x100, None) if 0x900 <= address < 0xA00 else None


@pytest.fixture(scope="module")
def k():
    k = SimpleNamespace(mem=DictMem(), symbols=Symbols(), caller="hello_init+0x10/0x20 [hello]", said=[])
    k.arch = SimpleNamespace(va_list="pointer")
    k.log = SimpleNamespace(emit=lambda level, text: k.said.append((level, text)))
    return k


@pytest.fixture
def said(k):
    """`said(fmt, *args)`: bytes are put into guest memory and passed by address."""

    def said(fmt, *args):
        values = []
        for i, arg in enumerate(args):
            values.append(k.mem.put(DATA + 0x1000 * i, arg) if isinstance(arg, bytes) else arg)
        return vsprintf(k, fmt.encode(), HostArgs(k.mem, values)).decode()

    return said


def libc(fmt, value):
    buffer = ctypes.create_string_buffer(4096)
    LIBC.snprintf(buffer, ctypes.c_size_t(4096), fmt.encode(), value)
    return buffer.value.decode()


FLAGS = st.text(alphabet="-+ #0", max_size=4)
WIDTHS = st.one_of(st.just(""), st.integers(1, 40).map(str))
PRECISIONS = st.one_of(st.just(""), st.integers(1, 30).map(lambda n: f".{n}"))
LENGTHS = st.sampled_from(["hh", "h", "", "l", "ll", "z", "t", "j"])
WORDS = st.one_of(st.integers(0, 2**64 - 1), st.integers(-300, 300).map(lambda n: n % 2**64))


@given(FLAGS, WIDTHS, PRECISIONS, LENGTHS, st.sampled_from("diuxXo"), WORDS)
def test_integers_are_what_the_c_library_prints(k, flags, width, precision, length, letter, word):
    cut = word & {"hh": 0xFF, "h": 0xFFFF, "": 0xFFFF_FFFF}.get(length, 2**64 - 1)
    if "0" in flags and precision or "#" in flags and (cut == 0 or letter == "o"):
        return  # where Linux differs; see test_linux_is_not_c
    fmt = f"%{flags}{width}{precision}{length}{letter}"
    assert vsprintf(k, fmt.encode(), HostArgs(k.mem, [word])).decode() == libc(fmt, ctypes.c_uint64(word))


@given(st.sampled_from(["", "-"]), WIDTHS, PRECISIONS, st.binary(max_size=30).filter(lambda b: 0 not in b))
def test_strings_are_what_the_c_library_prints(k, flags, width, precision, text):
    k.mem.put(TEXT, text + b"\0")
    fmt = f"<%{flags}{width}{precision}s>"
    buffer = ctypes.create_string_buffer(4096)
    LIBC.snprintf(buffer, ctypes.c_size_t(4096), fmt.encode(), ctypes.c_char_p(text))
    assert vsprintf(k, fmt.encode(), HostArgs(k.mem, [TEXT])) == buffer.value


@given(st.binary(max_size=40))
def test_any_format_parses(fmt):
    parse(fmt)


@pytest.mark.parametrize(
    ("fmt", "args", "text"),
    [
        ("%.2d|%.1d|%.0d|%.*d|%1.0d", (0, 0, 0, 0, 0, 0), "00|0|0|0|0"),
        ("%#x %#X %#o %#o", (0, 0x2A, 0, 8), "0x0 0X2A 0 010"),
        ("%08.3d", (5,), "00000005"),
        ("%.s", (b"whole\0",), "whole"),
        ("%qd %Lu %jd", (-1, 2**64 - 1, -2), f"-1 {2**64 - 1} -2"),
        ("%*d|%-*d|%*d", (4, 1, 4, 1, -4, 1), "   1|1   |1   "),
        ("%.*s", (-1, b"text\0"), ""),
        ("%.*s", (2, b"text\0"), "te"),
        ("%c%3c|%-3c|", (0x141, 66, 67), "A  B|C  |"),
        ("100%% %5%", (), "100% %"),
        ("%s", (0,), "(null)"),
        ("%8s|%-8s|%.3s", (0, 0, 0), "  (null)|(null)  |(nu"),
        ("%s %s", (4095, -22), "(efault) (efault)"),
    ],
)
def test_linux_is_not_c(said, fmt, args, text):
    assert said(fmt, *args) == text


@pytest.mark.parametrize(("fmt", "letter"), [("before %n after %d", "n"), ("before %w", "w"), ("before %", "")])
def test_what_linux_does_not_print_ends_the_output(said, k, fmt, letter):
    k.said.clear()
    assert said(fmt, 1, 2) == "before "
    assert k.said == [(4, f"Please remove unsupported %{letter} in format string")]


ADDRESS = 0xFFFF_8880_0123_4567


@pytest.mark.parametrize(
    ("fmt", "args", "text"),
    [
        ("%p|%px|%pK", (0, 0, 0), "|".join(["0" * 16] * 3)),
        ("%p %px", (-12, -12), "fffffffffffffff4 fffffffffffffff4"),
        ("%px|%20px|%-20px|", (ADDRESS,) * 3, "ffff888001234567|    ffff888001234567|ffff888001234567    |"),
        ("%pS %ps %pB", (0x1010,) * 3, "probe+0x10/0x40 [hello] probe [hello] probe+0x10/0x40 [hello]"),
        ("%pB %pS", (0x1040, 0x1040), "probe+0x40/0x40 [hello] 0x1040"),
        ("%pSR|%14ps", (0x910, 0x910), "start_kernel+0x10/0x100|  start_kernel"),
        ("%pe %pe %pe", (-22, -517, -4000), "-EINVAL -EPROBE_DEFER -4000"),
        ("%pe %pe", (-11, -95), "-EAGAIN -EOPNOTSUPP"),
        ("%pe|%10pe", (0, -2), "0000000000000000|   -ENOENT"),
        ("%*ph", (4, b"\x00\x01\xab\xff"), "00 01 ab ff"),
        ("%*phC|%*phD|%*phN|%2ph", (2, b"\1\2", 2, b"\3\4", 2, b"\5\6", b"\7\x08"), "01:02|03-04|0506|07 08"),
        ("%ph|%*ph|%*ph", (b"\1\2", 0, 0, 3, 0), "01||(null)"),
        ("%pM %pMF", (bytes(range(6)),) * 2, "00:01:02:03:04:05 00-01-02-03-04-05"),
        ("%pMR %pm %pmR", (bytes(range(6)),) * 3, "05:04:03:02:01:00 000102030405 050403020100"),
        ("%pI4 %pi4 %pI4n", (bytes([192, 168, 0, 1]),) * 3, "192.168.0.1 192.168.000.001 192.168.0.1"),
        ("%pI4l %pI4h", (bytes([192, 168, 0, 1]),) * 2, "1.0.168.192 1.0.168.192"),
        ("%pI6", (bytes(range(16)),), "0001:0203:0405:0607:0809:0a0b:0c0d:0e0f"),
        ("%pi6", (bytes(range(16)),), "000102030405060708090a0b0c0d0e0f"),
        ("%pI9", (b"\0",), "(%pI?)"),
        ("%pUb", (bytes(range(16)),), "00010203-0405-0607-0809-0a0b0c0d0e0f"),
        ("%pUB", (bytes(range(16)),), "00010203-0405-0607-0809-0A0B0C0D0E0F"),
        ("%pUl", (bytes(range(16)),), "03020100-0504-0706-0809-0a0b0c0d0e0f"),
        ("%pUL", (bytes(range(16)),), "03020100-0504-0706-0809-0A0B0C0D0E0F"),
        ("%pa %pad %pap", (struct.pack("<Q", 0xFEE0_0000),) * 3, " ".join(["0x00000000fee00000"] * 3)),
        ("%pNF %pNX", (struct.pack("<Q", 5), b"\0"), "0x0000000000000005 (%pN?)"),
        ("%p4cc", (b"BGR2",), "BGR2 little-endian (0x32524742)"),
        ("%pt %pks", (b"\0", b"text\0"), "(%pt?) text"),
        ("%ptT", (struct.pack("<q", 1546615943),), "2019-01-04T15:32:23"),
        ("%ptTd %ptTt %ptTs", (struct.pack("<q", -1),) * 3, "1969-12-31 23:59:59 1969-12-31 23:59:59"),
        ("%ptRr", (struct.pack("<9i", 1, 2, 3, 4, 0, 119, 0, 0, 0),), "0119-00-04T03:02:01"),
        ("%*pb", (70, struct.pack("<QQ", 0x1_0000_000F, 0x21)), "21,00000001,0000000f"),
        ("%*pbl", (70, struct.pack("<QQ", 0x1_0000_000F, 0x21)), "0-3,32,64,69"),
        ("%*pb|%*pb", (4, struct.pack("<Q", 0xFA), 32, struct.pack("<Q", 0xDEADBEEF)), "a|deadbeef"),
        ("%*pE", (9, b'a"\\b\n\t\0\x1b\xff'), 'a"\\b\\n\\t\\0\\e\xff'),
        ("%*pEa %*pEhp", (3, b'a"\1', 3, b"a\1\n"), '\\141\\"\\001 a\\x01\\x0a'),
        ("%*pEs", (3, b"a\1\n"), "a\1\\n"),
        ("%pM %pUb", (0, 8), "(null) (efault)"),
        ("%pzzz next", (0,), "0" * 16 + " next"),
    ],
)  # fmt: skip
def test_pointer_formats(k, said, fmt, args, text):
    values = [k.mem.put(DATA + 0x1000 * i, arg) if isinstance(arg, bytes) else arg for i, arg in enumerate(args)]
    assert vsprintf(k, fmt.encode(), HostArgs(k.mem, values)).decode("latin-1") == text


@pytest.mark.parametrize(
    ("address", "text"),
    [
        ("00010002000000000000000000000003", "1:2::3"),
        ("00000000000000000000000000000001", "::1"),
        ("00000000000000000000000000000000", "::"),
        ("20010db8000000010001000100010001", "2001:db8:0:1:1:1:1:1"),
        ("20010db8000000000001000000000001", "2001:db8::1:0:0:1"),
        ("00000000000000000000ffffc0a80001", "::ffff:192.168.0.1"),
        ("fe8000000000000000005efec0a80001", "fe80::5efe:192.168.0.1"),
    ],
)
def test_compressed_ipv6(said, address, text):
    assert said("%pI6c", bytes.fromhex(address)) == text


def test_socket_addresses(said):
    v4 = struct.pack("<H", 2) + struct.pack(">H", 8080) + bytes([127, 0, 0, 1])
    v6 = struct.pack("<H", 10) + struct.pack(">HI", 53, 7) + bytes(15) + b"\1" + struct.pack("<I", 3)
    assert said("%pIS %pISp %piSp", v4, v4, v4) == "127.0.0.1 127.0.0.1:8080 127.000.000.001:8080"
    assert said("%pISc %pISpfsc", v6, v6) == "::1 [::1]:53/7%3"
    assert said("%pIS", b"\1\0") == "(einval)"


def test_hashed_pointers(said):
    one, other = said("%p", ADDRESS), said("%p", ADDRESS + 1)
    assert one == said("%pK", ADDRESS) != other
    assert one.startswith("00000000")
    assert len(one) == 16
    assert f"{ADDRESS & 0xFFFF_FFFF:x}" not in one


def test_va_format(k):
    k.mem.put(TEXT, b"%d %s\0")
    k.mem.put(TEXT + 0x100, b"inner\0")
    k.mem.put(TEXT + 0x200, struct.pack("<QQ", 7, TEXT + 0x100))  # the arguments
    k.mem.put(TEXT + 0x300, struct.pack("<Q", TEXT + 0x200))  # the va_list
    k.mem.put(TEXT + 0x400, struct.pack("<QQ", TEXT, TEXT + 0x300))  # the va_format
    assert vsprintf(k, b"<%pV> %d", HostArgs(k.mem, [TEXT + 0x400, 5])) == b"<7 inner> 5"
    assert vsprintf(k, b"%pV", HostArgs(k.mem, [0])) == b"(null)"


def test_wild_string_faults(said):
    with pytest.raises(GuestFault):
        said("%s", 0x1234_5678)


def test_formats_for_objects_that_are_not_here_are_refused(said):
    with pytest.raises(Unimplemented, match="printk format %pR is not implemented; it was called by hello_init"):
        said("%pR", DATA)
