"""The PC as a whole: everything at its address, on its interrupt, and all of it saved."""

import io
import pickle
import random

import pytest

from emukern.devices import pc
from emukern.errors import UsageError
from tests.devices.board import Screen, Switch, Time

MEMORY = 256 << 20
EPOCH = 1_700_000_000 * 10**9
# Some of each device.
PORTS = (0x20, 0x21, 0x40, 0x60, 0x61, 0x64, 0x71, 0x92, 0xA1, 0x1F7, 0x376, 0x3F4, 0x3FD, 0x4D0, 0x608, 0x700, 0xC002)


class Machine:
    """A board and what it was given."""

    def __init__(self):
        self.time, self.screen, self.switch = Time(), Screen(), Switch()
        self.board = pc.build(self.time, self.screen, self.switch, MEMORY, EPOCH)
        self.fixed = {"time": self.time, "console": self.screen, "power": self.switch}

    def init_pics(self):
        for port, base in ((0x20, 0x30), (0xA0, 0x38)):
            for offset, value in ((0, 0x11), (1, base), (1, 4 if port == 0x20 else 2), (1, 1), (1, 0)):
                self.board.bus.write_port(port + offset, 1, value)

    def save(self):
        """As a machine's snapshot does: parts by name, what they share by reference."""
        names = {id(part): name for name, part in (self.board.devices | self.fixed).items()}
        file = io.BytesIO()
        pickler = pickle.Pickler(file)
        pickler.persistent_id = lambda part: names.get(id(part))
        pickler.dump({name: vars(part) for name, part in self.board.devices.items()})
        return file.getvalue()

    def restore(self, saved):
        parts = self.board.devices | self.fixed
        unpickler = pickle.Unpickler(io.BytesIO(saved))
        unpickler.persistent_load = parts.__getitem__
        for name, content in unpickler.load().items():
            vars(parts[name]).clear()
            vars(parts[name]).update(content)

    def look(self):
        bus = self.board.bus
        return [bus.read_port(port, 1) for port in PORTS], self.board.deadline(), self.board.pending()

    def touch(self, seed, count=400):
        """Do all kinds of things to all ports that lead anywhere."""
        chance = random.Random(seed)
        for _ in range(count):
            port = chance.choice(PORTS) & ~7 | chance.randrange(8)
            if chance.random() < 0.6:
                self.board.bus.write_port(port, chance.choice((1, 1, 2, 4)), chance.randrange(1 << 32))
            else:
                self.board.bus.read_port(port, chance.choice((1, 1, 2, 4)))
            self.time.now += chance.randrange(10**6)
            deadline = self.board.deadline()
            if deadline is not None and deadline <= self.time.now:
                self.board.expire(self.time.now)
            if self.board.pending() is not None and chance.random() < 0.5:
                self.board.acknowledge()


@pytest.fixture
def machine():
    return Machine()


def test_what_answers_and_what_floats(machine):
    read = machine.board.bus.read_port
    assert read(0x3FD, 1) == 0x60, "the serial port's transmitter is empty"
    assert read(0x64, 1) & 1 == 0
    assert read(0x1F7, 1) == read(0x177, 1) == read(0x3F6, 1) == read(0x376, 1) == 0
    for port in (0x378, 0x2F8, 0x3C0, 0x201, 0x170 - 8, 0x65, 0x70, 0x3F0):
        assert read(port, 1) == 0xFF


@pytest.mark.parametrize("size", [1, 2, 4])
def test_any_port_can_be_touched(machine, size):
    bus = machine.board.bus
    for port in range(0x10000):
        value = bus.read_port(port, size)
        assert 0 <= value < 1 << 8 * size
    for port in range(0x10000):
        bus.write_port(port, size, 0xFFFF_FFFF)


def test_the_serial_port_interrupts_on_4(machine):
    machine.init_pics()
    machine.board.bus.write_port(0x3F9, 1, 1)
    machine.board.receive(b"x")
    assert machine.board.pending() == machine.board.acknowledge() == 0x34


def test_the_timer_ticks_on_0(machine):
    machine.init_pics()
    for port, value in ((0x43, 0x34), (0x40, 0xA4), (0x40, 0x12)):
        machine.board.bus.write_port(port, 1, value)
    assert machine.board.acknowledge() == 0x30, "choosing the mode has raised the output"
    machine.board.bus.write_port(0x20, 1, 0x60)
    machine.time.now = machine.board.deadline()
    assert machine.board.pending() is None
    machine.board.expire(machine.time.now)
    assert machine.board.pending() == 0x30
    assert machine.board.deadline() > machine.time.now


@pytest.mark.parametrize(
    ("writes", "vector"),
    [
        ([(0x64, 0x60), (0x60, 0x47), (0x60, 0xEE)], 0x31),
        ([(0x64, 0x60), (0x60, 0x47), (0x64, 0xD4), (0x60, 0xF4)], 0x3C),
        ([(0x3F2, 0x08), (0x3F2, 0x0C)], 0x36),
        ([(0x602, 0x01)], 0x39),
        ([(0x70, 0x0B), (0x71, 0x42)], 0x38),
    ],
    ids=["keyboard", "mouse", "floppy", "acpi", "clock"],
)
def test_each_device_has_its_interrupt(machine, writes, vector):
    machine.init_pics()
    for port, value in writes:
        machine.board.bus.write_port(port, 1, value)
    machine.time.now = 10**10
    machine.board.expire(machine.time.now)
    assert machine.board.pending() == machine.board.acknowledge() == vector


@pytest.mark.parametrize(
    ("port", "value", "state"),
    [(0xCF9, 6, "reset"), (0x64, 0xFE, "reset"), (0x92, 1, "reset"), (0x605, 0x20, "poweroff")],
)
def test_ways_out(machine, port, value, state):
    machine.board.bus.write_port(port, 1, value)
    assert machine.switch.state == state


def test_the_memory_map_has_room_for_the_tables(machine):
    board = machine.board
    usable = [(start, start + size) for start, size, kind in board.e820 if kind == 1]
    assert usable == [(0, 0x9FC00), (0x100000, board.top)]
    assert min(address for address, _ in board.tables if address < board.top) >= 0xF0000
    assert dict(board.tables)[board.rsdp].startswith(b"RSD PTR ")
    last = 0
    for start, size, _ in board.e820:
        assert start >= last
        last = start + size
    for address, data in board.tables:
        assert any(start <= address and address + len(data) <= start + size for start, size, kind in board.e820[1:])


@pytest.mark.parametrize("memory", [1 << 20, 0xC020_0000])
def test_too_little_or_too_much_memory(memory):
    with pytest.raises(UsageError, match="MiB"):
        pc.build(Time(), Screen(), Switch(), memory, EPOCH)


@pytest.mark.parametrize("seed", range(5))
def test_a_saved_board_comes_back_whole(machine, seed):
    machine.init_pics()
    machine.touch(seed)
    saved, now = machine.save(), machine.time.now
    machine.touch(seed + 100)
    after = machine.look()
    machine.restore(saved)
    machine.time.now = now
    machine.touch(seed + 100)
    assert machine.look() == after, "the same happens again"


def test_a_board_can_be_restored_into_another(machine):
    machine.init_pics()
    machine.touch(1)
    other = Machine()
    other.restore(machine.save())
    other.time.now = machine.time.now
    assert other.look() == machine.look()
