"""Intel 82078 floppy disk controller without drives (Intel 82078 data sheet; part number as on QEMU's pc board).

Commands that would move a head or touch a disk end at once, as failed.
"""

from __future__ import annotations

from emukern.devices.bus import Line

PORT, PORTS = 0x3F1, 5  # and one more at 0x3F7; 0x3F6 is the hard disk's
STATUS_B, OUTPUT, TAPE, MAIN_STATUS, FIFO = range(PORTS)
INPUT = 6  # offset of 0x3F7: disk change to be read, data rate to be written
NOT_RESET, INTERRUPTS = 0x04, 0x08  # digital output register
SOFTWARE_RESET = 0x80  # data rate select register
READY, TO_CPU, BUSY = 0x80, 0x40, 0x10  # main status register
SENSE_INTERRUPT, DUMP, VERSION, CONFIGURE, LOCK, PART_ID = 0x08, 0x0E, 0x10, 0x13, 0x94, 0x18
SPECIFY, SENSE_DRIVE, RECALIBRATE, SEEK, PERPENDICULAR, UNLOCK = 0x03, 0x04, 0x07, 0x0F, 0x12, 0x14
ENHANCED, STEPPING = 0x90, 0x41  # answers to VERSION and PART_ID
INVALID, ABNORMAL, SEEK_END, NO_TRACK_0, POLLED = 0x80, 0x40, 0x20, 0x10, 0xC0  # status register 0
NO_ADDRESS_MARK = 0x01  # status register 1
DRIVES = 4
# Parameters of each command; for those that carry options in their top three bits, of the rest.
PARAMETERS = dict.fromkeys((SENSE_INTERRUPT, DUMP, VERSION, LOCK, UNLOCK, PART_ID), 0)
PARAMETERS |= {SPECIFY: 2, SENSE_DRIVE: 1, RECALIBRATE: 1, SEEK: 2, PERPENDICULAR: 1, CONFIGURE: 3}
TRANSFERS = {0x02: 8, 0x05: 8, 0x06: 8, 0x09: 8, 0x0A: 1, 0x0C: 8, 0x0D: 5, 0x11: 8, 0x16: 8, 0x19: 8, 0x1D: 8}


class I82078:
    """The controller. Offsets count from port 0x3F1; 6 is port 0x3F7."""

    width = 1

    def __init__(self, irq: Line) -> None:
        self._irq = irq
        self._output = NOT_RESET | INTERRUPTS
        self._tape = 0
        self._taken = bytearray()  # a command and its parameters, as far as they have come
        self._answer = bytearray()  # the rest of its result
        self._causes: list[int] = []  # status register 0 for SENSE INTERRUPT
        self._specified = bytes(2)
        self._configured = bytes(3)
        self._perpendicular = 0
        self._locked = False

    def _reset(self) -> None:
        """After a reset the controller finds that the state of all drives has changed."""
        self._taken.clear()
        self._answer.clear()
        if not self._locked:
            self._configured = bytes(3)
        self._causes = [POLLED | drive for drive in range(DRIVES)]
        self._interrupt()

    def _interrupt(self) -> None:
        self._irq.set(bool(self._output & INTERRUPTS))

    def read(self, offset: int, size: int) -> int:
        """A register; without drives no disk is ever changed."""
        if offset == MAIN_STATUS:
            if not self._output & NOT_RESET:
                return 0
            return READY | (TO_CPU if self._answer else 0) | (BUSY if self._answer or self._taken else 0)
        if offset == FIFO:
            self._irq.set(False)
            return self._answer.pop(0) if self._answer else 0
        return {STATUS_B: 0xC0, OUTPUT: self._output, TAPE: self._tape}.get(offset, 0)

    def write(self, offset: int, size: int, value: int) -> None:
        """A register, or the next byte of a command."""
        if offset == OUTPUT:
            left_reset = value & NOT_RESET and not self._output & NOT_RESET
            self._output = value
            if left_reset:
                self._reset()
            elif not value & NOT_RESET:
                self._irq.set(False)
        elif offset == TAPE:
            self._tape = value & 3
        elif offset == MAIN_STATUS and value & SOFTWARE_RESET:
            self._reset()
        elif offset == FIFO and self._output & NOT_RESET and not self._answer:
            self._taken.append(value)
            command = self._taken[0]
            if len(self._taken) > PARAMETERS.get(command, TRANSFERS.get(command & 0x1F, 0)):
                parameters = bytes(self._taken[1:])
                self._taken.clear()
                self._answer[:] = self._execute(command, parameters)

    def _execute(self, command: int, parameters: bytes) -> bytes:
        """Do it; the result."""
        if command == SENSE_INTERRUPT:
            self._irq.set(False)
            return bytes((self._causes.pop(0), 0)) if self._causes else bytes((INVALID,))
        if command in (RECALIBRATE, SEEK):
            drive = parameters[0] & 3
            self._causes = [(SEEK_END | drive) | (ABNORMAL | NO_TRACK_0 if command == RECALIBRATE else 0)]
            self._interrupt()
            return b""
        if command in PARAMETERS:
            return self._settle(command, parameters)
        if command & 0x1F in TRANSFERS:
            self._interrupt()
            return bytes((ABNORMAL | parameters[0] & 7, NO_ADDRESS_MARK)) + bytes(5)
        return bytes((INVALID,))

    def _settle(self, command: int, parameters: bytes) -> bytes:
        """The commands that only change or tell the controller's state."""
        if command == SPECIFY:
            self._specified = parameters
        elif command == CONFIGURE:
            self._configured = parameters
        elif command == PERPENDICULAR:
            self._perpendicular = parameters[0] & 0x3F
        elif command in (LOCK, UNLOCK):
            self._locked = command == LOCK
            return bytes((self._locked << 4,))
        elif command == DUMP:
            lock = bytes((self._locked << 7 | self._perpendicular,))
            return bytes(DRIVES) + self._specified + b"\0" + lock + self._configured[1:]
        elif command == SENSE_DRIVE:
            return bytes((parameters[0] & 7,))
        else:
            return bytes((ENHANCED if command == VERSION else STEPPING,))
        return b""
