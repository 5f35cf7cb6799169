"""A kernel made of dictionaries: enough for the loader, with guest functions played by Python."""

from collections.abc import Callable
from dataclasses import dataclass, field

from emukern import arch
from emukern.errors import Errno
from emukern.flow import CONTINUATIONS, Call
from emukern.kmod.module import Module
from emukern.kmod.symbols import Exports, Symbol, SymbolChain

PAGE = 4096


class FakeMemory:
    """Guest memory as blocks of bytes."""

    def __init__(self):
        self.blocks: dict[int, bytearray] = {}

    def _find(self, addr, n):
        for start, block in self.blocks.items():
            if start <= addr and addr + n <= start + len(block):
                return block, addr - start
        raise AssertionError(f"{n} bytes at {addr:#x} are not mapped")

    def read(self, addr, n):
        block, at = self._find(int(addr), n)
        return bytes(block[at : at + n])

    def write(self, addr, data):
        block, at = self._find(int(addr), len(data))
        block[at : at + len(data)] = data

    def cstr(self, addr, limit=1 << 20):
        block, at = self._find(int(addr), 1)
        return bytes(block[at : block.index(0, at)])

    def u8(self, addr):
        return int.from_bytes(self.read(addr, 1), "little")

    def u16(self, addr):
        return int.from_bytes(self.read(addr, 2), "little")

    def u32(self, addr):
        return int.from_bytes(self.read(addr, 4), "little")

    def u64(self, addr):
        return int.from_bytes(self.read(addr, 8), "little")

    def put_u8(self, addr, v):
        self.write(addr, (v & 0xFF).to_bytes(1, "little"))

    def put_u16(self, addr, v):
        self.write(addr, (v & 0xFFFF).to_bytes(2, "little"))

    def put_u32(self, addr, v):
        self.write(addr, (v & 0xFFFFFFFF).to_bytes(4, "little"))

    def put_u64(self, addr, v):
        self.write(addr, (v & 0xFFFFFFFFFFFFFFFF).to_bytes(8, "little"))


@dataclass
class FakeArea:
    """Module memory that remembers permissions and refuses what a real kernel would not survive."""

    mem: FakeMemory
    next: int
    limit: int = 1 << 28
    prot: dict[int, str] = field(default_factory=dict)
    sizes: dict[int, int] = field(default_factory=dict)

    def alloc(self, npages):
        if npages * PAGE > self.limit:
            raise MemoryError
        address = self.next
        self.next += (npages + 1) * PAGE
        self.mem.blocks[address] = bytearray(npages * PAGE)
        self.sizes[address] = npages
        for i in range(npages):
            self.prot[address + i * PAGE] = "rw"
        return address

    def free(self, address):
        for i in range(self.sizes.pop(address)):
            del self.prot[address + i * PAGE]
        del self.mem.blocks[address]

    def protect(self, address, npages, prot):
        for i in range(npages):
            assert address + i * PAGE in self.prot
            self.prot[address + i * PAGE] = prot


@dataclass
class FakeHeap:
    mem: FakeMemory
    next: int = 0xFFFF_8880_0100_0000
    owners: dict[int, str] = field(default_factory=dict)

    def alloc(self, size, *, by="", zero=False, align=0):
        address = self.next
        self.next += (size + 15) & ~15
        self.mem.blocks[address] = bytearray(size)
        self.owners[address] = by
        return address

    def free(self, address, *, by=""):
        if address:
            del self.mem.blocks[address], self.owners[address]


@dataclass
class FakeLog:
    lines: list[tuple[int, str]] = field(default_factory=list)

    def emit(self, level, text):
        self.lines.append((level, text))


class FakeKernel:
    """`functions`: guest functions by address, played by callables of (k, *args)."""

    def __init__(self, name="x86_64", exports=(), vermagic=None):
        self.arch = arch.get(name)
        self.mem = FakeMemory()
        self.module_area = FakeArea(self.mem, self.arch.layout.modules)
        self.heap = FakeHeap(self.mem)
        self.log = FakeLog()
        self.mem.blocks[self.arch.layout.stubs] = bytearray(1 << 20)  # where data exports live too
        self.kernel = Exports("kernel")
        self.symbols = SymbolChain(kernel=[self.kernel])
        self.modules: dict[str, Module] = {}
        self.taints: set[str] = set()
        self.part_state: dict = {}
        self.percpu_base = self.arch.layout.modules if self.arch.percpu_relative else 0
        self.vermagic = vermagic
        self.functions: dict[int, Callable] = {}
        self.stand_ins: dict[str, int] | None = None
        self.calls: list[tuple[int, tuple[int, ...]]] = []
        for symbol in exports:
            self.export(symbol)

    def export(self, name, function=None, gpl=False, **more):
        """Offer `name` to modules at a made-up address inside the stub window."""
        address = self.arch.layout.stubs + 16 * len(self.kernel.table)
        self.kernel.table[name] = Symbol(name, address, gpl=gpl, **more)
        if function is not None:
            self.functions[address] = function
        return address

    def lazy_stub(self, name, module):
        return None if self.stand_ins is None else self.stand_ins.setdefault(name, self.export(name))

    def run(self, answer):
        """Do what the run loop does with a handler's answer."""
        if not isinstance(answer, Call):
            return answer
        self.calls.append((answer.address, answer.args))
        function = self.functions.get(answer.address, lambda k, *args: 0)
        rv = self.run(function(self, *answer.args)) or 0
        if answer.then is None:
            return rv
        try:
            next_answer = CONTINUATIONS[answer.then](self, rv & 0xFFFF_FFFF_FFFF_FFFF, **answer.data)
        except Errno as error:
            next_answer = -error.number
        return self.run(next_answer)

    @property
    def text(self):
        return [text for _, text in self.log.lines]
