// The device /dev/waitqueue: reading it sleeps until somebody writes
#include <linux/cdev.h>
#include <linux/device.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/wait.h>

#define CAPACITY 256

static DECLARE_WAIT_QUEUE_HEAD(readers);
static DEFINE_SPINLOCK(lock);
static char ring[CAPACITY];
static size_t used;
static dev_t number;
static struct cdev cdev;
static struct class *class;

/* Moves up to `wanted` bytes out of the ring; 0 when another reader was faster. */
static size_t take(char *to, size_t wanted)
{
	unsigned long flags;
	size_t count;

	spin_lock_irqsave(&lock, flags);
	count = min(wanted, used);
	memcpy(to, ring, count);
	memmove(ring, ring + count, used - count);
	used -= count;
	spin_unlock_irqrestore(&lock, flags);
	return count;
}

static ssize_t waitqueue_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	char taken[CAPACITY];
	size_t got;

	if (!count)
		return 0;
	do {
		if (!READ_ONCE(used) && (file->f_flags & O_NONBLOCK))
			return -EAGAIN;
		if (wait_event_interruptible(readers, READ_ONCE(used) > 0))
			return -ERESTARTSYS;
		got = take(taken, count);
	} while (!got);
	return copy_to_user(buf, taken, got) ? -EFAULT : (ssize_t)got;
}

static ssize_t waitqueue_write(struct file *file, const char __user *buf, size_t count, loff_t *pos)
{
	char given[CAPACITY];
	unsigned long flags;

	count = min(count, sizeof(given));
	if (copy_from_user(given, buf, count))
		return -EFAULT;
	spin_lock_irqsave(&lock, flags);
	count = min(count, sizeof(ring) - used);
	memcpy(ring + used, given, count);
	used += count;
	spin_unlock_irqrestore(&lock, flags);
	wake_up_interruptible(&readers);
	return count ? (ssize_t)count : -ENOSPC;
}

static const struct file_operations waitqueue_fops = {
	.owner = THIS_MODULE,
	.read = waitqueue_read,
	.write = waitqueue_write,
	.llseek = no_llseek,
};

static int __init waitqueue_init(void)
{
	int error = alloc_chrdev_region(&number, 0, 1, "waitqueue");
	struct device *device;

	if (error)
		return error;
	cdev_init(&cdev, &waitqueue_fops);
	cdev.owner = THIS_MODULE;
	error = cdev_add(&cdev, number, 1);
	if (error)
		goto no_cdev;
	class = class_create(THIS_MODULE, "waitqueue");
	if (IS_ERR(class)) {
		error = PTR_ERR(class);
		goto no_class;
	}
	device = device_create(class, NULL, number, NULL, "waitqueue");
	if (IS_ERR(device)) {
		error = PTR_ERR(device);
		goto no_device;
	}
	return 0;

no_device:
	class_destroy(class);
no_class:
	cdev_del(&cdev);
no_cdev:
	unregister_chrdev_region(number, 1);
	return error;
}

static void __exit waitqueue_exit(void)
{
	device_destroy(class, number);
	class_destroy(class);
	cdev_del(&cdev);
	unregister_chrdev_region(number, 1);
}

module_init(waitqueue_init);
module_exit(waitqueue_exit);
MODULE_DESCRIPTION("The device /dev/waitqueue: reading it sleeps until somebody writes");
MODULE_LICENSE("GPL");
