/* <linux/nls.h>: the list of character sets that nls_*.ko modules add. UTF-8 itself is in utf.c. */
#include <stddef.h>
#include <stdint.h>

#include <emukern/export.h>

#define EBUSY 16
#define EINVAL 22

struct module;

struct nls_table {
	const char *charset;
	const char *alias;
	int (*uni2char)(uint16_t character, unsigned char *to, int room);
	int (*char2uni)(const unsigned char *from, int length, uint16_t *character);
	const unsigned char *to_lower;
	const unsigned char *to_upper;
	struct module *owner;
	struct nls_table *next;
};

int strcmp(const char *a, const char *b);
KERNEL_IMPORT(_Bool, try_module_get, struct module *);
KERNEL_IMPORT(void, module_put, struct module *);

static struct nls_table *tables;

/* -EBUSY for a table that is in the list, or in anyone's: its link must be NULL */
int __register_nls(struct nls_table *table, struct module *owner)
{
	if (table->next)
		return -EBUSY;
	for (struct nls_table *t = tables; t; t = t->next)
		if (t == table)
			return -EBUSY;
	table->owner = owner;
	table->next = tables;
	tables = table;
	return 0;
}
EXPORT_SYMBOL(__register_nls);

int unregister_nls(struct nls_table *table)
{
	for (struct nls_table **link = &tables; *link; link = &(*link)->next) {
		if (*link == table) {
			*link = table->next;
			return 0;
		}
	}
	return -EINVAL;
}
EXPORT_SYMBOL(unregister_nls);

/* The table of `charset`, whose module is held until unload_nls. Linux would run modprobe for one that is not there:
 * without a modprobe that is the answer NULL.
 */
struct nls_table *load_nls(const char *charset)
{
	for (struct nls_table *t = tables; t; t = t->next) {
		if (strcmp(t->charset, charset) != 0 && !(t->alias && strcmp(t->alias, charset) == 0))
			continue;
		return KERNEL(try_module_get)(t->owner) ? t : NULL;
	}
	return NULL;
}
EXPORT_SYMBOL(load_nls);

void unload_nls(struct nls_table *table)
{
	if (table)
		KERNEL(module_put)(table->owner);
}
EXPORT_SYMBOL(unload_nls);
