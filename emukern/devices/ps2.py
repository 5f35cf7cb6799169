"""What hangs on the two PS/2 ports: an AT keyboard and a wheel mouse (IBM PS/2 Hardware Interface Technical Reference).

Nobody presses keys or moves the mouse yet; they are there to be found, identified and configured. A device answers
each byte at once: `take(byte)` returns what it sends. The mouse is an IntelliMouse Explorer when asked the way
Microsoft's driver asks, as on QEMU's pc board.
"""

from __future__ import annotations

ACK, RESEND, SELF_TEST_PASSED, ECHO = 0xFA, 0xFE, 0xAA, 0xEE
RESET, DEFAULTS, DISABLE, ENABLE, SET_RATE, GET_ID = 0xFF, 0xF6, 0xF5, 0xF4, 0xF3, 0xF2
SET_LEDS, SCAN_CODE_SET = 0xED, 0xF0
SET_REMOTE, SET_WRAP, RESET_WRAP, READ_DATA, SET_STREAM = 0xF0, 0xEE, 0xEC, 0xEB, 0xEA
STATUS, SET_RESOLUTION, SCALE_2, SCALE_1 = 0xE9, 0xE8, 0xE7, 0xE6
KEYBOARD_ID = bytes((0xAB, 0x83))
PLAIN, WHEEL, EXPLORER = 0, 3, 4  # mouse types
# Three sample rates in a row make a plain mouse a better one.
KNOCKS: dict[tuple[int, ...], int] = {(200, 100, 80): WHEEL, (200, 200, 80): EXPLORER}  # sample rates


class Keyboard:
    """An AT keyboard. `leds` as the last command set them: bit 0 scroll, 1 num, 2 caps lock."""

    def __init__(self) -> None:
        self.leds = 0
        self._set = 2
        self._awaiting = 0  # the command whose parameter comes next

    def take(self, byte: int) -> bytes:
        """A command or its parameter; the answer."""
        awaiting, self._awaiting = self._awaiting, 0
        if awaiting == SET_LEDS:
            self.leds = byte & 7
        elif awaiting == SCAN_CODE_SET:
            if byte == 0:
                return bytes((ACK, self._set))
            if byte > 3:
                return bytes((RESEND,))
            self._set = byte
        elif not awaiting:
            return self._command(byte)
        return bytes((ACK,))

    def _command(self, byte: int) -> bytes:
        if byte in (SET_LEDS, SCAN_CODE_SET, SET_RATE):
            self._awaiting = byte
        elif byte == ECHO:
            return bytes((ECHO,))
        elif byte == GET_ID:
            return bytes((ACK,)) + KEYBOARD_ID
        elif byte in (RESET, DEFAULTS, DISABLE):
            self.leds, self._set = 0, 2
            if byte == RESET:
                return bytes((ACK, SELF_TEST_PASSED))
        elif byte != ENABLE:
            return bytes((RESEND,))
        return bytes((ACK,))


class Mouse:
    """A mouse that lies still."""

    def __init__(self) -> None:
        self._awaiting = 0
        self._wrap = False
        self._defaults()
        self._type = PLAIN
        self._rates: tuple[int, ...] = ()

    def _defaults(self) -> None:
        self._rate, self._resolution, self._flags = 100, 2, 0
        self._rates = ()

    def take(self, byte: int) -> bytes:
        """A command or its parameter; the answer."""
        if self._wrap and byte not in (RESET, RESET_WRAP):
            return bytes((byte,))
        awaiting, self._awaiting = self._awaiting, 0
        if awaiting == SET_RATE:
            self._rate = byte
            self._rates = (*self._rates[-2:], byte)
            self._type = KNOCKS.get(self._rates, self._type)
        elif awaiting == SET_RESOLUTION:
            self._resolution = byte & 3
        elif not awaiting:
            return self._command(byte)
        return bytes((ACK,))

    def _command(self, byte: int) -> bytes:
        answer = b""
        if byte in (SET_RATE, SET_RESOLUTION):
            self._awaiting = byte
        elif byte == GET_ID:
            answer = bytes((self._type,))
        elif byte == STATUS:
            answer = bytes((self._flags, self._resolution, self._rate))
        elif byte == READ_DATA:
            answer = bytes((0x08, 0, 0)) + (b"\0" if self._type else b"")
        elif byte in (SET_WRAP, RESET_WRAP):
            self._wrap = byte == SET_WRAP
        elif byte in (DEFAULTS, RESET):
            self._defaults()
            if byte == RESET:
                self._type, self._wrap = PLAIN, False
                answer = bytes((SELF_TEST_PASSED, PLAIN))
        elif not self._flag(byte):
            return bytes((RESEND,))
        return bytes((ACK,)) + answer

    def _flag(self, byte: int) -> bool:
        """Commands that only change a bit of the status byte."""
        changes = {
            ENABLE: (0x20, 0x20),
            DISABLE: (0x20, 0),
            SET_REMOTE: (0x40, 0x40),
            SET_STREAM: (0x40, 0),
            SCALE_2: (0x10, 0x10),
            SCALE_1: (0x10, 0),
        }
        mask, value = changes.get(byte, (0, 0))
        self._flags = self._flags & ~mask | value
        return mask != 0
