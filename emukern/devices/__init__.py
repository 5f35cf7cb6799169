"""The boards that borrowed kernels run on: one file per device, as its data sheet says and as Linux's drivers probe it.

A device is a state machine without a thread: `read(offset, size)` and `write(offset, size, value)` are what its bus
asks of it, `irq.set(level)` is what it asks of the interrupt controller, `time.now` (ns since reset) is the only clock
it knows. One that wants to act later has `deadline` (ns, or None) and `expire(now)`. Accesses happen in the middle of
the CPU's run: they are quick and never raise, whatever the guest writes. Everything pickles; what a device was given
(`time`, `console`, `power`) is the machine's and stays where it is.
"""
