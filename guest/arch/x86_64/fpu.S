/* kernel_fpu_begin and _end: lend the vector registers to kernel code.
 *
 * They hold the interrupted user program's values, and neither a system call nor an interrupt saves them, so begin does
 * and end puts them back. One buffer is enough: there is one CPU, kernel code is not preempted, and code between the two
 * must not sleep. Interrupt handlers ask irq_fpu_usable() first.
 */
#define KFPU_387   1                    /* the caller wants the x87 state initialised */
#define KFPU_MXCSR 2                    /* ... and MXCSR */

.macro exported name
    .pushsection ___ksymtab, "a"
__ksymtab_\name:
    .quad \name
    .popsection
    .globl \name
    .type \name, @function
\name:
.endm

    .text

/* void kernel_fpu_begin_mask(unsigned int mask) */
exported kernel_fpu_begin_mask
    fxsave64 fpu_saved(%rip)
    movb $1, fpu_lent(%rip)
    testl $KFPU_MXCSR, %edi
    jz 1f
    ldmxcsr fpu_default_mxcsr(%rip)
1:  testl $KFPU_387, %edi
    jz 2f
    fninit
2:  ret

/* void kernel_fpu_end(void) */
exported kernel_fpu_end
    fxrstor64 fpu_saved(%rip)
    movb $0, fpu_lent(%rip)
    ret

/* bool irq_fpu_usable(void) */
exported irq_fpu_usable
    xorl %eax, %eax
    cmpb $0, fpu_lent(%rip)
    sete %al
    ret

    .section .rodata
    .balign 4
fpu_default_mxcsr:
    .long 0x1f80                        /* every exception masked, round to nearest: the reset value */

    .bss
    .balign 16
fpu_saved:
    .skip 512
fpu_lent:
    .skip 1
