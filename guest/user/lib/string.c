// Bytes, strings and the numbers in them.
#include "user.h"

void *
memcpy(void *to, const void *from, size_t n)
{
  return memmove(to, from, n);
}

void *
memmove(void *to, const void *from, size_t n)
{
  char *t = to;
  const char *f = from;

  if(t <= f){
    while(n-- > 0)
      *t++ = *f++;
  } else {
    while(n-- > 0)
      t[n] = f[n];
  }
  return to;
}

void *
memset(void *to, int byte, size_t n)
{
  char *t = to;

  while(n-- > 0)
    *t++ = byte;
  return to;
}

int
memcmp(const void *a, const void *b, size_t n)
{
  const u8 *x = a, *y = b;

  for(; n > 0; n--, x++, y++)
    if(*x != *y)
      return *x - *y;
  return 0;
}

size_t
strlen(const char *s)
{
  size_t n = 0;

  while(s[n])
    n++;
  return n;
}

char *
strcpy(char *to, const char *from)
{
  return memmove(to, from, strlen(from) + 1);
}

int
strcmp(const char *a, const char *b)
{
  return strncmp(a, b, -1UL);
}

int
strncmp(const char *a, const char *b, size_t n)
{
  for(; n > 0; n--, a++, b++)
    if(*a != *b || *a == 0)
      return (u8)*a - (u8)*b;
  return 0;
}

// like C's, finds the terminating 0 too
char *
strchr(const char *s, int c)
{
  for(; *s != (char)c; s++)
    if(*s == 0)
      return NULL;
  return (char *)s;
}

char *
strrchr(const char *s, int c)
{
  const char *found = NULL;

  for(; *s; s++)
    if(*s == (char)c)
      found = s;
  return (char *)found;
}

char *
strstr(const char *s, const char *what)
{
  size_t n = strlen(what);

  for(; strncmp(s, what, n) != 0; s++)
    if(*s == 0)
      return NULL;
  return (char *)s;
}

static int
digit_value(int c)
{
  if(isdigit(c))
    return c - '0';
  if('a' <= (c | 32) && (c | 32) <= 'z')
    return (c | 32) - 'a' + 10;
  return 99;
}

// base 0 takes 0x and 0 prefixes; no overflow check, callers hold small numbers
long
strtol(const char *s, char **end, int base)
{
  ulong value = 0;
  int negative;

  while(isspace(*s))
    s++;
  negative = *s == '-';
  if(*s == '-' || *s == '+')
    s++;
  if((base == 0 || base == 16) && s[0] == '0' && (s[1] | 32) == 'x' && digit_value(s[2]) < 16){
    base = 16;
    s += 2;
  } else if(base == 0)
    base = *s == '0' ? 8 : 10;
  for(; digit_value(*s) < base; s++)
    value = value * base + digit_value(*s);
  if(end != NULL)
    *end = (char *)s;
  return negative ? -value : value;
}

int
atoi(const char *s)
{
  return strtol(s, NULL, 10);
}

int
isspace(int c)
{
  return c == ' ' || ('\t' <= c && c <= '\r');
}

int
isdigit(int c)
{
  return '0' <= c && c <= '9';
}

int
isname(int c)
{
  return isdigit(c) || c == '_' || ('a' <= (c | 32) && (c | 32) <= 'z');
}
