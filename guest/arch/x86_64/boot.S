/* From reset to kmain. The machine starts us at _start's physical address with paging off and rdi = struct boot_info's
 * physical address; we build the page tables, turn paging on, drop the identity mapping and go on in the high half.
 */
#include "emukern/boot.h"

#define KERNEL_BASE   0xffffffff80000000
#define DIRECT_MAP    0xffff888000000000
#define VMALLOC       0xffffc90000000000
#define MODULES       0xffffffffc0000000

#define PML4_INDEX(address) (((address) >> 39) & 511)
#define PDPT_INDEX(address) (((address) >> 30) & 511)

#define PRESENT 0x1
#define WRITE   0x2
#define USER    0x4
#define LARGE   0x80
#define ACCESSED 0x20
#define USED    0x60                    /* accessed and dirty: we never look at them */
#define NX      0x8000000000000000

#define MSR_EFER    0xc0000080
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101

.macro entry table, index, target, flags
    movabsq $(\target - KERNEL_BASE + (\flags) + ACCESSED), %rax
    movabsq $(\table - KERNEL_BASE + 8 * (\index)), %rdx
    movq %rax, (%rdx)
.endm

.macro large table, index, physical, flags
    movabsq $((\physical) | (\flags) | PRESENT | LARGE | USED), %rax
    movabsq $(\table - KERNEL_BASE + 8 * (\index)), %rdx
    movq %rax, (%rdx)
.endm

    .section .boot, "ax"
    .globl _start
_start:
    cld
    movq %rdi, %rbx

    entry boot_root, 0, identity_pdpt, PRESENT | WRITE
    entry identity_pdpt, 0, identity_pd, PRESENT | WRITE
    large identity_pd, 1, 0x200000, 0
    large identity_pd, 2, 0x400000, 0
    large identity_pd, 3, 0x600000, WRITE

    entry boot_root, PML4_INDEX(KERNEL_BASE), kernel_pdpt, PRESENT | WRITE
    entry kernel_pdpt, PDPT_INDEX(KERNEL_BASE), kernel_pd, PRESENT | WRITE
    entry kernel_pdpt, PDPT_INDEX(MODULES), modules_pd, PRESENT | WRITE
    large kernel_pd, 1, 0x200000, 0
    large kernel_pd, 2, 0x400000, NX
    large kernel_pd, 3, 0x600000, WRITE | NX

    entry boot_root, PML4_INDEX(VMALLOC), vmalloc_pdpt, PRESENT | WRITE
    entry vmalloc_pdpt, 0, vmalloc_pd, PRESENT | WRITE

    entry boot_root, PML4_INDEX(DIRECT_MAP), direct_pdpt, PRESENT | WRITE
    entry direct_pdpt, 0, direct_pd, PRESENT | WRITE
    movq BOOT_INFO_MEMORY(%rbx), %rcx
    shrq $21, %rcx
    movabsq $(PRESENT | WRITE | LARGE | USED | NX), %rax
    movabsq $(direct_pd - KERNEL_BASE), %rdx
1:  movq %rax, (%rdx)
    addq $0x200000, %rax
    addq $8, %rdx
    decq %rcx
    jnz 1b

    movl $MSR_EFER, %ecx
    rdmsr
    orl $0x901, %eax                    /* SCE, LME, NXE */
    wrmsr
    movl $0x620, %eax                   /* PAE, OSFXSR, OSXMMEXCPT */
    movq %rax, %cr4
    movabsq $(boot_root - KERNEL_BASE), %rax
    movq %rax, %cr3
    movl $0x80010033, %eax              /* PG, WP, NE, ET, MP, PE */
    movq %rax, %cr0
    movabsq $high, %rax
    jmp *%rax

    .text
high:
    leaq boot_stack + THREAD_SIZE(%rip), %rsp
    leaq tss(%rip), %rax                /* its descriptor's base is scattered over 16 bytes */
    leaq gdt(%rip), %rdx
    movw %ax, 0x32(%rdx)
    shrq $16, %rax
    movb %al, 0x34(%rdx)
    movb %ah, 0x37(%rdx)
    shrq $16, %rax
    movl %eax, 0x38(%rdx)
    lgdt gdt_pointer(%rip)
    movl $0x10, %eax
    movw %ax, %ss
    movw %ax, %ds
    movw %ax, %es
    pushq $0x08
    leaq 1f(%rip), %rax
    pushq %rax
    lretq
1:  movl $0x30, %eax
    ltr %ax

    movq $0, boot_root(%rip)            /* the identity mapping has done its work */
    movq %cr3, %rax
    movq %rax, %cr3

    movl $MSR_GS_BASE, %ecx
    leaq percpu_area(%rip), %rax
    movq %rax, %rdx
    shrq $32, %rdx
    wrmsr
    movabsq $DIRECT_MAP, %rdi
    addq %rbx, %rdi
    movq BOOT_INFO_SEED(%rdi), %rax
    movq %rax, %gs:40                   /* where compiled code looks for the stack canary */
    xorl %ebp, %ebp
    sti
    call kmain

    .globl idle
idle:
    hlt
    jmp idle

/* long hypercall(long number, ...): ask the machine. */
    .globl hypercall
hypercall:
    int $0xf2
    ret

/* Where functions that Python started return to. */
    .globl kret
kret:
    int $0xf0

/* void enter_user(struct user_entry *): rip, cs, rflags, rsp, ss, as iretq wants them. */
    .globl enter_user
enter_user:
    cli                                 /* from here on %gs is the user's */
    movq %rdi, %rsp
    movl $MSR_FS_BASE, %ecx
    xorl %eax, %eax
    xorl %edx, %edx
    wrmsr
    movl $MSR_GS_BASE, %ecx
    wrmsr
    movl $0x23, %eax
    movw %ax, %ds
    movw %ax, %es
    fninit
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
    xorps %xmm\n, %xmm\n
    .endr
    .irp r, rax, rbx, rcx, rdx, rsi, rdi, rbp, r8, r9, r10, r11, r12, r13, r14, r15
    xorq %\r, %\r
    .endr
    iretq

    .data
    .balign 16
gdt:
    .quad 0
    .quad 0x00af9b000000ffff            /* 0x08 kernel code */
    .quad 0x00cf93000000ffff            /* 0x10 kernel data */
    .quad 0x00cffb000000ffff            /* 0x1b user code, 32 bits */
    .quad 0x00cff3000000ffff            /* 0x23 user data */
    .quad 0x00affb000000ffff            /* 0x2b user code, 64 bits */
    .quad 0x0000890000000067, 0         /* 0x30 task state segment */
gdt_pointer:
    .word . - gdt - 1
    .quad gdt
    .balign 16
tss:
    .fill 104, 1, 0

    .bss
    .balign 4096
    .globl boot_root, boot_stack, percpu_area, init_task
boot_root:     .skip 4096
identity_pdpt: .skip 4096
identity_pd:   .skip 4096
kernel_pdpt:   .skip 4096
kernel_pd:     .skip 4096
modules_pd:    .skip 4096
vmalloc_pdpt:  .skip 4096
vmalloc_pd:    .skip 4096
direct_pdpt:   .skip 4096
direct_pd:     .skip 4096
boot_stack:    .skip THREAD_SIZE
init_task:     .skip 8192
percpu_area:   .skip 65536
