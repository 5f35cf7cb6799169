"""The riscv64 board: what Linux finds on QEMU's virt machine, at the same addresses, as far as it matters.

Left out: virtio slots, flash and fw_cfg (nothing is plugged in), the CLINT (for machine mode), the test device (the
firmware powers off) and the performance counters (the CPU has none). Sources: hw/riscv/virt.c for the addresses, the
bindings in Documentation/devicetree/bindings for the properties.
"""

from __future__ import annotations

import random
from typing import Any

from emukern.devices import ecam, goldfish, plic
from emukern.devices.bus import Bus
from emukern.devices.ecam import Ecam
from emukern.devices.fdt import Node, Value, cells, flatten
from emukern.devices.goldfish import GoldfishRtc
from emukern.devices.plic import Plic, Wire
from emukern.devices.sbi import TIMEBASE, Sbi
from emukern.devices.uart16550 import Uart16550

RAM = 0x8000_0000
RTC, RTC_IRQ = 0x10_1000, 11
PLIC = 0x0C00_0000
UART, UART_SIZE, UART_IRQ, UART_CLOCK = 0x1000_0000, 0x100, 10, 3_686_400
PCI, PCI_IO, PCI_IO_SIZE = 0x3000_0000, 0x0300_0000, 0x1_0000
PCI_32, PCI_32_SIZE, PCI_64, PCI_64_SIZE = 0x4000_0000, 0x4000_0000, 0x4_0000_0000, 0x4_0000_0000
HOST_BRIDGE = (0x1B36, 0x0008, (0x1AF4, 0x1100))  # QEMU's own generic one
SPACE_IO, SPACE_32, SPACE_64 = 0x0100_0000, 0x0200_0000, 0x0300_0000  # IEEE 1275 PCI binding, phys.hi
SUPERVISOR_EXTERNAL, MACHINE_EXTERNAL = 9, 11
CPU_HANDLE, INTC_HANDLE, PLIC_HANDLE = 1, 2, 3
EXTENSIONS = ("i", "m", "a", "f", "d", "c", "zicsr", "zifencei")  # what the engine executes, and no more
SEED = 0x454D_554B


class Board:
    """The devices by name, wired up. `bus` leads to them; `sbi` is the firmware."""

    def __init__(self, time: Any, console: Any, power: Any, epoch_ns: int) -> None:
        self.time = time
        self.sbi = Sbi(time, console, power)
        self.plic = Plic()
        self.uart = Uart16550(time, console, Wire(self.plic, UART_IRQ))
        self.rtc = GoldfishRtc(time, Wire(self.plic, RTC_IRQ), epoch_ns)
        self.pci = Ecam(*HOST_BRIDGE)
        self.devices = {"sbi": self.sbi, "plic": self.plic, "uart": self.uart, "rtc": self.rtc}
        self._timed = (self.sbi, self.uart, self.rtc)
        self.bus = Bus()
        self.bus.add_mmio(RTC, goldfish.SIZE, self.rtc, "rtc")
        self.bus.add_mmio(PLIC, plic.SIZE, self.plic, "plic")
        self.bus.add_mmio(UART, UART_SIZE, self.uart, "uart")
        self.bus.add_mmio(PCI, ecam.SIZE, self.pci, "pci")

    def deadline(self) -> int | None:
        """When the next device wants to act, in virtual ns; None when none does."""
        return min((device.deadline for device in self._timed if device.deadline is not None), default=None)

    def expire(self, now: int) -> None:
        """Let the devices whose time has come act."""
        for device in self._timed:
            if device.deadline is not None and device.deadline <= now:
                device.expire(now)

    def receive(self, data: bytes) -> None:
        """Somebody types on the serial line."""
        self.uart.receive(data)

    def devicetree(self, cmdline: bytes, initrd: tuple[int, int] | None, memory: int) -> bytes:
        """What the kernel is told about `memory` bytes of RAM, these devices and the initial file system's range."""
        chosen: dict[str, Value] = {
            "bootargs": cmdline + b"\0",
            "stdout-path": f"/soc/serial@{UART:x}",
            "rng-seed": random.Random(SEED).randbytes(32),  # the kernel's random numbers are the same on every boot
        }
        if initrd is not None:
            chosen["linux,initrd-start"] = cells(initrd[0])
            chosen["linux,initrd-end"] = cells(initrd[1])
        root: dict[str, Value] = {
            "#address-cells": 2,
            "#size-cells": 2,
            "compatible": "riscv-virtio",
            "model": "riscv-virtio,emukern",
        }
        ram = Node(f"memory@{RAM:x}", {"device_type": "memory", "reg": cells(RAM, memory)})
        return flatten(Node("", root, [Node("chosen", chosen), ram, _cpus(), _soc()]))


