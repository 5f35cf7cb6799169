/* What makes a file a module: its entry points, its licence, its description. */
#ifndef _LINUX_MODULE_H
#define _LINUX_MODULE_H

#include <linux/export.h>
#include <linux/init.h>
#include <linux/moduleparam.h>
#include <linux/printk.h>
#include <linux/types.h>

extern struct module __this_module __aligned(64);

/* The loader finds the functions by these names, through .gnu.linkonce.this_module. */
#define module_init(function)                                                                  \
	static inline int (*__always_unused __init_type(void))(void) { return function; }      \
	int init_module(void) __attribute__((alias(#function)))
#define module_exit(function)                                                                  \
	static inline void (*__always_unused __exit_type(void))(void) { return function; }     \
	void cleanup_module(void) __attribute__((alias(#function)))
int init_module(void);
void cleanup_module(void);

#define MODULE_INFO(tag, text) __MODULE_INFO(tag, text)
#define MODULE_LICENSE(text) MODULE_INFO(license, text)
#define MODULE_AUTHOR(text) MODULE_INFO(author, text)
#define MODULE_DESCRIPTION(text) MODULE_INFO(description, text)
#define MODULE_VERSION(text) MODULE_INFO(version, text)
#define MODULE_ALIAS(text) MODULE_INFO(alias, text)
#define MODULE_SOFTDEP(text) MODULE_INFO(softdep, text)
#define MODULE_IMPORT_NS(namespace) MODULE_INFO(import_ns, #namespace)

bool try_module_get(struct module *module);
void __module_get(struct module *module);
void module_put(struct module *module);

#endif
