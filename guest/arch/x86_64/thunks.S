/* What gcc and objtool make every distribution module call: hooks and detours that a real kernel patches away at boot.
 *
 * None of it does anything here, on purpose. Nothing is traced, so __fentry__ returns; the emulated CPU does not
 * speculate, so a "return thunk" is a return and an "indirect thunk" is the jump it stands for; the kernel is not
 * preemptible, so the static calls that would offer the CPU to somebody else come straight back.
 */
.macro function name
    .globl \name
    .type \name, @function
\name:
.endm

.macro export name
    .pushsection ___ksymtab, "a"
__ksymtab_\name:
    .quad \name
    .popsection
.endm

    .text

/* Called at the start of every traceable function, before its frame exists: every register must survive. */
function __fentry__
    ret

function __x86_return_thunk
    ret

/* "Did it switch to another task?" No. */
function __SCT__cond_resched
function __SCT__might_resched
    xorl %eax, %eax
    ret

function __SCT__preempt_schedule
function __SCT__preempt_schedule_notrace
    ret

.irp name, __fentry__, __x86_return_thunk, __SCT__cond_resched, __SCT__might_resched, __SCT__preempt_schedule
    export \name
.endr
export __SCT__preempt_schedule_notrace

/* One array of thunks: an entry per register in the order of the encoding, 32 bytes apart, because code may index it.
 * The call and jump spellings differ from the plain one only where calls are counted, as real kernels do on Skylake.
 */
.macro thunk_array prefix
    .balign 32
function \prefix\()array
    .irp register, rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15
    .balign 32
function \prefix\register
    jmp *%\register
    export \prefix\register
    .endr
    .balign 32
    export \prefix\()array
.endm

thunk_array __x86_indirect_thunk_
thunk_array __x86_indirect_call_thunk_
thunk_array __x86_indirect_jump_thunk_
