/* How the number of a device's command is made: direction, size of the argument, device, command. */
#ifndef _LINUX_IOCTL_H
#define _LINUX_IOCTL_H

#define _IOC(direction, type, number, size) (((direction) << 30) | ((size) << 16) | ((type) << 8) | (number))
#define _IO(type, number) _IOC(0U, type, number, 0)
#define _IOW(type, number, argument) _IOC(1U, type, number, sizeof(argument))
#define _IOR(type, number, argument) _IOC(2U, type, number, sizeof(argument))
#define _IOWR(type, number, argument) _IOC(3U, type, number, sizeof(argument))

#endif
