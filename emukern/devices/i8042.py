"""8042 keyboard controller with its two PS/2 ports, and port 0x92 (IBM PS/2 Hardware Interface Technical Reference).

Ports 0x60 (data) and 0x64 (commands, status). The keyboard's bytes are translated to scan code set 1 while the
command byte says so. The address line 20 has no gate: its bits can be set and mean nothing.
"""

from __future__ import annotations

from typing import Any

from emukern.devices.bus import Line
from emukern.devices.ps2 import Keyboard, Mouse

DATA, COMMAND, FAST = 0x60, 0x64, 0x92
FULL, SYSTEM, IS_COMMAND, UNLOCKED, FROM_MOUSE = 0x01, 0x04, 0x08, 0x10, 0x20  # status
KEYBOARD_IRQ, MOUSE_IRQ, KEYBOARD_OFF, MOUSE_OFF, TRANSLATE = 0x01, 0x02, 0x10, 0x20, 0x40  # command byte
AT_RESET = KEYBOARD_IRQ | SYSTEM | MOUSE_OFF | TRANSLATE
NOT_RESET, GATE_A20 = 0x01, 0x02  # output port
READ_BYTE, WRITE_BYTE, READ_MEMORY, WRITE_MEMORY = 0x20, 0x60, range(0x20, 0x40), range(0x60, 0x80)
DISABLE_MOUSE, ENABLE_MOUSE, TEST_MOUSE, SELF_TEST = 0xA7, 0xA8, 0xA9, 0xAA
TEST_KEYBOARD, DISABLE_KEYBOARD, ENABLE_KEYBOARD = 0xAB, 0xAD, 0xAE
READ_INPUT_PORT, READ_OUTPUT_PORT, WRITE_OUTPUT_PORT = 0xC0, 0xD0, 0xD1
AS_KEYBOARD, AS_MOUSE, TO_MOUSE, PULSE = 0xD2, 0xD3, 0xD4, 0xF0
WITH_PARAMETER = (*WRITE_MEMORY, WRITE_OUTPUT_PORT, AS_KEYBOARD, AS_MOUSE, TO_MOUSE)
# Scan code set 2 to set 1, as the controller's table has it for what the keyboard says about itself.
SET_1 = {0x83: 0x41}
LONGEST = 64  # bytes waiting; a device that is not read from does not go on for ever


class I8042:
    """The controller. Port offsets: 0 data, 4 commands and status."""

    width = 1

    def __init__(self, keyboard_irq: Line, mouse_irq: Line, power: Any) -> None:
        self._irqs, self._power = (keyboard_irq, mouse_irq), power
        self.keyboard, self.mouse = Keyboard(), Mouse()
        self._memory = bytearray(32)
        self._memory[0] = AT_RESET
        self._output_port = NOT_RESET | GATE_A20
        self._queue: list[tuple[int, bool]] = []  # bytes to be read, and whether they are the mouse's
        self._held: list[tuple[int, bool]] = []  # bytes of devices whose port is switched off
        self._last = (0, False)  # what the data port shows when nothing is new
        self._command = 0  # the command whose parameter comes next
        self._flags = SYSTEM

    def _put(self, data: bytes, mouse: bool = False) -> None:
        """The controller itself has an answer."""
        self._queue += [(byte, mouse) for byte in data][: LONGEST - len(self._queue)]
        self._signal()

    def _send(self, data: bytes, mouse: bool) -> None:
        """A device sends something, as soon as its port is switched on."""
        off = self._memory[0] & (MOUSE_OFF if mouse else KEYBOARD_OFF)
        if not mouse and self._memory[0] & TRANSLATE:
            data = bytes(SET_1.get(byte, byte) for byte in data)
        if not off:
            self._put(data, mouse)
        elif len(self._held) < LONGEST:
            self._held += [(byte, mouse) for byte in data]

    def _release(self) -> None:
        """A port may have been switched on."""
        held, self._held = self._held, []
        for byte, mouse in held:
            if self._memory[0] & (MOUSE_OFF if mouse else KEYBOARD_OFF):
                self._held.append((byte, mouse))
            else:
                self._queue.append((byte, mouse))
        self._signal()

    def _signal(self) -> None:
        mouse = bool(self._queue) and self._queue[0][1]
        enabled = self._memory[0]
        self._irqs[0].set(bool(self._queue) and not mouse and bool(enabled & KEYBOARD_IRQ))
        self._irqs[1].set(mouse and bool(enabled & MOUSE_IRQ))

    def read(self, offset: int, size: int) -> int:
        """Data or status."""
        if offset:
            waiting = (FULL | (FROM_MOUSE if self._queue[0][1] else 0)) if self._queue else 0
            return self._flags | UNLOCKED | waiting
        if self._queue:
            self._last = self._queue.pop(0)
            for irq in self._irqs:
                irq.set(False)
            self._signal()
        return self._last[0]

    def write(self, offset: int, size: int, value: int) -> None:
        """A command, its parameter, or a byte for the keyboard."""
        if offset:
            self._flags |= IS_COMMAND
            self._command = value if value in WITH_PARAMETER else 0
            if not self._command:
                self._execute(value)
            return
        self._flags &= ~IS_COMMAND
        command, self._command = self._command, 0
        if not command:
            self._memory[0] &= ~KEYBOARD_OFF  # talking to a device switches its port on
            self._send(self.keyboard.take(value), False)
        elif command == WRITE_OUTPUT_PORT:
            self._drive(value)
        elif command == AS_KEYBOARD:
            self._put(bytes((value,)))
        elif command == AS_MOUSE:
            self._put(bytes((value,)), True)
        elif command == TO_MOUSE:
            self._memory[0] &= ~MOUSE_OFF
            self._send(self.mouse.take(value), True)
        else:
            self._memory[command & 31] = value
            self._release()

    def _execute(self, command: int) -> None:
        """Commands without a parameter."""
        memory = self._memory
        if command in READ_MEMORY:
            self._put(bytes((memory[command & 31],)))
        elif command in (DISABLE_MOUSE, DISABLE_KEYBOARD):
            memory[0] |= MOUSE_OFF if command == DISABLE_MOUSE else KEYBOARD_OFF
        elif command in (ENABLE_MOUSE, ENABLE_KEYBOARD):
            memory[0] &= ~(MOUSE_OFF if command == ENABLE_MOUSE else KEYBOARD_OFF)
            self._release()
        elif command in (TEST_MOUSE, TEST_KEYBOARD):
            self._put(b"\0")
        elif command == SELF_TEST:
            self._flags |= SYSTEM
            self._put(b"\x55")
        elif command == READ_INPUT_PORT:
            self._put(b"\x80")
        elif command == READ_OUTPUT_PORT:
            self._put(bytes((self._output_port,)))
        elif command >= PULSE and not command & NOT_RESET:
            self._power.reset()

    def _drive(self, value: int) -> None:
        self._output_port = value
        if not value & NOT_RESET:
            self._power.reset()


class Port92:
    """System control port A: bit 0 resets the CPU, bit 1 was the gate of address line 20."""

    width = 1

    def __init__(self, power: Any) -> None:
        self._power = power
        self._value = 0x02

    def read(self, offset: int, size: int) -> int:
        """What was written."""
        return self._value

    def write(self, offset: int, size: int, value: int) -> None:
        """The reset bit acts when it rises."""
        if value & 1 and not self._value & 1:
            self._power.reset()
        self._value = value
