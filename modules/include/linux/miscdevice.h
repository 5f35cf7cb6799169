/* Character devices that share major number 10. */
#ifndef _LINUX_MISCDEVICE_H
#define _LINUX_MISCDEVICE_H

#include <linux/device.h>
#include <linux/fs.h>

int misc_register(struct miscdevice *misc);
void misc_deregister(struct miscdevice *misc);

#define module_misc_device(device)                                                      \
	static int __init __misc_init(void) { return misc_register(&(device)); }        \
	module_init(__misc_init);                                                       \
	static void __exit __misc_exit(void) { misc_deregister(&(device)); }            \
	module_exit(__misc_exit)

#endif
