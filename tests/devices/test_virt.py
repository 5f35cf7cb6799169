"""The riscv64 board: its devicetree describes the devices that are there, where they are."""

import pytest

from emukern.devices import virt
from tests.devices.board import Screen, Switch, Time
from tests.devices.fdtreader import cells, read

MEMORY = 64 << 20
EPOCH = 1_700_000_000 * 10**9


@pytest.fixture
def board():
    return virt.build(Time(), Screen(), Switch(), MEMORY, EPOCH)


@pytest.fixture
def tree(board):
    return read(board.devicetree(b"console=ttyS0", (0x8200_0000, 0x8200_1234), MEMORY))


def test_the_kernel_is_told_its_command_line_and_initial_file_system(tree):
    chosen = tree["chosen"]
    assert chosen["bootargs"] == b"console=ttyS0\0"
    assert cells(chosen["linux,initrd-start"]) == (0, 0x8200_0000)
    assert cells(chosen["linux,initrd-end"]) == (0, 0x8200_1234)
    assert cells(tree["memory@80000000"]["reg"]) == (0, 0x8000_0000, 0, MEMORY)


def test_without_an_initial_file_system_there_is_none(board):
    assert not [name for name in read(board.devicetree(b"", None, MEMORY))["chosen"] if "initrd" in name]


def test_two_boards_say_the_same(board, tree):
    other = virt.build(Time(), Screen(), Switch(), MEMORY, EPOCH)
    assert read(other.devicetree(b"console=ttyS0", (0x8200_0000, 0x8200_1234), MEMORY)) == tree
    assert len(tree["chosen"]["rng-seed"]) == 32


def test_only_what_the_engine_executes_is_promised(tree):
    cpu = tree["cpus"]["cpu@0"]
    assert cpu["riscv,isa"] == b"rv64imafdc_zicsr_zifencei\0"
    assert cpu["riscv,isa-extensions"] == b"i\0m\0a\0f\0d\0c\0zicsr\0zifencei\0"
    assert cpu["mmu-type"] == b"riscv,sv39\0"
    assert cells(tree["cpus"]["timebase-frequency"]) == (10_000_000,)


def test_handles_are_unique_and_interrupts_lead_to_controllers(tree):
    handles = {}

    def collect(node, path):
        for name, value in node.items():
            if isinstance(value, dict):
                collect(value, [*path, name])
            elif name == "phandle":
                assert cells(value)[0] not in handles
                handles[cells(value)[0]] = node

    collect(tree, [])
    for device in ("serial@10000000", "rtc@101000"):
        parent = handles[cells(tree["soc"][device]["interrupt-parent"])[0]]
        assert "interrupt-controller" in parent
        assert parent["compatible"].startswith(b"sifive,plic")
    serial = tree["chosen"]["stdout-path"].rstrip(b"\0").decode().split("/")[1:]
    assert tree[serial[0]][serial[1]]["compatible"] == b"ns16550a\0"


def test_each_device_answers_where_the_tree_says(board, tree):
    start = {name: cells(node["reg"])[1] for name, node in tree["soc"].items() if isinstance(node, dict)}
    assert board.bus.read_mmio(start["serial@10000000"] + 5, 1) == 0x60
    assert board.bus.read_mmio(start["rtc@101000"], 4) == EPOCH & 0xFFFF_FFFF
    assert board.bus.read_mmio(start["plic@c000000"] + 4, 4) == 0
    assert board.bus.read_mmio(start["pci@30000000"], 4) == 0x0008_1B36
    assert board.bus.read_mmio(0x5000_0000, 4) == 0xFFFF_FFFF


def test_the_pci_bus_has_a_host_bridge_and_nothing_else(board):
    read32 = board.bus.read_mmio
    assert read32(0x3000_0008, 4) == 0x0600_0000
    assert read32(0x3000_002C, 4) == 0x1100_1AF4
    assert read32(0x3000_000E, 1) == 0
    assert board.bus.read_mmio(0x3000_000A, 2) == 0x0600
    board.bus.write_mmio(0x3000_0010, 4, 0xFFFF_FFFF)
    assert read32(0x3000_0010, 4) == 0, "it has no address registers"
    for other in (0x3000_1000, 0x3000_8000, 0x3010_0000, 0x3FFF_F000):
        assert read32(other, 4) == 0xFFFF_FFFF
        assert read32(other, 2) == 0xFFFF


def test_keys_reach_the_interrupt_controller(board):
    bus = board.bus
    bus.write_mmio(virt.UART + 1, 1, 1)  # receiver interrupts
    bus.write_mmio(virt.PLIC + 4 * virt.UART_IRQ, 4, 1)
    bus.write_mmio(virt.PLIC + 0x2080, 4, 1 << virt.UART_IRQ)
    assert not board.plic.external
    board.receive(b"x")
    assert board.plic.external
    assert bus.read_mmio(virt.PLIC + 0x20_1004, 4) == virt.UART_IRQ
    assert bus.read_mmio(virt.UART, 1) == ord("x")
    bus.write_mmio(virt.PLIC + 0x20_1004, 4, virt.UART_IRQ)
    assert not board.plic.external


def test_the_next_deadline_is_the_earliest_one(board):
    assert board.deadline() is None
    board.sbi.call(0x5449_4D45, 0, (50,), None)
    assert board.deadline() == 5000
    alarm = EPOCH + 3000
    board.bus.write_mmio(virt.RTC + 0x0C, 4, alarm >> 32)
    board.bus.write_mmio(virt.RTC + 0x08, 4, alarm & 0xFFFF_FFFF)
    assert board.deadline() == 3000
    board.expire(3000)
    assert board.deadline() == 5000
    assert not board.sbi.timer
    board.expire(5000)
    assert board.sbi.timer
    assert board.deadline() is None
