/* Module parameters: each becomes a struct kernel_param in __param and two lines in .modinfo. */
#ifndef _LINUX_MODULEPARAM_H
#define _LINUX_MODULEPARAM_H

#include <linux/types.h>

#define __MODULE_INFO(tag, info) \
	static const char __UNIQUE_ID(modinfo)[] __used __section(".modinfo") __aligned(1) = #tag "=" info
#define MODULE_PARM_DESC(parameter, description) __MODULE_INFO(parm, #parameter ":" description)
#define __MODULE_PARM_TYPE(name, type) __MODULE_INFO(parmtype, #name ":" type)

/* perm is the mode of /sys/module/M/parameters/NAME; 0: no such file. */
#define __module_param_call(parameter, operations, argument, mode, param_level, param_flags)           \
	static const char __param_str_##parameter[] = #parameter;                                     \
	static const struct kernel_param __param_##parameter __used __section("__param") __aligned(8) = { \
		.name = __param_str_##parameter, .mod = &__this_module, .ops = (operations),           \
		.perm = (mode), .level = (param_level), .flags = (param_flags), argument }

#define module_param_cb(name, ops, argument, perm) \
	__module_param_call(name, ops, { .arg = (void *)(argument) }, perm, -1, 0)
#define module_param_named(name, value, type, perm)                      \
	param_check_##type(name, &(value));                              \
	module_param_cb(name, &param_ops_##type, &(value), perm);        \
	__MODULE_PARM_TYPE(name, #type)
#define module_param(name, type, perm) module_param_named(name, name, type, perm)
#define module_param_unsafe(name, type, perm)                            \
	param_check_##type(name, &(name));                               \
	__module_param_call(name, &param_ops_##type, { .arg = &(name) }, perm, -1, KERNEL_PARAM_FL_UNSAFE); \
	__MODULE_PARM_TYPE(name, #type)

#define module_param_string(name, buffer, length, perm)                                              \
	static const struct kparam_string __param_string_##name = { .maxlen = (length), .string = (buffer) }; \
	__module_param_call(name, &param_ops_string, { .str = &__param_string_##name }, perm, -1, 0); \
	__MODULE_PARM_TYPE(name, "string")

#define module_param_array_named(name, array, type, count, perm)                                     \
	param_check_##type(name, &(array)[0]);                                                       \
	static const struct kparam_array __param_arr_##name = { .max = sizeof(array) / sizeof((array)[0]), \
		.elemsize = sizeof((array)[0]), .num = (count), .ops = &param_ops_##type, .elem = (array) }; \
	__module_param_call(name, &param_array_ops, { .arr = &__param_arr_##name }, perm, -1, 0);    \
	__MODULE_PARM_TYPE(name, "array of " #type)
#define module_param_array(name, type, count, perm) module_param_array_named(name, name, type, count, perm)

/* A parameter of the wrong C type must not compile. */
#define __param_check(name, pointer, type) \
	static inline type __always_unused *__check_##name(void) { return (pointer); }
#define param_check_byte(name, p) __param_check(name, p, unsigned char)
#define param_check_short(name, p) __param_check(name, p, short)
#define param_check_ushort(name, p) __param_check(name, p, unsigned short)
#define param_check_int(name, p) __param_check(name, p, int)
#define param_check_uint(name, p) __param_check(name, p, unsigned int)
#define param_check_long(name, p) __param_check(name, p, long)
#define param_check_ulong(name, p) __param_check(name, p, unsigned long)
#define param_check_ullong(name, p) __param_check(name, p, unsigned long long)
#define param_check_hexint(name, p) __param_check(name, p, unsigned int)
#define param_check_charp(name, p) __param_check(name, p, char *)
#define param_check_bool(name, p) __param_check(name, p, bool)
#define param_check_invbool(name, p) __param_check(name, p, bool)

extern const struct kernel_param_ops param_ops_byte, param_ops_short, param_ops_ushort, param_ops_int, param_ops_uint;
extern const struct kernel_param_ops param_ops_long, param_ops_ulong, param_ops_ullong, param_ops_hexint;
extern const struct kernel_param_ops param_ops_charp, param_ops_bool, param_ops_invbool;
extern const struct kernel_param_ops param_ops_string, param_array_ops;

int param_set_int(const char *val, const struct kernel_param *kp);
int param_get_int(char *buffer, const struct kernel_param *kp);
int param_set_uint(const char *val, const struct kernel_param *kp);
int param_get_uint(char *buffer, const struct kernel_param *kp);
int param_set_ulong(const char *val, const struct kernel_param *kp);
int param_get_ulong(char *buffer, const struct kernel_param *kp);
int param_set_charp(const char *val, const struct kernel_param *kp);
int param_get_charp(char *buffer, const struct kernel_param *kp);
int param_set_bool(const char *val, const struct kernel_param *kp);
int param_get_bool(char *buffer, const struct kernel_param *kp);

#endif
