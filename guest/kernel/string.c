/* The string half of <linux/string.h> that copies, measures and compares; string_search.c looks for things. */
#include <stddef.h>
#include <stdint.h>

#include <emukern/export.h>

#define E2BIG 7

void *memcpy(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);

size_t strlen(const char *s)
{
	const char *p = s;

	while (*p)
		p++;
	return p - s;
}
EXPORT_SYMBOL(strlen);

size_t strnlen(const char *s, size_t n)
{
	size_t i = 0;

	while (i < n && s[i])
		i++;
	return i;
}
EXPORT_SYMBOL(strnlen);

/* Linux answers -1, 0 or 1, never the difference */
int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return *a == *b ? 0 : (unsigned char)*a < (unsigned char)*b ? -1 : 1;
}
EXPORT_SYMBOL(strcmp);

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++) {
		if (*a != *b)
			return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
		if (!*a)
			break;
	}
	return 0;
}
EXPORT_SYMBOL(strncmp);

static int lower(char c)
{
	return c >= 'A' && c <= 'Z' ? c + 32 : (unsigned char)c;
}

int strcasecmp(const char *a, const char *b)
{
	while (*a && lower(*a) == lower(*b))
		a++, b++;
	return lower(*a) - lower(*b);
}
EXPORT_SYMBOL(strcasecmp);

int strncasecmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++) {
		if (lower(*a) != lower(*b))
			return lower(*a) - lower(*b);
		if (!*a)
			break;
	}
	return 0;
}
EXPORT_SYMBOL(strncasecmp);

char *strcpy(char *to, const char *from)
{
	memcpy(to, from, strlen(from) + 1);
	return to;
}
EXPORT_SYMBOL(strcpy);

char *stpcpy(char *restrict to, const char *restrict from)
{
	size_t n = strlen(from);

	memcpy(to, from, n + 1);
	return to + n;
}
EXPORT_SYMBOL(stpcpy);

char *strncpy(char *to, const char *from, size_t n)
{
	size_t used = strnlen(from, n);

	memcpy(to, from, used);
	memset(to + used, 0, n - used);
	return to;
}
EXPORT_SYMBOL(strncpy);

/* the length copied, or -E2BIG when it had to be cut; always terminated unless there is no room at all */
long strscpy(char *to, const char *from, size_t room)
{
	size_t n;

	if (!room || room > INT32_MAX)
		return -E2BIG;
	n = strnlen(from, room);
	if (n < room) {
		memcpy(to, from, n + 1);
		return n;
	}
	memcpy(to, from, room - 1);
	to[room - 1] = '\0';
	return -E2BIG;
}
EXPORT_SYMBOL(strscpy);

long sized_strscpy(char *to, const char *from, size_t room)
{
	return strscpy(to, from, room);
}
EXPORT_SYMBOL(sized_strscpy);

long strscpy_pad(char *to, const char *from, size_t room)
{
	long n = strscpy(to, from, room);

	if (n >= 0)
		memset(to + n + 1, 0, room - n - 1);
	return n;
}
EXPORT_SYMBOL(strscpy_pad);

/* BSD's: the length of the source, whatever was copied */
size_t strlcpy(char *to, const char *from, size_t room)
{
	size_t n = strlen(from);

	if (room) {
		size_t used = n < room ? n : room - 1;

		memcpy(to, from, used);
		to[used] = '\0';
	}
	return n;
}
EXPORT_SYMBOL(strlcpy);

char *strcat(char *to, const char *from)
{
	strcpy(to + strlen(to), from);
	return to;
}
EXPORT_SYMBOL(strcat);

char *strncat(char *to, const char *from, size_t n)
{
	size_t old = strlen(to), used = strnlen(from, n);

	memcpy(to + old, from, used);
	to[old + used] = '\0';
	return to;
}
EXPORT_SYMBOL(strncat);

size_t strlcat(char *to, const char *from, size_t room)
{
	size_t old = strlen(to), n = strlen(from), used = n;

	if (old >= room)
		__builtin_trap(); /* BUG_ON, as in Linux: the caller lied about the buffer */
	if (used >= room - old)
		used = room - old - 1;
	memcpy(to + old, from, used);
	to[old + used] = '\0';
	return old + n;
}
EXPORT_SYMBOL(strlcat);
