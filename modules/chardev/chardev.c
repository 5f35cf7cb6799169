// The device /dev/chardev: a buffer to read, write and seek in, with commands by ioctl
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#define CAPACITY 4096

/* The commands; a program needs the same four lines. */
#define CHARDEV_GET_SIZE _IOR('c', 1, unsigned int)
#define CHARDEV_SET_SIZE _IOW('c', 2, unsigned int)
#define CHARDEV_UPPERCASE _IO('c', 3)
#define CHARDEV_ROTATE _IOWR('c', 4, unsigned char)

static DEFINE_MUTEX(lock);
static char *text;
static unsigned int size;
static unsigned int opened;

static int chardev_open(struct inode *inode, struct file *file)
{
	mutex_lock(&lock);
	opened++;
	if (file->f_flags & O_APPEND)
		file->f_pos = size;
	mutex_unlock(&lock);
	return 0;
}

static int chardev_release(struct inode *inode, struct file *file)
{
	pr_info("chardev: closed, %u bytes inside\n", size);
	return 0;
}

static ssize_t chardev_read(struct file *file, char __user *buf, size_t count, loff_t *pos)
{
	ssize_t done;

	if (mutex_lock_interruptible(&lock))
		return -ERESTARTSYS;
	done = simple_read_from_buffer(buf, count, pos, text, size);
	mutex_unlock(&lock);
	return done;
}

static ssize_t chardev_write(struct file *file, const char __user *buf, size_t count, loff_t *pos)
{
	ssize_t done = -ENOSPC;

	if (mutex_lock_interruptible(&lock))
		return -ERESTARTSYS;
	if (*pos < CAPACITY) {
		count = min_t(size_t, count, CAPACITY - *pos);
		done = copy_from_user(text + *pos, buf, count) ? -EFAULT : (ssize_t)count;
	}
	if (done > 0) {
		*pos += done;
		size = max_t(unsigned int, size, *pos);
	}
	mutex_unlock(&lock);
	return done;
}

static loff_t chardev_llseek(struct file *file, loff_t offset, int whence)
{
	return fixed_size_llseek(file, offset, whence, size);
}

static long chardev_resize(unsigned int wanted)
{
	if (wanted > CAPACITY)
		return -EINVAL;
	if (wanted > size)
		memset(text + size, 0, wanted - size);
	size = wanted;
	return 0;
}

/* Every letter becomes the one `by` places on; the old first byte is the answer. */
static unsigned char chardev_rotate(unsigned char by)
{
	unsigned char first = size ? text[0] : 0;
	unsigned int i;

	for (i = 0; i < size; i++)
		if (text[i] >= 'a' && text[i] <= 'z')
			text[i] = 'a' + (text[i] - 'a' + by) % 26;
	return first;
}

static long chardev_ioctl(struct file *file, unsigned int cmd, unsigned long arg)
{
	unsigned int wanted, i;
	unsigned char by;
	long error = 0;

	mutex_lock(&lock);
	switch (cmd) {
	case CHARDEV_GET_SIZE:
		error = put_user(size, (unsigned int __user *)arg);
		break;
	case CHARDEV_SET_SIZE:
		error = get_user(wanted, (unsigned int __user *)arg);
		if (!error)
			error = chardev_resize(wanted);
		break;
	case CHARDEV_UPPERCASE:
		for (i = 0; i < size; i++)
			if (text[i] >= 'a' && text[i] <= 'z')
				text[i] -= 'a' - 'A';
		break;
	case CHARDEV_ROTATE:
		error = get_user(by, (unsigned char __user *)arg);
		if (!error)
			error = put_user(chardev_rotate(by), (unsigned char __user *)arg);
		break;
	default:
		error = -ENOTTY;
	}
	mutex_unlock(&lock);
	return error;
}

static const struct file_operations chardev_fops = {
	.owner = THIS_MODULE,
	.open = chardev_open,
	.release = chardev_release,
	.read = chardev_read,
	.write = chardev_write,
	.llseek = chardev_llseek,
	.unlocked_ioctl = chardev_ioctl,
};

static struct miscdevice chardev = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "chardev",
	.fops = &chardev_fops,
	.mode = 0666,
};

static int __init chardev_init(void)
{
	int error;

	text = kzalloc(CAPACITY, GFP_KERNEL);
	if (!text)
		return -ENOMEM;
	size = scnprintf(text, CAPACITY, "hello from chardev\n");
	error = misc_register(&chardev);
	if (error)
		kfree(text);
	else
		pr_info("chardev: /dev/chardev is ready\n");
	return error;
}

static void __exit chardev_exit(void)
{
	misc_deregister(&chardev);
	kfree(text);
	pr_info("chardev: opened %u times\n", opened);
}

module_init(chardev_init);
module_exit(chardev_exit);
MODULE_DESCRIPTION("The device /dev/chardev: a buffer to read, write and seek in, with commands by ioctl");
MODULE_LICENSE("GPL");
