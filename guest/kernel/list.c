/* <linux/list.h> under CONFIG_DEBUG_LIST: the checks are hot, the report of what they find is Python's. */
#include <stdbool.h>
#include <stddef.h>

#include <emukern/export.h>

struct list_head {
	struct list_head *next, *prev;
};

#define POISON1 ((void *)0xdead000000000100)
#define POISON2 ((void *)0xdead000000000122)

KERNEL_IMPORT(void, __list_add_corruption, struct list_head *, struct list_head *, struct list_head *);
KERNEL_IMPORT(void, __list_del_corruption, struct list_head *);

bool __list_add_valid(struct list_head *new, struct list_head *prev, struct list_head *next)
{
	if (prev && next && next->prev == prev && prev->next == next && new != prev && new != next)
		return true;
	KERNEL(__list_add_corruption)(new, prev, next);
	return false;
}
EXPORT_SYMBOL(__list_add_valid);

bool __list_del_entry_valid(struct list_head *entry)
{
	struct list_head *prev = entry->prev, *next = entry->next;

	if (next && prev && next != POISON1 && prev != POISON2 && prev->next == entry && next->prev == entry)
		return true;
	KERNEL(__list_del_corruption)(entry);
	return false;
}
EXPORT_SYMBOL(__list_del_entry_valid);

/* what 6.6 and later call when their inlined check failed */
bool __list_add_valid_or_report(struct list_head *new, struct list_head *prev, struct list_head *next)
{
	return __list_add_valid(new, prev, next);
}
EXPORT_SYMBOL(__list_add_valid_or_report);

bool __list_del_entry_valid_or_report(struct list_head *entry)
{
	return __list_del_entry_valid(entry);
}
EXPORT_SYMBOL(__list_del_entry_valid_or_report);
