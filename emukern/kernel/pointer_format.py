"""`%p` and its extensions (core-api/printk-formats.rst): addresses, symbols, dumps, errors, dates.

An extension is a function `(k, spec, address, letters) -> bytes`; FORMATS has them by first letter. A letter
without a meaning in Linux prints as plain `%p`; one for objects that this kernel does not have is refused by
name. Plain addresses are hashed as in Linux, here with a hash that is the same in every run.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING

from emukern.errors import Unimplemented
from emukern.errors import errno_name as host_errno_name
from emukern.kernel.net_format import ip, mac
from emukern.kernel.printf_spec import UNSET, Spec, complaint, number, padded, pointer_complaint

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

Format = Callable[["Kernel", Spec, int, str], bytes]
ERRORS = 0xFFFF_FFFF_FFFF_F001  # the lowest ERR_PTR
_MASK = 0xFFFF_FFFF_FFFF_FFFF
# What include/linux/errno.h and asm-generic/errno.h call numbers that have two names, or none in user space.
_ERRNO_NAMES = {
    11: "EAGAIN", 35: "EDEADLK", 95: "EOPNOTSUPP", 512: "ERESTARTSYS", 513: "ERESTARTNOINTR",
    514: "ERESTARTNOHAND", 515: "ENOIOCTLCMD", 516: "ERESTART_RESTARTBLOCK", 517: "EPROBE_DEFER",
    518: "EOPENSTALE", 519: "ENOPARAM", 521: "EBADHANDLE", 522: "ENOTSYNC", 523: "EBADCOOKIE",
    524: "ENOTSUPP", 525: "ETOOSMALL", 526: "ESERVERFAULT", 527: "EBADTYPE", 528: "EJUKEBOX",
    529: "EIOCBQUEUED", 530: "ERECALLCONFLICT", 531: "ENOGRACE",
}  # fmt: skip


def pointer(k: Kernel, spec: Spec, address: int) -> bytes:
    """`%p` with the extension in `spec`."""
    letters = spec.extension
    return FORMATS.get(letters[:1], hashed)(k, spec, address, letters)


def hashed(k: Kernel, spec: Spec, address: int, letters: str) -> bytes:
    """`%p`, `%pK`: 32 bits that stand for the address; NULL and error pointers as they are."""
    if address == 0 or address >= ERRORS:
        return plain(k, spec, address, letters)
    mixed = (address ^ 0x5A17_C0DE_D15C_0B01) * 0x9E37_79B9_7F4A_7C15 & _MASK
    mixed = (mixed ^ mixed >> 32) * 0xD6E8_FEB8_6659_FD93 & _MASK
    return plain(k, spec, (mixed ^ mixed >> 32) & 0xFFFF_FFFF, letters)


def plain(k: Kernel, spec: Spec, address: int, letters: str) -> bytes:
    """`%px`: the address itself."""
    if spec.width == UNSET:
        spec = spec._replace(width=16, zero=True)
    return number(spec, address, 16)


def symbol(k: Kernel, spec: Spec, address: int, letters: str) -> bytes:
    """`%pS` symbol+offset/size [module], `%ps` without the offset, `%pB` for a return address."""
    back = 1 if letters[0] == "B" else 0
    return padded(spec, symbol_text(k, address, offset=letters[0] != "s", back=back))


def symbol_text(k: Kernel, address: int, *, offset: bool = True, back: int = 0) -> bytes:
    """kallsyms' name for `address`; `back` 1 looks the byte before it up, where the call was."""
    found = k.symbols.where(address - back)
    if found is None:
        return f"{address:#x}".encode()
    name, distance, size, module = found
    text = f"{name}+{distance + back:#x}/{size:#x}" if offset else name
    return (text + (f" [{module}]" if module else "")).encode()


def error(k: Kernel, spec: Spec, address: int, letters: str) -> bytes:
    """`%pe`: an error pointer by name, `-ENOMEM`; any other as `%p`."""
    if address < ERRORS:
        return hashed(k, spec, address, letters)
    value = address - (1 << 64)
    name = _ERRNO_NAMES.get(-value) or host_errno_name(-value)
    return number(spec, value, 10, signed=True) if name.isdigit() else padded(spec, f"-{name}".encode())


