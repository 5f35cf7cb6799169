"""printf of the kernel: format and arguments → bytes (lib/vsprintf.c, core-api/printk-formats.rst).

One pure function. The conversions of C are in `printf_spec`, those of `%p` in `pointer_format`; `%pV`, a
format inside a format, is here. `%n` and other unknown conversions end the output with a warning, as there.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.kernel.pointer_format import pointer
from emukern.kernel.printf_spec import (
    PRECISION_MAX,
    STAR,
    WIDTH_MAX,
    Spec,
    character,
    integer,
    padded,
    parse,
    pointer_complaint,
)
from emukern.varargs import va_list_at

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel
    from emukern.varargs import VarArgs

WARNING = 4


def vsprintf(k: Kernel, fmt: bytes, args: VarArgs) -> bytes:
    """What the kernel's printf makes of `fmt` and `args`, without a terminating NUL."""
    found: list[bytes] = []
    for part in parse(fmt):
        if isinstance(part, bytes):
            found.append(part)
            continue
        spec = part
        if spec.width == STAR or spec.precision == STAR:
            spec = _fill_in(spec, args)
        match spec.conversion:
            case "":
                k.log.emit(WARNING, f"Please remove unsupported %{spec.extension} in format string")
                break
            case "s":
                found.append(string(k, spec, args.word()))
            case "c":
                found.append(character(spec, args.word()))
            case "p" if spec.extension[:1] == "V":
                found.append(_va_format(k, spec, args.word()))
            case "p":
                found.append(pointer(k, spec, args.word()))
            case _:
                found.append(integer(spec, args.word()))
    return b"".join(found)


def _fill_in(spec: Spec, args: VarArgs) -> Spec:
    """`spec` with its `*` taken from the arguments; a negative width means left, a negative precision 0."""
    if spec.width == STAR:
        width = args.int()
        left = spec.left or width < 0
        spec = spec._replace(width=min(abs(width), WIDTH_MAX), left=left, zero=spec.zero and not left)
    if spec.precision == STAR:
        spec = spec._replace(precision=min(max(args.int(), 0), PRECISION_MAX))
    return spec


def string(k: Kernel, spec: Spec, address: int) -> bytes:
    """`%s`."""
    wrong = pointer_complaint(spec, address)
    if wrong is not None:
        return wrong
    if spec.precision >= 0:
        return padded(spec, k.mem.cstr(address, spec.precision) if spec.precision else b"")
    return padded(spec, k.mem.cstr(address))


def _va_format(k: Kernel, spec: Spec, address: int) -> bytes:
    """`%pV`: a struct va_format {const char *fmt; va_list *va;}; neither width nor precision counts."""
    wrong = pointer_complaint(spec, address)
    if wrong is not None:
        return wrong
    return vsprintf(k, k.mem.cstr(k.mem.u64(address)), va_list_at(k, k.mem.u64(address + 8)))
