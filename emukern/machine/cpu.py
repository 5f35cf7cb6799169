"""One CPU: registers by index, run → Trap, save and restore. Hooks only record; no policy lives here."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Callable, Iterable
from importlib import resources
from typing import Any, ClassVar

import unicorn
from unicorn import unicorn_const as const
from unicorn.unicorn_py3.unicorn import uclib

from emukern.arch import Arch
from emukern.errors import BuildError, EmukernError
from emukern.machine import view as views
from emukern.machine.clock import NS_PER_BLOCK
from emukern.machine.ram import Ram
from emukern.trap import CpuException, Trap

NO_QUOTA = (1 << 64) - 1
TSC_PER_2NS = 5  # 2.5 GHz
TRANSLATED = 128 << 20  # bytes of translated code that are kept; all of it goes when that is full
CTL_WRITE = const.UC_CTL_IO_WRITE << 30


class Gate(ctypes.Structure):
    """A word of the CPU's state that must match before an interrupt is taken."""

    _fields_: ClassVar = [("word", ctypes.c_void_p), ("mask", ctypes.c_uint64), ("value", ctypes.c_uint64)]


class Read(ctypes.Structure):
    """A place in the kernel's own code that reads the time counter: the pc after it, and the register it goes to."""

    _fields_: ClassVar = [("after", ctypes.c_uint64), ("to", ctypes.c_uint32), ("used", ctypes.c_uint32)]


class State(ctypes.Structure):
    """`struct state` of native.c."""

    _fields_: ClassVar = [
        ("blocks", ctypes.c_uint64),
        ("quota", ctypes.c_uint64),
        ("kind", ctypes.c_uint32),
        ("number", ctypes.c_uint32),
        ("stop", ctypes.c_void_p),
        ("reg_write", ctypes.c_void_p),
        ("ns_per_block", ctypes.c_uint64),
        ("ns_jumped", ctypes.c_uint64),
        ("rax", ctypes.c_int32),
        ("rdx", ctypes.c_int32),
        ("deadline", ctypes.c_uint64),
        ("waiting", ctypes.c_uint32),
        ("gate_count", ctypes.c_uint32),
        ("gates", Gate * 2),
        ("pc", ctypes.c_void_p),
        ("registers", ctypes.c_void_p),
        ("ns_per_tick", ctypes.c_uint64),
        ("blocks_per_read", ctypes.c_uint64),
        ("reads", Read * 64),
    ]


def native_library() -> ctypes.CDLL | None:
    """The compiled hooks, or None where the package was built without a compiler."""
    path = resources.files("emukern") / "built" / "native.so"
    if os.environ.get("EMUKERN_NATIVE") == "0" or not path.is_file():
        return None
    library = ctypes.CDLL(str(path))
    size = ctypes.c_uint32.in_dll(library, "state_size").value if hasattr(library, "state_size") else 0
    if size != ctypes.sizeof(State):
        raise BuildError(f"{path} was built from another version of native.c: install the package again")
    return library


