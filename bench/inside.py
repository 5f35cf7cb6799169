"""What things cost inside a booted guest."""

import random
import struct
import time

import unicorn
from unicorn import unicorn_const as const

from bench.code import compare, repeat, syscall_loop
from bench.timing import median
from emukern import boot

SYSCALLS = 0x8000
CALLS = 20_000
KEYS = 200_000
ROUNDS = 100_000


class Bench:
    """A guest with the measuring code in executable pages of its module area."""

    def __init__(self, arch, runs, **options):
        self.runs = runs
        self.guest = boot(arch, **options)
        self.k = self.guest.k
        self.code = self.k.module_area.alloc(1)
        self.k.mem.write(self.code, repeat(arch).ljust(256, b"\0") + compare(arch))
        self.k.module_area.protect(self.code, 1, "rx")
        self.compare = self.code + 256

    def insmod_in_shell(self):
        """Seconds for `insmod hello.ko; rmmod hello` as programs of the guest, shell included."""
        return median(lambda: self.guest.shell("insmod hello.ko; rmmod hello"), self.runs)

    def insmod(self):
        """Seconds for the same from Python."""
        return median(lambda: (self.guest.insmod("hello"), self.guest.rmmod("hello")), self.runs)

    def syscall(self):
        """Seconds for one system call of a program."""
        self.k.vfs.write_file("/tmp/calls", syscall_loop(self.guest.arch, SYSCALLS), 0o755)
        return median(lambda: self.guest.execute(["/tmp/calls"]), 5) / SYSCALLS

    def export(self):
        """Seconds for one call of a kernel function that is written in Python."""
        ktime_get = self.guest.address("ktime_get")
        return median(lambda: self.guest.call(self.code, CALLS, ktime_get), 5) / CALLS

    def call(self):
        """Seconds for one call of a guest function by Python."""
        self.guest.insmod("adder")
        add = self.guest.module("adder").address("add")
        return median(lambda: [self.guest.call(add, 1, 2) for _ in range(500)], 5) / 500

    def snapshot(self):
        """Seconds for the first save, for a later one, and for restoring after some work."""
        first = median(self.guest.save, 1)
        saved = self.guest.save()
        work = lambda: (self.guest.insmod("hello"), self.guest.rmmod("hello"))  # noqa: E731
        restore = median(lambda: self.guest.restore(saved), self.runs, before=work)
        return first, median(self.guest.save, 3, before=work), restore

    def speed(self, kind):
        """Million instructions a second for a kind of code: with the clock, and on bare Unicorn."""
        address, arguments, prepare = getattr(self, f"_{kind}")()
        prepare()
        instructions = self._count(address, arguments, prepare)
        # In turns and in CPU time, and the best of each, so that a busy host does not decide.
        clocked, bare = [], []
        engine = self._bare_engine()
        for _ in range(9):
            prepare()
            start = time.thread_time()
            self.guest.call(address, *arguments)
            clocked.append(time.thread_time() - start)
            prepare()
            bare.append(self._run_bare(engine, address, arguments))
        return instructions / min(clocked) / 1e6, instructions / min(bare) / 1e6

    def _sort(self):
        """The guest's sort() with a comparison called through a pointer: short blocks, many branches."""
        keys = random.Random(1).randbytes(4 * KEYS)
        buffer = self.guest.alloc(keys)
        return (
            self.guest.address("sort"),
            (buffer, KEYS, 4, self.compare, 0),
            lambda: self.k.mem.write(buffer, keys),
        )

    def _copy(self):
        """memcpy of 64 bytes, over and over: calls of small functions."""
        buffer = self.guest.alloc(256)
        return self.code, (ROUNDS * 10, self.guest.address("memcpy"), buffer, buffer + 128, 64), lambda: None

    def _chacha(self):
        """chacha_block_generic(): long blocks of arithmetic."""
        state = self.guest.alloc(struct.pack("<16I", *range(16)) + bytes(64))
        return self.code, (ROUNDS, self.guest.address("chacha_block_generic"), state, state + 64, 20), lambda: None

    def _bare_engine(self):
        """Unicorn without a hook over the same RAM, at the same page tables, in the same CPU state."""
        engine, mode, model = self.k.arch.unicorn
        uc = unicorn.Uc(engine, mode)
        if model is not None:
            uc.ctl_set_cpu_model(model)
        uc.mem_map_ptr(self.k.ram.base, self.k.ram.size, const.UC_PROT_ALL, self.k.ram.address)
        return uc

    def _run_bare(self, uc, address, arguments):
        """CPU seconds for a call on `uc`, which stops where the function returns to."""
        self._enter(uc, address, arguments)
        start = time.thread_time()
        uc.emu_start(address, self.k.kret)
        return time.thread_time() - start

    def _count(self, address, arguments, prepare):
        """How many instructions the call takes."""
        uc = self._bare_engine()
        blocks = {}
        sizes = {}

        def on_block(uc, start, size, _):
            blocks[start] = blocks.get(start, 0) + 1
            sizes[start] = size

        uc.hook_add(const.UC_HOOK_BLOCK, on_block)
        self._run_bare(uc, address, arguments)
        prepare()
        return sum(times * self._instructions(start, sizes[start]) for start, times in blocks.items())

    def _instructions(self, start, size):
        import capstone

        names = self.k.arch.disassembler
        mode = sum(getattr(capstone, name) for name in names[1:])
        disassembler = capstone.Cs(getattr(capstone, names[0]), mode)
        return sum(1 for _ in disassembler.disasm_lite(self.k.mem.read(start, size), start))

    def _enter(self, uc, address, arguments):
        """What dispatch does for a Call: kernel mode, arguments in registers, and where to return to."""
        cpu, registers = self.k.cpu, self.k.arch.registers
        before = cpu.save()
        cpu.restore(self.k.kernel_context)
        cpu.keep_root(self.k.mem.root)
        sp = self.k.sched.tasks[1].stack + self.k.stack_size - 128
        if registers.ra is None:
            sp -= 8
            self.k.mem.put_u64(sp, self.k.kret)
        else:
            cpu.gpr[registers.ra] = self.k.kret
        cpu.gpr[registers.sp] = sp
        for index, value in zip(registers.args, arguments, strict=False):
            cpu.gpr[index] = value
        context = cpu.uc.context_save()
        cpu.restore(before)
        uc.context_restore(context)
