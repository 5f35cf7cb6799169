"""The machine: RAM, CPU, clock and console. No policy: what a trap means is the kernel's business."""