def hex_bytes(k: Kernel, spec: Spec, address: int, letters: str) -> bytes:
    """`%*ph`: up to 64 bytes in hexadecimal, separated by a space; C a colon, D a dash, N nothing."""
    if spec.width == 0:
        return b""
    wrong = pointer_complaint(spec, address)
    if wrong is not None:
        return wrong
    separator = {"C": ":", "D": "-", "N": ""}.get(letters[1:2], " ")
    data = k.mem.read(address, min(spec.width, 64) if spec.width > 0 else 1)
    return separator.join(f"{byte:02x}" for byte in data).encode()


def bitmap(k: Kernel, spec: Spec, address: int, letters: str) -> bytes:
    """`%*pb`: a bitmap of as many bits as the width, in groups of 32; `%*pbl`: the bits that are set."""
    bits = max(spec.width, 0)
    wrong = pointer_complaint(spec, address)
    if wrong is not None:
        return wrong
    words = k.mem.read(address, -(-bits // 64) * 8)  # bitmaps are arrays of unsigned long
    value = int.from_bytes(words, "little") & (1 << bits) - 1
    if letters[1:2] == "l":
        return _ranges(value, bits).encode()
    groups = []
    for start in range(0, bits, 32):
        width = min(bits - start, 32)
        groups.append(f"{value >> start & (1 << width) - 1:0{-(-width // 4)}x}")
    return ",".join(reversed(groups)).encode()


def _ranges(value: int, bits: int) -> str:
    found, bit = [], 0
    while bit < bits:
        first = bit
        while value >> bit & 1:
            bit += 1
        if bit > first:
            found.append(f"{first}-{bit - 1}" if bit - 1 > first else f"{first}")
        bit += 1
    return ",".join(found)


def uuid(k: Kernel, spec: Spec, address: int, letters: str) -> bytes:
    """`%pUb` a UUID as its bytes stand, `%pUl` a GUID with little-endian fields; B, L for upper case."""
    wrong = pointer_complaint(spec, address)
    if wrong is not None:
        return wrong
    data = k.mem.read(address, 16)
    if letters[1:2] in ("l", "L"):
        data = data[3::-1] + data[5:3:-1] + data[7:5:-1] + data[8:]
    text = f"{data[:4].hex()}-{data[4:6].hex()}-{data[6:8].hex()}-{data[8:10].hex()}-{data[10:].hex()}"
    return padded(spec, (text.upper() if letters[1:2] in ("B", "L") else text).encode())


def address_value(k: Kernel, spec: Spec, address: int, letters: str) -> bytes:
    """`%pa`, `%pad`: the phys_addr_t or dma_addr_t at the pointer; `%pNF`: netdev features."""
    wrong = pointer_complaint(spec, address)
    if wrong is not None:
        return wrong
    return f"0x{k.mem.u64(address):016x}".encode()


def netdev_bits(k: Kernel, spec: Spec, address: int, letters: str) -> bytes:
    if letters[1:2] != "F":
        return complaint(spec, b"(%pN?)")
    return address_value(k, spec, address, letters)


def fourcc(k: Kernel, spec: Spec, address: int, letters: str) -> bytes:
    """`%p4cc`: a four-character code of video formats."""
    if letters != "4cc":
        return complaint(spec, b"(%p4?)")
    wrong = pointer_complaint(spec, address)
    if wrong is not None:
        return wrong
    value = k.mem.u32(address)
    code = bytes(c if 32 <= c < 127 else ord(".") for c in (value & 0x7FFF_FFFF).to_bytes(4, "little"))
    order = "big" if value >> 31 else "little"
    return padded(spec, code + f" {order}-endian (0x{value:08x})".encode())


def escaped(k: Kernel, spec: Spec, address: int, letters: str) -> bytes:
    """`%*pE`: as many bytes as the width, with those escaped that the letters choose."""
    if spec.width == 0:
        return b""
    wrong = pointer_complaint(spec, address)
    if wrong is not None:
        return wrong
    classes = {"a": "scno", "c": "c", "h": "h", "n": "n", "o": "o", "p": "p", "s": "s"}
    chosen = "".join(classes.get(letter, "") for letter in letters[1:]) or "scnop"
    data = k.mem.read(address, max(spec.width, 1))
    return b"".join(_escape(byte, chosen) for byte in data)


def _escape(byte: int, chosen: str) -> bytes:
    """One byte under the classes s(pace) c(special) n(ull) o(ctal) h(ex); p leaves printable ones alone."""
    if "p" in chosen and (32 <= byte < 127 or byte >= 160):
        return bytes([byte])
    if "s" in chosen and byte in b"\n\r\t\v\f":
        return b"\\" + b"ntvfr"[b"\n\t\v\f\r".index(byte) :][:1]
    if "c" in chosen and byte in b'\\\a\x1b"':
        return b"\\" + b'\\ae"'[b'\\\a\x1b"'.index(byte) :][:1]
    if "n" in chosen and byte == 0:
        return b"\\0"
    if "o" in chosen:
        return b"\\%03o" % byte
    return b"\\x%02x" % byte if "h" in chosen else bytes([byte])


def kernel_string(k: Kernel, spec: Spec, address: int, letters: str) -> bytes:
    """`%pks`, `%pus`: a string, as `%s` prints it."""
    if letters[1:2] != "s":
        return complaint(spec, b"(einval)")
    return pointer_complaint(spec, address) or padded(spec, k.mem.cstr(address))


def date_time(k: Kernel, spec: Spec, address: int, letters: str) -> bytes:
    """`%ptT[dt][rs]` a time64_t, `%ptR` a struct rtc_time: date, time or both; r(aw), s(pace) for T."""
    if letters[1:2] not in ("T", "R"):
        return complaint(spec, b"(%pt?)")
    wrong = pointer_complaint(spec, address)
    if wrong is not None:
        return wrong
    is_count = letters[1] == "T"
    broken = _broken_down(k.mem.u64(address)) if is_count else struct.unpack("<6i", k.mem.read(address, 24))
    second, minute, hour, day, month, year = broken
    kinds = [letter for letter in letters[2:3] if letter in "dt"] or ["d", "t"]
    raw = "r" in letters[2:]
    year, month = (year, month) if raw else (year + 1900, month + 1)
    parts = {"d": f"{year:04}-{month:02}-{day:02}", "t": f"{hour:02}:{minute:02}:{second:02}"}
    return (" " if "s" in letters[2:] else "T").join(parts[kind] for kind in kinds).encode()


def _broken_down(word: int) -> tuple[int, ...]:
    """struct tm's first six members of a time64_t (proleptic Gregorian, counted from 1 March of year 0)."""
    days, rest = divmod(word - (1 << 64) if word >> 63 else word, 86400)
    era, day_of_era = divmod(days + 719468, 146097)
    year = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year + year // 4 - year // 100)
    month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month + 2) // 5 + 1
    month = (month + 2) % 12
    return rest % 60, rest // 60 % 60, rest // 3600, day, month, year + era * 400 + (month < 2) - 1900


def refused(k: Kernel, spec: Spec, address: int, letters: str) -> bytes:
    """A format of Linux's for objects that this kernel does not have."""
    raise Unimplemented(f"the printk format %p{letters}", k.caller)


FORMATS: dict[str, Format] = {
    "x": plain, "S": symbol, "s": symbol, "B": symbol, "e": error, "h": hex_bytes, "b": bitmap, "U": uuid,
    "M": mac, "m": mac, "I": ip, "i": ip, "E": escaped, "a": address_value, "N": netdev_bits, "4": fourcc,
    "k": kernel_string, "u": kernel_string, "t": date_time,
    **dict.fromkeys("RrdDgGOfCA", refused),
}  # fmt: skip
