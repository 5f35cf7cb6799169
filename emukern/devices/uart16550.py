"""16550A: the serial port of every PC and of most riscv boards (National Semiconductor PC16550D data sheet).

Characters leave at once, so the transmitter is always empty. Left out: errors of the line, changes of the modem lines
(carrier, DSR and CTS are simply there) and the OUT2 gate that PCs have before the interrupt.
"""

from __future__ import annotations

from typing import Any

from emukern.devices.bus import Line

FIFO = 16
TRIGGERS = (1, 4, 8, 14)
TIMEOUT_NS = 4 * 10 * 1_000_000_000 // 115_200  # four characters of ten bits: when less than a trigger's worth is told
DATA, IER, IIR, LCR, MCR, LSR, MSR, SCRATCH = range(8)
DLAB = 0x80  # of LCR: registers 0 and 1 are the divisor
RX_ENABLE, TX_ENABLE, STATUS_ENABLE = 1, 2, 4  # of IER
NO_INTERRUPT, TX_EMPTY, RX_READY, LINE_STATUS, RX_TIMEOUT = 0x01, 0x02, 0x04, 0x06, 0x0C  # of IIR
FIFO_ENABLED, FIFO_FLAGS = 0x01, 0xC0
LOOP = 0x10  # of MCR
READY, OVERRUN, TX_IDLE = 0x01, 0x02, 0x60  # of LSR
MODEM = 0xB0  # of MSR: DCD, DSR and CTS


class Uart16550:
    """One port. What the guest sends goes to `console.write(bytes)`; `receive` is what somebody types.

    `deadline` is when the guest is told of characters that did not fill its trigger level.
    """

    width = 1

    def __init__(self, time: Any, console: Any, irq: Line) -> None:
        self._time, self._console, self._irq = time, console, irq
        self.deadline: int | None = None
        self._received = bytearray()  # what the receiver holds
        self._typed = bytearray()  # what waits on the line, which is patient
        self._capacity = 1
        self._trigger = 1
        self._fifo_flags = 0
        self._timeout = self._overrun = self._emptied = False
        self._ier = self._lcr = self._mcr = self._scratch = 0
        self._divisor = [0x0C, 0]

    def receive(self, data: bytes) -> None:
        """Characters arrive."""
        self._typed += data
        self._fill()
        self._update()

    def expire(self, now: int) -> None:
        """Nothing more has come for four characters' time."""
        if self.deadline is not None and self.deadline <= now:
            self.deadline = None
            self._timeout = bool(self._received)
            self._update()

    def _fill(self) -> None:
        room = self._capacity - len(self._received)
        if not self._typed or room <= 0 or self._mcr & LOOP:
            return
        self._received += self._typed[:room]
        del self._typed[:room]
        if len(self._received) < self._trigger:
            self.deadline = self._time.now + TIMEOUT_NS

    def _cause(self) -> int:
        """The most urgent interrupt, as IIR names it."""
        if self._overrun and self._ier & STATUS_ENABLE:
            return LINE_STATUS
        if self._ier & RX_ENABLE:
            if len(self._received) >= self._trigger:
                return RX_READY
            if self._timeout:
                return RX_TIMEOUT
        if self._emptied and self._ier & TX_ENABLE:
            return TX_EMPTY
        return NO_INTERRUPT

    def _update(self) -> None:
        self._irq.set(self._cause() != NO_INTERRUPT)

    def read(self, offset: int, size: int) -> int:
        """A register."""
        register = offset & 7
        if register == LSR:
            value = TX_IDLE | (READY if self._received else 0) | (OVERRUN if self._overrun else 0)
            if self._overrun:
                self._overrun = False
                self._update()
            return value
        if register == DATA:
            return self._divisor[0] if self._lcr & DLAB else self._take()
        if register == IER:
            return self._divisor[1] if self._lcr & DLAB else self._ier
        if register == IIR:
            cause = self._cause()
            if cause == TX_EMPTY:
                self._emptied = False
                self._update()
            return cause | self._fifo_flags
        if register == MSR:
            return self._modem()
        return (self._lcr, self._mcr, 0, 0, self._scratch)[register - LCR]

    def _modem(self) -> int:
        """In loopback the outputs RTS, DTR, OUT1, OUT2 come back as CTS, DSR, RI, DCD."""
        mcr = self._mcr
        if mcr & LOOP:
            return (mcr & 2) << 3 | (mcr & 1) << 5 | (mcr & 0x0C) << 4
        return MODEM

    def _take(self) -> int:
        if not self._received:
            return 0
        value = self._received.pop(0)
        self._timeout = False
        self.deadline = None
        if self._received:
            self.deadline = self._time.now + TIMEOUT_NS
        self._fill()
        self._update()
        return value

    def write(self, offset: int, size: int, value: int) -> None:
        """A register."""
        register = offset & 7
        if register in (DATA, IER) and self._lcr & DLAB:
            self._divisor[register] = value
        elif register == DATA:
            self._send(value)
        elif register == IER:
            # An empty transmitter interrupts as soon as it is allowed to.
            if value & TX_ENABLE and not self._ier & TX_ENABLE:
                self._emptied = True
            self._ier = value & 0x0F
            self._update()
        elif register == IIR:
            self._control_fifo(value)
        elif register == LCR:
            self._lcr = value
        elif register == MCR:
            self._mcr = value & 0x1F
            self._fill()
            self._update()
        elif register == SCRATCH:
            self._scratch = value

    def _send(self, value: int) -> None:
        # Between the write and the transmitter being empty again the interrupt is gone, which edges are made of.
        self._emptied = False
        self._update()
        if self._mcr & LOOP:
            self._loop(value)
        else:
            self._console.write(bytes((value,)))
        self._emptied = True
        self._update()

    def _loop(self, value: int) -> None:
        if len(self._received) < self._capacity:
            self._received.append(value)
            self.deadline = self._time.now + TIMEOUT_NS
        else:
            self._overrun = True
            if self._capacity == 1:
                self._received[0] = value

    def _control_fifo(self, value: int) -> None:
        enabled = value & FIFO_ENABLED
        if value & 2 or enabled != self._fifo_flags & 1:
            self._received.clear()
            self._timeout = False
            self.deadline = None
        self._fifo_flags = FIFO_FLAGS if enabled else 0
        self._capacity = FIFO if enabled else 1
        self._trigger = TRIGGERS[value >> 6] if enabled else 1
        self._fill()
        self._update()
