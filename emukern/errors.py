"""What can go wrong, as types that carry their datum.

EmukernError                everything emukern raises on purpose; prints as one sentence
├── ModuleError             a module was refused: .errno is what Linux returns, str() what it says
├── GuestFault              an access to guest memory failed: .address, .write
├── GuestOops               guest code died while the host waited for its result: .report
├── GuestPanic              the guest kernel cannot go on: .report
├── Unimplemented           an export, system call or hypercall nobody wrote: .name, .caller
├── BuildError              the guest programs are missing or could not be compiled
├── ImageError              a file is no kernel image that can be used; the text says why
├── SnapshotError           a snapshot does not fit this machine
└── UsageError              a command line or an argument makes no sense

`Errno` is not among them: it is an answer a handler gives to the guest, not a failure of emukern.
"""

from __future__ import annotations

import errno as _errno
import os

# Kernel-internal numbers that user space never sees (include/linux/errno.h).
ERESTARTSYS = 512
ENOTSUPP = 524


def errno_name(number: int) -> str:
    """`ENOENT` for 2; the number itself for one that has no name."""
    internal = {ERESTARTSYS: "ERESTARTSYS", ENOTSUPP: "ENOTSUPP"}
    return _errno.errorcode.get(number) or internal.get(number) or str(number)


class Errno(Exception):
    """A handler's answer "failed with this errno"; `number` is positive, as in errno.h."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number

    def __str__(self) -> str:
        return f"{errno_name(self.number)} ({os.strerror(self.number)})"


class EmukernError(Exception):
    """Everything emukern raises on purpose."""


class ModuleError(EmukernError):
    """A module was refused: `errno` (positive) is what Linux answers, the text is the reason."""

    def __init__(self, errno: int, reason: str = "") -> None:
        super().__init__(reason or os.strerror(errno))
        self.errno = errno


class GuestFault(EmukernError):
    """An access to guest memory at `address` failed."""

    def __init__(self, address: int, *, write: bool = False) -> None:
        super().__init__(f"cannot {'write' if write else 'read'} guest memory at {address:#x}")
        self.address = address
        self.write = write


class GuestOops(EmukernError):
    """Guest code died while the host waited for its result; `report` is the kernel's text."""

    def __init__(self, report: str) -> None:
        super().__init__(report.splitlines()[0] if report else "the guest oopsed")
        self.report = report


class GuestPanic(EmukernError):
    """The guest kernel cannot go on; `report` is its last words."""

    def __init__(self, report: str) -> None:
        super().__init__(report.splitlines()[0] if report else "the guest panicked")
        self.report = report


class Unimplemented(EmukernError):
    """Guest code asked for something nobody wrote: `name`, asked for by `caller`."""

    def __init__(self, name: str, caller: str) -> None:
        super().__init__(f"{name} is not implemented; it was called by {caller}")
        self.name = name
        self.caller = caller


class BuildError(EmukernError):
    """The guest programs are missing or could not be compiled."""


class ImageError(EmukernError):
    """A file is no kernel image that can be used: of another kind or architecture, damaged, or lacking a table."""


class SnapshotError(EmukernError):
    """A snapshot does not fit this machine."""


class UsageError(EmukernError):
    """A command line or an argument makes no sense."""
