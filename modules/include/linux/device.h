/* Classes and devices: what makes a node appear in /dev. */
#ifndef _LINUX_DEVICE_H
#define _LINUX_DEVICE_H

#include <linux/kdev_t.h>
#include <linux/types.h>

struct class *__class_create(struct module *owner, const char *name, struct lock_class_key *key);
void class_destroy(struct class *class);
struct device *device_create(struct class *class, struct device *parent, dev_t dev, void *data, const char *name, ...)
	__printf(5, 6);
void device_destroy(struct class *class, dev_t dev);

#define class_create(owner, name)                       \
	({                                              \
		static struct lock_class_key __key;     \
		__class_create(owner, name, &__key);    \
	})

static inline void *dev_get_drvdata(const struct device *device)
{
	return device->driver_data;
}

static inline void dev_set_drvdata(struct device *device, void *data)
{
	device->driver_data = data;
}

#endif
