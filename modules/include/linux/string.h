/* Bytes and strings. */
#ifndef _LINUX_STRING_H
#define _LINUX_STRING_H

#include <linux/types.h>

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *p, int byte, size_t n);
void *memchr_inv(const void *p, int byte, size_t n);
void *memscan(void *p, int byte, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
int strcasecmp(const char *a, const char *b);
int strncasecmp(const char *a, const char *b, size_t n);
char *strcpy(char *to, const char *from);
char *strncpy(char *to, const char *from, size_t n);
size_t strlcpy(char *to, const char *from, size_t size);
ssize_t strscpy(char *to, const char *from, size_t size);
char *strcat(char *to, const char *from);
char *strncat(char *to, const char *from, size_t n);
size_t strlcat(char *to, const char *from, size_t size);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strnchr(const char *s, size_t n, int c);
char *strstr(const char *s, const char *part);
char *strnstr(const char *s, const char *part, size_t n);
char *strpbrk(const char *s, const char *any);
char *strsep(char **s, const char *any);
size_t strspn(const char *s, const char *any);
size_t strcspn(const char *s, const char *any);
char *skip_spaces(const char *s);
char *strim(char *s);
bool sysfs_streq(const char *a, const char *b);
int match_string(const char *const *array, size_t n, const char *string);

char *kstrdup(const char *s, gfp_t flags);
char *kstrndup(const char *s, size_t max, gfp_t flags);
void *kmemdup(const void *p, size_t n, gfp_t flags);
char *kmemdup_nul(const char *s, size_t n, gfp_t flags);
void *memdup_user(const void __user *p, size_t n);
void *memdup_user_nul(const void __user *p, size_t n);
char *strndup_user(const char __user *s, long max);

#endif
