"""The x86_64 board: what Linux finds on QEMU's pc board (440FX and PIIX, 1996), as far as it matters.

Left out: local and I/O APIC and the HPET (interrupts and ticks come from the two 8259s and the 8254), the ISA DMA
controllers, video, drives, network cards and QEMU's own devices (nothing is plugged in).
"""

from __future__ import annotations

from typing import Any

from emukern.devices import acpi, acpipm, i8042, i8254, i8259, i82078, mc146818, pci, piix, smbios
from emukern.devices.bus import Bus
from emukern.devices.uart16550 import Uart16550
from emukern.errors import UsageError

COM1, COM1_PORTS = 0x3F8, 8
PORT_61 = 0x61
TIMER_IRQ, KEYBOARD_IRQ, COM1_IRQ, FLOPPY_IRQ, RTC_IRQ, MOUSE_IRQ = 0, 1, 4, 6, 8, 12
LOW_END, BIOS = 0x9_FC00, 0xF_0000  # where firmware keeps its data and itself
MIB = 1 << 20
LEAST_RAM, MOST_RAM = 2 * MIB, acpi.PCI_HOLE[0]
ROM, FOUR_GIB = 0xFFFC_0000, 0x1_0000_0000
USABLE, RESERVED = 1, 2  # kinds of memory in the e820 map


class Pc:
    """The devices by name, wired up; `bus` leads to them.

    `tables` are (physical address, bytes) to be put into RAM, with the ACPI root pointer at `rsdp`; `top` is the end of
    the RAM that a kernel may use; `e820` its memory map: (address, size, kind).
    """

    def __init__(self, time: Any, console: Any, power: Any, memory_bytes: int, epoch_ns: int) -> None:
        self.pic = i8259.Pics()
        self.pic.slave.level_triggered = 1 << piix.SCI - 8  # firmware knows that ACPI's interrupt is
        line = self.pic.line
        self.uart = Uart16550(time, console, line(COM1_IRQ))
        self.pit = i8254.I8254(time, line(TIMER_IRQ))
        self.rtc = mc146818.Mc146818(time, line(RTC_IRQ), epoch_ns)
        self.pm = acpipm.AcpiPm(time, line(piix.SCI), power)
        self.keyboard = i8042.I8042(line(KEYBOARD_IRQ), line(MOUSE_IRQ), power)
        functions = piix.functions()
        self.devices: dict[str, Any] = {
            "pic master": self.pic.master,
            "pic slave": self.pic.slave,
            "pic": self.pic,
            "uart": self.uart,
            "pit": self.pit,
            "port 61": i8254.Port61(time, self.pit),
            "rtc": self.rtc,
            "pm": self.pm,
            "keyboard": self.keyboard,
            "port 92": i8042.Port92(power),
            "pci": pci.ConfigPorts(functions, power),
            **{f"pci {number:02x}": function for number, function in functions.items()},
            "ide": piix.EmptyChannel(),
            "bus master": piix.BusMaster(),
            "smbus": piix.SmBus(),
            "floppy": i82078.I82078(line(FLOPPY_IRQ)),
        }
        self.bus = Bus()
        for name, first, count, *offset in _PORTS:
            self.bus.add_ports(first, count, self.devices[name], name, *offset)
        self._timed = (self.pit, self.uart, self.rtc, self.pm)
        self.top = memory_bytes - acpi.SIZE
        self.tables = acpi.tables(self.top) + smbios.tables(memory_bytes)
        self.rsdp = acpi.RSDP
        self.e820 = _memory_map(self.top, memory_bytes)

    def deadline(self) -> int | None:
        """When the next device wants to act, in virtual ns; None when none does."""
        first: int | None = None
        for device in self._timed:  # asked after each access to a device, hence no generator
            at = device.deadline
            if at is not None and (first is None or at < first):
                first = at
        return first

    def expire(self, now: int) -> None:
        """Let the devices whose time has come act."""
        for device in self._timed:
            deadline = device.deadline
            if deadline is not None and deadline <= now:
                device.expire(now)

    def pending(self) -> int | None:
        """The vector the interrupt controllers have for the CPU."""
        return self.pic.pending()

    def acknowledge(self) -> int:
        """The CPU takes the interrupt: its vector."""
        return self.pic.acknowledge()

    def receive(self, data: bytes) -> None:
        """Somebody types on the serial line."""
        self.uart.receive(data)


# Device, first port, number of ports; the first port's offset in the device where that is not 0.
_PORTS: tuple[tuple[Any, ...], ...] = (
    ("pic master", i8259.MASTER, 2),
    ("pic slave", i8259.SLAVE, 2),
    ("pic", i8259.ELCR, 2),
    ("uart", COM1, COM1_PORTS),
    ("pit", i8254.PORTS, 4),
    ("port 61", PORT_61, 1),
    ("rtc", mc146818.PORT, 2),
    ("pm", piix.PM_BASE, acpipm.PORTS),
    ("keyboard", i8042.DATA, 1),
    ("keyboard", i8042.COMMAND, 1, i8042.COMMAND - i8042.DATA),
    ("port 92", i8042.FAST, 1),
    ("pci", pci.ADDRESS, pci.PORTS),
    *(("ide", command, piix.IDE_PORTS) for command, _ in piix.CHANNELS),
    *(("ide", control, 1) for _, control in piix.CHANNELS),
    ("bus master", piix.BUS_MASTER_BASE, piix.BUS_MASTER_PORTS),
    ("smbus", piix.SMBUS_BASE, piix.SMBUS_PORTS),
    ("floppy", i82078.PORT, i82078.PORTS),
    ("floppy", i82078.PORT + i82078.INPUT, 1, i82078.INPUT),
)


def _memory_map(top: int, memory: int) -> list[tuple[int, int, int]]:
    return [
        (0, LOW_END, USABLE),
        (LOW_END, 0xA_0000 - LOW_END, RESERVED),
        (BIOS, MIB - BIOS, RESERVED),
        (MIB, top - MIB, USABLE),
        (top, memory - top, RESERVED),
        (ROM, FOUR_GIB - ROM, RESERVED),
    ]


def build(time: Any, console: Any, power: Any, memory_bytes: int, epoch_ns: int) -> Pc:
    """The board with its devices at reset; `epoch_ns` is what the clock says, in ns since 1970.

    Raises UsageError when `memory_bytes` do not fit between the legacy area and the PCI bus's window.
    """
    if not LEAST_RAM <= memory_bytes <= MOST_RAM:
        raise UsageError(f"the PC can have {LEAST_RAM // MIB} to {MOST_RAM // MIB} MiB of memory")
    return Pc(time, console, power, memory_bytes, epoch_ns)
