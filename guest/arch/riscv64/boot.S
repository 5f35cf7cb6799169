/* From reset to kmain. The machine starts us at _start's physical address in S mode with satp 0, a0 = hart, a1 = struct
 * boot_info's physical address; we build the page tables, turn paging on, drop the identity mapping and go on in the high half.
 */
#include "emukern/boot.h"

#define KERNEL_BASE   0xffffffff80000000
#define RAM           0x80000000
#define DIRECT_MAP    0xffffffd600000000
#define VMALLOC       0xffffffc800000000
#define MODULES       0xffffffff00000000

#define ROOT_INDEX(address) (((address) >> 30) & 511)

#define V 0x1
#define R 0x2
#define W 0x4
#define X 0x8
#define USED 0xc0                       /* accessed and dirty: we never look at them */

/* root[index] = a pointer to `target`, or with flags a leaf */
.macro entry table, index, target
    la t0, \target
    srli t0, t0, 2
    ori t0, t0, V
    la t1, \table
    li t2, 8 * (\index)
    add t1, t1, t2
    sd t0, (t1)
.endm

.macro leaf table, index, physical, flags
    li t0, ((\physical) >> 2) | (\flags) | V | USED
    la t1, \table
    li t2, 8 * (\index)
    add t1, t1, t2
    sd t0, (t1)
.endm

    .section .boot, "ax"
    .globl _start
_start:
    mv s1, a1

    leaf boot_root, ROOT_INDEX(RAM), RAM, R | W | X
    entry boot_root, ROOT_INDEX(KERNEL_BASE), kernel_pd
    leaf kernel_pd, 1, RAM + 0x200000, R | X
    leaf kernel_pd, 2, RAM + 0x400000, R
    leaf kernel_pd, 3, RAM + 0x600000, R | W

    entry boot_root, ROOT_INDEX(MODULES), modules_pd
    entry boot_root, ROOT_INDEX(MODULES) + 1, stubs_pd
    entry boot_root, ROOT_INDEX(VMALLOC), vmalloc_pd

    entry boot_root, ROOT_INDEX(DIRECT_MAP), direct_pd
    ld t3, BOOT_INFO_MEMORY(s1)
    srli t3, t3, 21
    li t0, (RAM >> 2) | V | R | W | USED
    li t2, 0x200000 >> 2
    la t1, direct_pd
1:  sd t0, (t1)
    add t0, t0, t2
    addi t1, t1, 8
    addi t3, t3, -1
    bnez t3, 1b

    la t0, boot_root
    srli t0, t0, 12
    li t1, 8 << 60                      /* Sv39 */
    or t0, t0, t1
    csrw satp, t0
    sfence.vma
    la t0, high
    li t1, KERNEL_BASE - RAM
    add t0, t0, t1
    jr t0

    .text
high:
    la t1, boot_root                    /* the identity mapping has done its work */
    sd zero, 8 * ROOT_INDEX(RAM)(t1)
    sfence.vma
    la sp, boot_stack + THREAD_SIZE
    la tp, init_task
    li s0, 0
    li t0, 0x2002                       /* sstatus: FPU initial, interrupts on */
    csrs sstatus, t0
    li t0, DIRECT_MAP - RAM
    add a0, s1, t0
    ld t0, BOOT_INFO_SEED(a0)
    la t1, __stack_chk_guard
    sd t0, (t1)
    call kmain

    .globl idle
idle:
    wfi
    j idle

/* long hypercall(long number, ...): ask the machine. */
    .globl hypercall
hypercall:
    li a7, 0
    ecall
    ret

/* Where functions that Python started return to. */
    .globl kret
kret:
    li a7, 0xf0
    ecall

/* void enter_user(struct user_entry *): pc, sp. */
    .globl enter_user
enter_user:
    csrci sstatus, 2                    /* no interrupts: from here on tp is the user's */
    ld t0, 0(a0)
    csrw sepc, t0
    ld sp, 8(a0)
    li t0, 0x100                        /* SPP: come from user mode */
    csrc sstatus, t0
    li t0, 0x20                         /* SPIE: with interrupts on */
    csrs sstatus, t0
    fscsr zero
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    fmv.d.x f\n, zero
    .endr
    .irp n, 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    li x\n, 0
    .endr
    sret

    .bss
    .balign 4096
    .globl boot_root, boot_stack, percpu_area, init_task, __stack_chk_guard
boot_root:     .skip 4096
kernel_pd:     .skip 4096
modules_pd:    .skip 4096
stubs_pd:      .skip 4096
vmalloc_pd:    .skip 4096
direct_pd:     .skip 4096
boot_stack:    .skip THREAD_SIZE
init_task:     .skip 8192
percpu_area:   .skip 65536
__stack_chk_guard: .skip 8
