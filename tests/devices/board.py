"""Stand-ins for what a machine gives to its devices."""


class Time:
    """A clock that is set by hand."""

    now = 0


class Screen:
    """A console that remembers."""

    def __init__(self):
        self.text = b""

    def write(self, data):
        self.text += data


class Switch:
    """A power circuit that remembers."""

    state = "on"

    def off(self):
        self.state = "poweroff"

    def reset(self):
        self.state = "reset"


class Wire:
    """An interrupt line that remembers."""

    level = False

    def set(self, level):
        self.level = level


class Memory:
    """Physical memory of 256 bytes at 0x1000."""

    def __init__(self):
        self.bytes = bytearray(range(256))

    def read(self, address, size):
        start = address - 0x1000
        return bytes(self.bytes[start : start + size]) if 0 <= start <= 256 - size else None

    def write(self, address, data):
        start = address - 0x1000
        if not 0 <= start <= 256 - len(data):
            return False
        self.bytes[start : start + len(data)] = data
        return True
