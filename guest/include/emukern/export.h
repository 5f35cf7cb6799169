/* How the C part of the tiny kernel offers its functions to modules, and calls the part written in Python.
 *
 * The symbol table of kernel.elf is the whole interface:
 *   __ksymtab_NAME, __ksymtab_gpl_NAME   NAME is exported (the latter to GPL modules only)
 *   __kimport_NAME                       a pointer; the boot fills in the address of the Python export NAME
 */
#ifndef EMUKERN_EXPORT_H
#define EMUKERN_EXPORT_H

#define EMUKERN_KSYMTAB(prefix, name)                                                     \
	static const void *const prefix##name                                             \
		__attribute__((used, section("___ksymtab"))) = (const void *)&name

#define EXPORT_SYMBOL(name)     EMUKERN_KSYMTAB(__ksymtab_, name)
#define EXPORT_SYMBOL_GPL(name) EMUKERN_KSYMTAB(__ksymtab_gpl_, name)

/* KERNEL_IMPORT(int, wake_up_state, struct task_struct *, unsigned int); then KERNEL(wake_up_state)(task, mode). */
#define KERNEL_IMPORT(type, name, ...)                                                    \
	extern type (*__kimport_##name)(__VA_ARGS__) __attribute__((weak));               \
	type (*__kimport_##name)(__VA_ARGS__)                                             \
		__attribute__((weak, used, section(".data.kimport")))
#define KERNEL(name) __kimport_##name

#endif