def _cpus() -> Node:
    intc = Node(
        "interrupt-controller",
        {
            "#interrupt-cells": 1,
            "interrupt-controller": True,
            "compatible": "riscv,cpu-intc",
            "phandle": INTC_HANDLE,
        },
    )
    cpu: dict[str, Value] = {
        "phandle": CPU_HANDLE,
        "device_type": "cpu",
        "reg": 0,
        "status": "okay",
        "compatible": "riscv",
        "riscv,isa": "rv64" + "".join(e if len(e) == 1 else f"_{e}" for e in EXTENSIONS),
        "riscv,isa-base": "rv64i",
        "riscv,isa-extensions": EXTENSIONS,
        "mmu-type": "riscv,sv39",
    }
    core = Node("core0", {"cpu": CPU_HANDLE})
    return Node(
        "cpus",
        {"#address-cells": 1, "#size-cells": 0, "timebase-frequency": TIMEBASE},
        [Node("cpu@0", cpu, [intc]), Node("cpu-map", children=[Node("cluster0", children=[core])])],
    )


def _device(name: str, address: int, size: int, compatible: str, irq: int, **more: Value) -> Node:
    properties: dict[str, Value] = {
        "interrupts": irq,
        "interrupt-parent": PLIC_HANDLE,
        "reg": cells(address, size),
        "compatible": compatible,
    }
    return Node(f"{name}@{address:x}", properties | more)


def _soc() -> Node:
    controller: dict[str, Value] = {
        "phandle": PLIC_HANDLE,
        "riscv,ndev": plic.SOURCES,
        "reg": cells(PLIC, plic.SIZE),
        "interrupts-extended": (INTC_HANDLE, MACHINE_EXTERNAL, INTC_HANDLE, SUPERVISOR_EXTERNAL),
        "interrupt-controller": True,
        "compatible": ("sifive,plic-1.0.0", "riscv,plic0"),
        "#address-cells": 0,
        "#interrupt-cells": 1,
    }
    return Node(
        "soc",
        {"#address-cells": 2, "#size-cells": 2, "compatible": "simple-bus", "ranges": True},
        [
            _device("rtc", RTC, goldfish.SIZE, "google,goldfish-rtc", RTC_IRQ),
            _device("serial", UART, UART_SIZE, "ns16550a", UART_IRQ, **{"clock-frequency": UART_CLOCK}),
            _pci(),
            Node(f"plic@{PLIC:x}", controller),
        ],
    )


def _pci() -> Node:
    """The bridge, and its windows: without the one to the I/O ports a driver that probes for an old device faults."""
    ranges = (
        *(SPACE_IO, *cells(0, PCI_IO, PCI_IO_SIZE)),
        *(SPACE_32, *cells(PCI_32, PCI_32, PCI_32_SIZE)),
        *(SPACE_64, *cells(PCI_64, PCI_64, PCI_64_SIZE)),
    )
    properties: dict[str, Value] = {
        "ranges": ranges,
        "reg": cells(PCI, ecam.SIZE),
        "dma-coherent": True,
        "bus-range": (0, 255),
        "linux,pci-domain": 0,
        "device_type": "pci",
        "compatible": "pci-host-ecam-generic",
        "#size-cells": 2,
        "#interrupt-cells": 1,
        "#address-cells": 3,
    }
    return Node(f"pci@{PCI:x}", properties)


def build(time: Any, console: Any, power: Any, memory_bytes: int, epoch_ns: int) -> Board:
    """The board with its devices at reset; `epoch_ns` is what the clock says, in ns since 1970."""
    return Board(time, console, power, epoch_ns)
