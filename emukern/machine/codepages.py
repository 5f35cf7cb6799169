"""Pages that programs' code was translated from: where the engine must look at every store.

The engine drops translated code that is overwritten, but once a store went through a mapping that is not executable, it
does not look at further ones until that translation is forgotten (notdirty_write in its cputlb.c). A kernel that puts a
program where another one was writes through such a mapping. A memory hook on the page makes the engine look at every
store; this one never fires, for there is memory. The kernel's own code is rewriting.py's business.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_right
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from unicorn import unicorn_const as const
from unicorn.unicorn_py3.unicorn import HOOK_MEM_INVALID_CFUNC, uclib

from emukern.errors import EmukernError
from emukern.machine.ram import PAGE

if TYPE_CHECKING:
    from emukern.linux.memory import KernelMemory
    from emukern.machine.cpu import Cpu

USER_END = 1 << 47  # programs run below, kernels above


class CodePages:
    """Watches the pages from which a CPU has translated code of programs.

    Stores that pass unseen through a translation from before the page became one with code do no harm: until that code
    is another's, the guest must flush the translation that it was executed through.
    """

    def __init__(self, cpu: Cpu, mem: KernelMemory) -> None:
        self._cpu, self._mem = cpu, mem
        self._hooks: dict[int, int] = {}  # physical page → engine's handle
        self._flushes = cpu.code_flushes
        self._never = HOOK_MEM_INVALID_CFUNC(lambda *_: False)
        cpu.uc.hook_add(const.UC_HOOK_EDGE_GENERATED, self._translated, None, 0, USER_END - 1)

    def __contains__(self, page: int) -> bool:
        return page in self._hooks

    def _translated(self, _uc: Any, block: Any, _previous: Any, _data: Any) -> None:
        start, last = block.pc, block.pc + block.size - 1
        for page in {start & -PAGE, last & -PAGE}:
            self._mem.changed()
            found = self._mem.lookup(page)
            if found is not None:
                self._watch(found[0])

    def _watch(self, page: int) -> None:
        if self._flushes != self._cpu.code_flushes:
            self._flushes = self._cpu.code_flushes
            self.forget([(0, 1 << 64)])
        if page in self._hooks:
            return
        handle = ctypes.c_size_t()
        status = uclib.uc_hook_add(
            self._cpu.uc._uch,
            ctypes.byref(handle),
            const.UC_HOOK_MEM_FETCH_UNMAPPED,
            self._never,
            None,
            ctypes.c_uint64(page),
            ctypes.c_uint64(page + PAGE - 1),
        )
        if status != const.UC_ERR_OK:
            raise EmukernError(f"the CPU engine refused to watch the code at {page:#x}: error {status}")
        self._hooks[page] = handle.value

    def forget(self, ranges: Sequence[tuple[int, int]]) -> None:
        """The code translated from these ranges of physical addresses (ascending) is forgotten."""
        starts = [start for start, _ in ranges]
        for page in list(self._hooks):
            index = bisect_right(starts, page) - 1
            if index >= 0 and page < ranges[index][1]:
                uclib.uc_hook_del(self._cpu.uc._uch, ctypes.c_size_t(self._hooks.pop(page)))
