/* EXPORT_SYMBOL: offer a symbol to other modules, in the PREL32 form of Linux 6.1 (struct kernel_symbol). */
#ifndef _LINUX_EXPORT_H
#define _LINUX_EXPORT_H

#include <linux/compiler.h>

/*
 * Each export gets a section of its own; modules/module.lds sorts them by name into __ksymtab and __ksymtab_gpl. An
 * empty namespace is a string of its own, as Linux has it.
 */
#define EMUKERN_EXPORT(symbol, suffix)                                   \
	extern __typeof__(symbol) symbol;                                \
	__asm__(".pushsection \"__ksymtab_strings\",\"aMS\",@progbits,1\n" \
		"__kstrtab_" #symbol ":\t.asciz \"" #symbol "\"\n"       \
		"__kstrtabns_" #symbol ":\t.asciz \"\"\n"                \
		"\t.popsection\n"                                        \
		"\t.pushsection \"___ksymtab" suffix "+" #symbol "\",\"a\"\n" \
		"\t.balign 4\n"                                          \
		"__ksymtab_" #symbol ":\n"                               \
		"\t.long " #symbol " - .\n"                              \
		"\t.long __kstrtab_" #symbol " - .\n"                    \
		"\t.long __kstrtabns_" #symbol " - .\n"                  \
		"\t.popsection\n")

#define EXPORT_SYMBOL(symbol) EMUKERN_EXPORT(symbol, "")
#define EXPORT_SYMBOL_GPL(symbol) EMUKERN_EXPORT(symbol, "_gpl")

struct module;
extern struct module __this_module;
#define THIS_MODULE (&__this_module)

#endif
