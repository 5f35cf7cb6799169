/* What this CPU says of itself. */
const char arch_name[] = "riscv64";

const char *paging_mode(unsigned long *root)
{
    unsigned long satp;

    asm volatile("csrr %0, satp" : "=r"(satp));
    *root = (satp & 0xfffffffffffUL) << 12;
    return satp >> 60 == 8 ? "on, Sv39, no page both writable and executable" : "off";
}
