/* <linux/textsearch.h>: ts_*.ko modules register search algorithms here, by name; users prepare a pattern and search. */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <emukern/export.h>

#define ENOENT 2
#define EEXIST 17
#define EINVAL 22
#define MAX_ERRNO 4095

#define ERR_PTR(error) ((void *)(long)(error))
#define IS_ERR(p) ((unsigned long)(p) >= -(unsigned long)MAX_ERRNO)

struct module;
struct list_head {
	struct list_head *next, *prev;
};

struct ts_state {
	unsigned int offset;
	char cb[48];
};

struct ts_config {
	struct ts_ops *ops;
	int flags;
	unsigned int (*get_next_block)(unsigned int consumed, const uint8_t **block, struct ts_config *,
				       struct ts_state *);
	void (*finish)(struct ts_config *, struct ts_state *);
};

struct ts_ops {
	const char *name;
	struct ts_config *(*init)(const void *pattern, unsigned int length, unsigned int gfp, int flags);
	unsigned int (*find)(struct ts_config *, struct ts_state *);
	void (*destroy)(struct ts_config *);
	void *(*get_pattern)(struct ts_config *);
	unsigned int (*get_pattern_len)(struct ts_config *);
	struct module *owner;
	struct list_head list;
};

/* what ts_state.cb holds while a search walks one flat buffer */
struct flat {
	const uint8_t *data;
	unsigned int length;
};

int strcmp(const char *a, const char *b);
KERNEL_IMPORT(_Bool, try_module_get, struct module *);
KERNEL_IMPORT(void, module_put, struct module *);
KERNEL_IMPORT(void, kfree, const void *);

static struct list_head algorithms = { &algorithms, &algorithms };

#define OPS(link) ((struct ts_ops *)((char *)(link) - offsetof(struct ts_ops, list)))

static struct ts_ops *find_ops(const char *name)
{
	for (struct list_head *link = algorithms.next; link != &algorithms; link = link->next)
		if (strcmp(name, OPS(link)->name) == 0)
			return OPS(link);
	return NULL;
}

int textsearch_register(struct ts_ops *ops)
{
	if (!ops->name || !ops->find || !ops->init || !ops->get_pattern || !ops->get_pattern_len)
		return -EINVAL;
	if (find_ops(ops->name))
		return -EEXIST;
	ops->list.next = &algorithms;
	ops->list.prev = algorithms.prev;
	algorithms.prev->next = &ops->list;
	algorithms.prev = &ops->list;
	return 0;
}
EXPORT_SYMBOL(textsearch_register);

int textsearch_unregister(struct ts_ops *ops)
{
	for (struct list_head *link = algorithms.next; link != &algorithms; link = link->next) {
		if (OPS(link) == ops) {
			link->prev->next = link->next;
			link->next->prev = link->prev;
			return 0;
		}
	}
	return -ENOENT;
}
EXPORT_SYMBOL(textsearch_unregister);

/* A search for `pattern` by the algorithm `name`, whose module is held until textsearch_destroy. There is no modprobe
 * for Linux's TS_AUTOLOAD flag to call, so an algorithm that is not registered is -ENOENT.
 */
struct ts_config *textsearch_prepare(const char *name, const void *pattern, unsigned int length, unsigned int gfp,
				     int flags)
{
	struct ts_ops *ops = find_ops(name);
	struct ts_config *config;

	if (length == 0)
		return ERR_PTR(-EINVAL);
	if (!ops || !KERNEL(try_module_get)(ops->owner))
		return ERR_PTR(-ENOENT);
	config = ops->init(pattern, length, gfp, flags);
	if (IS_ERR(config))
		KERNEL(module_put)(ops->owner);
	else
		config->ops = ops;
	return config;
}
EXPORT_SYMBOL(textsearch_prepare);

void textsearch_destroy(struct ts_config *config)
{
	if (config->ops) {
		if (config->ops->destroy)
			config->ops->destroy(config);
		KERNEL(module_put)(config->ops->owner);
	}
	KERNEL(kfree)(config);
}
EXPORT_SYMBOL(textsearch_destroy);

static unsigned int next_of_flat(unsigned int consumed, const uint8_t **block, struct ts_config *config,
				 struct ts_state *state)
{
	struct flat *flat = (struct flat *)((uintptr_t)(state->cb + 7) & ~(uintptr_t)7);

	(void)config;
	if (consumed >= flat->length)
		return 0;
	*block = flat->data + consumed;
	return flat->length - consumed;
}

/* the offset of the first match in data, or UINT_MAX; textsearch_next goes on from state */
unsigned int textsearch_find_continuous(struct ts_config *config, struct ts_state *state, const void *data,
					unsigned int length)
{
	struct flat *flat = (struct flat *)((uintptr_t)(state->cb + 7) & ~(uintptr_t)7);

	flat->data = data;
	flat->length = length;
	config->get_next_block = next_of_flat;
	state->offset = 0;
	return config->ops->find(config, state);
}
EXPORT_SYMBOL(textsearch_find_continuous);
