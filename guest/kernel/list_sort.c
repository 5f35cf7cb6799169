/* list_sort(): a stable merge sort of a doubly linked list, bottom up; order > 0 means "b goes first". */
#include <stddef.h>

#include <emukern/export.h>

struct list_head {
	struct list_head *next, *prev;
};

typedef int (*list_cmp_func_t)(void *, const struct list_head *, const struct list_head *);

#define LEVELS 64 /* runs[i] holds 2^i elements, or none */

/* two NULL-ended chains, each in order, become one; elements of a go before equal ones of b */
static struct list_head *merge(void *priv, list_cmp_func_t cmp, struct list_head *a, struct list_head *b)
{
	struct list_head *first, **tail = &first;

	while (a && b) {
		struct list_head **from = cmp(priv, a, b) <= 0 ? &a : &b;

		*tail = *from;
		tail = &(*from)->next;
		*from = (*from)->next;
	}
	*tail = a ? a : b;
	return first;
}

void list_sort(void *priv, struct list_head *head, list_cmp_func_t cmp)
{
	struct list_head *runs[LEVELS] = { NULL }, *list = head->next, *sorted = NULL, *before = head;

	if (list == head || list->next == head)
		return;
	head->prev->next = NULL;
	while (list) {
		struct list_head *run = list;
		int level = 0;

		list = list->next;
		run->next = NULL;
		for (; runs[level]; level++) {
			run = merge(priv, cmp, runs[level], run);
			runs[level] = NULL;
		}
		runs[level] = run;
	}
	for (int level = 0; level < LEVELS; level++)
		if (runs[level])
			sorted = sorted ? merge(priv, cmp, runs[level], sorted) : runs[level];
	for (struct list_head *at = sorted; at; at = at->next) {
		before->next = at;
		at->prev = before;
		before = at;
	}
	before->next = head;
	head->prev = before;
}
EXPORT_SYMBOL(list_sort);
