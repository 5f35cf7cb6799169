"""From the kernel's C to handlers in Python: fills the __kimport_ pointers of guest/include/emukern/export.h."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.kapi.export import address_of, export_data
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

PREFIX = "__kimport_"


@export_data("emukern_imports", "unsigned int", gpl=True)
def emukern_imports(k: Kernel, count: Ptr) -> None:
    """How many pointers the image has; they are set before any module runs."""
    for name, symbol in k.names.items():
        if name.startswith(PREFIX):
            k.mem.put_u64(symbol.value, address_of(k, name.removeprefix(PREFIX)))
            count[0] += 1
