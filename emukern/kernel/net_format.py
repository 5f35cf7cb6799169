"""Addresses of networks as `%p` prints them: MAC, IPv4, IPv6 and struct sockaddr."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.kernel.printf_spec import Spec, complaint, padded, pointer_complaint

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

AF_INET, AF_INET6 = 2, 10


def mac(k: Kernel, spec: Spec, address: int, letters: str) -> bytes:
    """`%pM` six bytes with colons, F with dashes, R reversed; `%pm` with nothing between."""
    wrong = pointer_complaint(spec, address)
    if wrong is not None:
        return wrong
    data = k.mem.read(address, 6)
    if letters[1:2] == "R":
        data = data[::-1]
    separator = "" if letters[0] == "m" else "-" if letters[1:2] == "F" else ":"
    return padded(spec, separator.join(f"{byte:02x}" for byte in data).encode())


def ip(k: Kernel, spec: Spec, address: int, letters: str) -> bytes:
    """`%pI4[hnbl]`, `%pi4`, `%pI6[c]`, `%pi6`, `%pIS[pfsc hnbl]`."""
    wrong = pointer_complaint(spec, address)
    if wrong is not None:
        return wrong
    options = letters[2:]
    match letters[1:2]:
        case "4":
            text = _ip4(k.mem.read(address, 4), options, padded_with_zeros=letters[0] == "i")
        case "6":
            text = _ip6(k.mem.read(address, 16), letters[0], options)
        case "S":
            family = k.mem.u16(address)
            if family not in (AF_INET, AF_INET6):
                return complaint(spec, b"(einval)")
            text = (_sockaddr_in if family == AF_INET else _sockaddr_in6)(k, address, letters[0], options)
        case _:
            return complaint(spec, b"(%pI?)" if letters[0] == "I" else b"(%pi?)")
    return padded(spec, text.encode())


def _ip4(data: bytes, options: str, *, padded_with_zeros: bool) -> str:
    if options[:1] in ("h", "l"):  # host order is little-endian on every architecture here
        data = data[::-1]
    return ".".join(f"{byte:03}" if padded_with_zeros else f"{byte}" for byte in data)


def _ip6(data: bytes, letter: str, options: str) -> str:
    if letter == "I" and "c" in options:
        return _compressed(data)
    return ("" if letter == "i" else ":").join(data[i : i + 2].hex() for i in range(0, 16, 2))


def _compressed(data: bytes) -> str:
    """RFC 5952: the longest run of zero words is `::`; mapped and ISATAP addresses end in IPv4 notation."""
    mapped = data[:10] == bytes(10) and data[10:12] == b"\xff\xff"
    isatap = data[8] | 2 == 2 and data[9:12] == b"\0\x5e\xfe"
    v4 = mapped or isatap
    words = [int.from_bytes(data[i : i + 2], "big") for i in range(0, 12 if v4 else 16, 2)]
    start, length = 0, 1
    for first in range(len(words)):
        run = 0
        while first + run < len(words) and words[first + run] == 0:
            run += 1
        if run > length:
            start, length = first, run
    tail = [f"{word:x}" for word in words] + ([_ip4(data[12:], "", padded_with_zeros=False)] if v4 else [])
    if length == 1:
        return ":".join(tail)
    return ":".join(tail[:start]) + "::" + ":".join(tail[start + length :])


def _sockaddr_in(k: Kernel, address: int, letter: str, options: str) -> str:
    order = next((letter for letter in options if letter in "hnbl"), "")
    text = _ip4(k.mem.read(address + 4, 4), order, padded_with_zeros=letter == "i")
    port = int.from_bytes(k.mem.read(address + 2, 2), "big")
    return f"{text}:{port}" if "p" in options else text


def _sockaddr_in6(k: Kernel, address: int, letter: str, options: str) -> str:
    text = _ip6(k.mem.read(address + 8, 16), letter, options)
    if any(option in options for option in "pfs"):
        text = f"[{text}]"
    if "p" in options:
        text += f":{int.from_bytes(k.mem.read(address + 2, 2), 'big')}"
    if "f" in options:
        text += f"/{int.from_bytes(k.mem.read(address + 4, 4), 'big') & 0x0FFF_FFFF}"
    if "s" in options:
        text += f"%{k.mem.u32(address + 24)}"
    return text
