"""An open file that keeps what is written to it: the output of a program that the host runs."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from emukern.kernel.fdtable import FileTable
from emukern.kernel.inode import Inode
from emukern.kernel.openfile import O_WRONLY, File
from emukern.kernel.sequence import Answer

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel


class CaptureFile(File):
    """The writing end of a pipe that never fills: guests see a fifo, the host reads `data`."""

    __slots__ = ("data",)

    def __init__(self, k: Kernel) -> None:
        super().__init__(Inode(k.vfs.pipes, 0, stat.S_IFIFO | 0o600), O_WRONLY)
        self.data = bytearray()

    def write_data(self, k: Kernel, data: bytes) -> Answer:
        self.data += data
        return len(data)

    def text(self) -> str:
        """All that was written, bytes that are no UTF-8 as surrogates."""
        return self.data.decode("utf-8", "surrogateescape")


def captured_table(k: Kernel, output: CaptureFile) -> FileTable:
    """Descriptors of a process that reads nothing and writes to `output`, errors too."""
    table = FileTable()
    table.add(k.vfs.open(k, "/dev/null"))
    table.add(output)
    table.dup(1)
    return table
