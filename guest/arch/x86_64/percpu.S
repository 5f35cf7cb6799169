/* Per-CPU variables that modules reach as %gs:offset, so their "addresses" are offsets into percpu_area.
 *
 * Offset 40 is the stack canary, where compilers expect it (boot.S sets it); those here start at 48.
 */
.macro percpu name, offset
    .globl \name
    \name = \offset
    .pushsection ___ksymtab, "a"
__ksymtab_\name:
    .quad \name
    .popsection
.endm

/* preempt_disable() and preempt_enable() are inlined as increments and decrements of this int. Nothing acts on it, for
 * the kernel is not preemptible: the zero that asks for a reschedule only leads to __SCT__preempt_schedule's return.
 */
percpu __preempt_count, 48

percpu cpu_number, 52 /* int: there is one CPU, number 0 */
