/* The integer types of kernel code, and the structures everything is made of. */
#ifndef _LINUX_TYPES_H
#define _LINUX_TYPES_H

#include <emukern/abi.h>
#include <linux/compiler.h>

#define NULL ((void *)0)
#define true 1
#define false 0

typedef u8 uint8_t;
typedef u16 uint16_t;
typedef u32 uint32_t;
typedef u64 uint64_t;
typedef s8 int8_t;
typedef s16 int16_t;
typedef s32 int32_t;
typedef s64 int64_t;
typedef unsigned int uint;
typedef unsigned long ulong;
typedef unsigned short ushort;

#define offsetof(type, member) __builtin_offsetof(type, member)

#endif
