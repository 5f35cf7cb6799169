/* <linux/irqflags.h>: may timers run over this code? The flag is the CPU's own. */
#ifndef IRQFLAGS_H
#define IRQFLAGS_H

#ifdef __x86_64__
#define IRQS_ON 0x200 /* rflags.IF */

static inline unsigned long irq_save(void)
{
	unsigned long flags;

	asm volatile("pushfq; popq %0; cli" : "=rm"(flags) : : "memory");
	return flags & IRQS_ON;
}

static inline void irq_restore(unsigned long flags)
{
	if (flags & IRQS_ON)
		asm volatile("sti" : : : "memory");
}
#else
#define IRQS_ON 2 /* sstatus.SIE */

static inline unsigned long irq_save(void)
{
	unsigned long flags;

	asm volatile("csrrci %0, sstatus, 2" : "=r"(flags) : : "memory");
	return flags & IRQS_ON;
}

static inline void irq_restore(unsigned long flags)
{
	asm volatile("csrs sstatus, %0" : : "r"(flags & IRQS_ON) : "memory");
}
#endif

#endif
