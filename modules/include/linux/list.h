/* Lists with the links inside the elements. */
#ifndef _LINUX_LIST_H
#define _LINUX_LIST_H

#include <linux/kernel.h>
#include <linux/types.h>

/* The kernel looks at the neighbours before every change and answers false, after a report, for a broken list. */
bool __list_add_valid(struct list_head *entry, struct list_head *prev, struct list_head *next);
bool __list_del_entry_valid(struct list_head *entry);

#define LIST_HEAD_INIT(name) { &(name), &(name) }
#define LIST_HEAD(name) struct list_head name = LIST_HEAD_INIT(name)

static inline void INIT_LIST_HEAD(struct list_head *head)
{
	WRITE_ONCE(head->next, head);
	WRITE_ONCE(head->prev, head);
}

static inline void __list_add(struct list_head *entry, struct list_head *prev, struct list_head *next)
{
	if (!__list_add_valid(entry, prev, next))
		return;
	next->prev = entry;
	entry->next = next;
	entry->prev = prev;
	WRITE_ONCE(prev->next, entry);
}

static inline void list_add(struct list_head *entry, struct list_head *head)
{
	__list_add(entry, head, head->next);
}

static inline void list_add_tail(struct list_head *entry, struct list_head *head)
{
	__list_add(entry, head->prev, head);
}

static inline void __list_del_entry(struct list_head *entry)
{
	if (!__list_del_entry_valid(entry))
		return;
	entry->next->prev = entry->prev;
	WRITE_ONCE(entry->prev->next, entry->next);
}

static inline void list_del(struct list_head *entry)
{
	__list_del_entry(entry);
	entry->next = (struct list_head *)LIST_POISON1;
	entry->prev = (struct list_head *)LIST_POISON2;
}

static inline void list_del_init(struct list_head *entry)
{
	__list_del_entry(entry);
	INIT_LIST_HEAD(entry);
}

static inline void list_move(struct list_head *entry, struct list_head *head)
{
	__list_del_entry(entry);
	list_add(entry, head);
}

static inline void list_move_tail(struct list_head *entry, struct list_head *head)
{
	__list_del_entry(entry);
	list_add_tail(entry, head);
}

static inline bool list_empty(const struct list_head *head)
{
	return READ_ONCE(head->next) == head;
}

static inline bool list_is_last(const struct list_head *entry, const struct list_head *head)
{
	return entry->next == head;
}

static inline bool list_is_singular(const struct list_head *head)
{
	return !list_empty(head) && head->next == head->prev;
}

#define list_entry(pointer, type, member) container_of(pointer, type, member)
#define list_first_entry(head, type, member) list_entry((head)->next, type, member)
#define list_last_entry(head, type, member) list_entry((head)->prev, type, member)
#define list_first_entry_or_null(head, type, member) \
	(list_empty(head) ? NULL : list_first_entry(head, type, member))
#define list_next_entry(p, member) list_entry((p)->member.next, __typeof__(*(p)), member)
#define list_prev_entry(p, member) list_entry((p)->member.prev, __typeof__(*(p)), member)

#define list_for_each(p, head) for ((p) = (head)->next; (p) != (head); (p) = (p)->next)
#define list_for_each_safe(p, ahead, head) \
	for ((p) = (head)->next, (ahead) = (p)->next; (p) != (head); (p) = (ahead), (ahead) = (p)->next)
#define list_for_each_entry(p, head, member)                                                  \
	for ((p) = list_first_entry(head, __typeof__(*(p)), member); &(p)->member != (head);  \
	     (p) = list_next_entry(p, member))
#define list_for_each_entry_reverse(p, head, member)                                          \
	for ((p) = list_last_entry(head, __typeof__(*(p)), member); &(p)->member != (head);   \
	     (p) = list_prev_entry(p, member))
#define list_for_each_entry_safe(p, ahead, head, member)                                      \
	for ((p) = list_first_entry(head, __typeof__(*(p)), member), (ahead) = list_next_entry(p, member); \
	     &(p)->member != (head); (p) = (ahead), (ahead) = list_next_entry(ahead, member))

#define HLIST_HEAD_INIT { NULL }
#define HLIST_HEAD(name) struct hlist_head name = HLIST_HEAD_INIT
#define INIT_HLIST_HEAD(head) ((head)->first = NULL)

static inline void INIT_HLIST_NODE(struct hlist_node *node)
{
	node->next = NULL;
	node->pprev = NULL;
}

static inline bool hlist_empty(const struct hlist_head *head)
{
	return !READ_ONCE(head->first);
}

static inline void hlist_add_head(struct hlist_node *node, struct hlist_head *head)
{
	node->next = head->first;
	if (node->next)
		node->next->pprev = &node->next;
	WRITE_ONCE(head->first, node);
	node->pprev = &head->first;
}

static inline void hlist_del_init(struct hlist_node *node)
{
	if (!node->pprev)
		return;
	WRITE_ONCE(*node->pprev, node->next);
	if (node->next)
		node->next->pprev = node->pprev;
	INIT_HLIST_NODE(node);
}

#define hlist_entry(pointer, type, member) container_of(pointer, type, member)
#define hlist_entry_or_null(pointer, type, member)                               \
	({                                                                       \
		struct hlist_node *__node = (pointer);                           \
		__node ? hlist_entry(__node, type, member) : NULL;               \
	})
#define hlist_for_each_entry(p, head, member)                                              \
	for ((p) = hlist_entry_or_null((head)->first, __typeof__(*(p)), member); (p);      \
	     (p) = hlist_entry_or_null((p)->member.next, __typeof__(*(p)), member))

#endif
