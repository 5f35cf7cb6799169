/* What this CPU says of itself. */
const char arch_name[] = "x86_64";

const char *paging_mode(unsigned long *root)
{
    unsigned long cr0, efer_low, efer_high;

    asm volatile("mov %%cr0, %0" : "=r"(cr0));
    asm volatile("mov %%cr3, %0" : "=r"(*root));
    asm volatile("rdmsr" : "=a"(efer_low), "=d"(efer_high) : "c"(0xc0000080));
    if (!(cr0 >> 31 & 1))
        return "off";
    return efer_low >> 11 & 1 && cr0 >> 16 & 1 ? "on, 4 levels, no page both writable and executable" : "on, 4 levels";
}