class Cpu:
    """A unicorn engine over `ram`. `native` and `fast` are off only for tests and odd hosts."""

    NONE, TICK, INTERRUPT, SYSCALL, INVALID, BREAK = range(6)
    def __init__(
        self,
        arch: Arch,
        ram: Ram,
        *,
        native: bool = True,
        fast: bool = True,
        ns_per_block: int = NS_PER_BLOCK,
    ) -> None:
        self.arch = arch
        self.ram = ram
        engine, mode, model = arch.unicorn
        self.uc = unicorn.Uc(engine, mode)
        if model is not None:
            self.uc.ctl_set_cpu_model(model)
        self.uc.ctl_set_tcg_buffer_size(TRANSLATED)
        self._handle = self.uc._uch
        self.uc.mem_map_ptr(ram.base, ram.size, const.UC_PROT_ALL, ram.address)
        self.uc.ctl_exits_enabled(True)
        self.uc.ctl_set_exits([])
        self._hooks: list[Any] = []
        self.ns_per_block = ns_per_block
        self.code_flushes = 0  # how often all translated code was dropped
        self.state = State(quota=NO_QUOTA, ns_per_block=ns_per_block)
        self.state.stop = ctypes.cast(uclib.uc_emu_stop, ctypes.c_void_p).value
        self.state.reg_write = ctypes.cast(uclib.uc_reg_write, ctypes.c_void_p).value
        self._library = native_library() if native else None
        self.native = self._library is not None
        self._context = self.uc.context_save()
        self._context_address = ctypes.cast(self._context.context, ctypes.c_void_p).value
        self._context_size = self._context.size
        self._choose_view(fast)
        self.hook(const.UC_HOOK_BLOCK, "on_block")
        self.hook(const.UC_HOOK_INTR, "on_interrupt")
        self.hook(const.UC_HOOK_INSN_INVALID, "on_invalid")
        arch.arm(self)

    def _choose_view(self, fast: bool) -> None:
        state = views.live_state(self.uc) if fast else None
        self.fast = state is not None
        if state is None:
            assert self._context_address is not None
            state = self._context_address + views.CONTEXT_HEADER
        self.view_address = state
        self.view = views.fields_at(state, self.arch.registers)
        self.gpr = self.view.gpr
        if self.fast and not views.agrees(self.uc, self.view, *self.arch.registers.probe):
            self._choose_view(False)

    def hook(self, kind: int, name: str, instruction: int = 0) -> None:
        """Add the recorder `name` of native.c (or its Python twin) for a kind of event."""
        if self._library is not None:
            callback = ctypes.cast(getattr(self._library, name), ctypes.c_void_p)
        else:
            from emukern.machine.recorder import recorder

            function = recorder(self, name)
            self._hooks.append(function)
            callback = ctypes.cast(function, ctypes.c_void_p)
        handle = ctypes.c_size_t()
        status = uclib.uc_hook_add(
            self._handle,
            ctypes.byref(handle),
            kind,
            callback,
            ctypes.byref(self.state),
            ctypes.c_uint64(1),
            ctypes.c_uint64(0),
            ctypes.c_int(instruction),
        )
        if status != const.UC_ERR_OK:
            raise EmukernError(f"the CPU engine refused the hook {name}: {unicorn.UcError(status)}")

    @property
    def pc(self) -> int:
        """Address of the next instruction."""
        return int(self.view.pc.value)

    @pc.setter
    def pc(self, value: int) -> None:
        self.view.pc.value = value

    def run_to(self, blocks: int) -> Trap:
        """Run until something happens, at most until the block clock says `blocks`."""
        error = self.run(blocks)
        state = self.state
        if error and state.kind == self.NONE:
            return self._bus_error(error)
        return self.arch.decode(self, state.kind, state.number)

    def run(self, blocks: int) -> int:
        """The same for those who read `state.kind` and `state.number` themselves; answers the engine's error code."""
        state = self.state
        state.quota = blocks
        state.kind = self.NONE
        if not self.fast:
            uclib.uc_context_restore(self._handle, self._context.context)
        error = uclib.uc_emu_start(self._handle, self.view.pc.value, 0, 0, 0)
        if not self.fast:
            uclib.uc_context_save(self._handle, self._context.context)
        return int(error)

    def count_time(self, ns_per_tick: int, ns_per_read: int) -> None:
        """Let `knows_read` make reads of the time counter cheap: its period, and what a read of it takes."""
        self.state.pc = ctypes.addressof(self.view.pc)
        self.state.registers = ctypes.addressof(self.gpr)
        self.state.blocks_per_read = -(-ns_per_read // self.ns_per_block)
        self.state.ns_per_tick = ns_per_tick

    def knows_read(self, after: int, register: int) -> None:
        """The instruction before `after`, which never changes, reads the time counter into `register`."""
        place = self.state.reads[after // 2 % len(self.state.reads)]
        place.after, place.to, place.used = after, register, 1

    def set_gates(self, gates: tuple[tuple[int, int, int], ...]) -> None:
        """Interrupts are taken when for each (offset in the CPU's state, mask, value) the word there matches."""
        for place, (offset, mask, value) in zip(self.state.gates, gates, strict=False):
            place.word, place.mask, place.value = self.view_address + offset, mask, value
        self.state.gate_count = len(gates)

    def _bus_error(self, error: int) -> Trap:
        """Physical memory that is not there: the guest's page tables point at nothing."""
        import signal

        text = f"bus error ({unicorn.UcError(error)})"
        return CpuException(text, signal.SIGBUS, self.arch.user(self))

    @property
    def tsc(self) -> int:
        """The time stamp counter, at 2.5 GHz."""
        return int(self.state.ns_jumped + self.state.blocks * self.ns_per_block) * TSC_PER_2NS // 2

    def time_jumped(self, ns: int) -> None:
        """Virtual time is `ns` ahead of the executed blocks."""
        self.state.ns_jumped = ns

    def save(self) -> bytes:
        """Everything the CPU holds, as bytes that depend on nothing else."""
        if self.fast:
            uclib.uc_context_save(self._handle, self._context.context)
        assert self._context_address is not None
        header = views.CONTEXT_HEADER  # the engine's own, with addresses of this process
        saved = bytearray(ctypes.string_at(self._context_address + header, self._context_size - header))
        for offset, size in self.arch.registers.scratch:
            saved[offset : offset + size] = bytes(size)
        return bytes(saved)

    def restore(self, saved: bytes) -> None:
        """Make the CPU hold what `save` returned; address translations are kept (see `set_root`)."""
        assert self._context_address is not None
        ctypes.memmove(self._context_address + views.CONTEXT_HEADER, saved, len(saved))
        if self.fast:
            uclib.uc_context_restore(self._handle, self._context.context)

    def set_root(self, root: int) -> None:
        """Switch to the page tables whose root is at the physical address `root`."""
        self.view.root.value = self.arch.paging.root_register(root)
        self.flush_translations()

    def keep_root(self, root: int) -> None:
        """After `restore` of a context of the same address space: its root, translations stay valid."""
        self.view.root.value = self.arch.paging.root_register(root)

    def flush_translations(self) -> None:
        """Forget cached page table entries; needed after an entry lost rights or changed its target."""
        uclib.uc_ctl(self._handle, const.UC_CTL_TLB_FLUSH | CTL_WRITE)

    def flush_code(self) -> None:
        """Forget translated code; needed when pages that were executed get new content from outside the guest."""
        uclib.uc_ctl(self._handle, const.UC_CTL_TB_FLUSH | CTL_WRITE)
        self.code_flushes += 1

    def forget_code(self, ranges: Iterable[tuple[int, int]]) -> None:
        """Forget code translated from the virtual addresses [start, end) of each range."""
        for start, end in ranges:
            uclib.uc_ctl(
                self._handle,
                const.UC_CTL_TB_REMOVE_CACHE | 2 << 26 | CTL_WRITE,
                ctypes.c_uint64(start),
                ctypes.c_uint64(end),
            )

    fetch: Callable[[int, int], bytes]  # reads guest code at a virtual address; set by the machine
