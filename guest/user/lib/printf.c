// Formatted output: the text is made in memory first, so that each printf is one write.
#include "user.h"

struct out {
  char *buf;
  size_t size, at;  // at may pass size: the length it would have had
};

struct spec {
  int left, zero, width, precision, is_long;
};

static void
put(struct out *out, char c)
{
  if(out->at + 1 < out->size)
    out->buf[out->at] = c;
  out->at++;
}

static void
put_padded(struct out *out, const char *text, int n, struct spec *spec)
{
  int pad = spec->width - n;

  if(!spec->left)
    for(; pad > 0; pad--)
      put(out, ' ');
  while(n-- > 0)
    put(out, *text++);
  for(; pad > 0; pad--)
    put(out, ' ');
}

static void
put_number(struct out *out, ulong value, int base, int negative, struct spec *spec)
{
  char text[72], *p = text + sizeof(text);
  int digits = spec->precision;

  if(digits < 0)
    digits = spec->zero && !spec->left ? spec->width - negative : 1;
  for(; value > 0 || digits > 0; value /= base, digits--)
    if(p > text + 1)
      *--p = "0123456789abcdef"[value % base];
  if(negative)
    *--p = '-';
  put_padded(out, p, text + sizeof(text) - p, spec);
}

// read flags, width, precision and length; answers the conversion letter's place
static const char *
read_spec(const char *f, struct spec *spec, va_list *ap)
{
  *spec = (struct spec){.precision = -1};
  for(; *f == '-' || *f == '0'; f++)
    *(*f == '-' ? &spec->left : &spec->zero) = 1;
  if(*f == '*'){
    spec->width = va_arg(*ap, int);
    f++;
  } else
    spec->width = strtol(f, (char **)&f, 10);
  if(*f == '.' && f[1] == '*'){
    spec->precision = va_arg(*ap, int);
    f += 2;
  } else if(*f == '.')
    spec->precision = strtol(f + 1, (char **)&f, 10);
  for(; *f == 'l' || *f == 'z'; f++)
    spec->is_long = 1;
  return f;
}

static void
put_string(struct out *out, const char *s, struct spec *spec)
{
  int n = 0;

  if(s == NULL)
    s = "(null)";
  while((spec->precision < 0 || n < spec->precision) && s[n])
    n++;
  put_padded(out, s, n, spec);
}

static void
put_conversion(struct out *out, char letter, struct spec *spec, va_list *ap)
{
  long value;
  char c;

  switch(letter){
  case 'c':
    c = va_arg(*ap, int);
    put_padded(out, &c, 1, spec);
    break;
  case 's':
    put_string(out, va_arg(*ap, const char *), spec);
    break;
  case 'p':
    put(out, '0');
    put(out, 'x');
    put_number(out, va_arg(*ap, ulong), 16, 0, spec);
    break;
  case 'd':
    value = spec->is_long ? va_arg(*ap, long) : va_arg(*ap, int);
    put_number(out, value < 0 ? -(ulong)value : value, 10, value < 0, spec);
    break;
  case 'u':
  case 'x':
  case 'o':
    value = spec->is_long ? va_arg(*ap, ulong) : va_arg(*ap, u32);
    put_number(out, value, letter == 'u' ? 10 : letter == 'x' ? 16 : 8, 0, spec);
    break;
  default:
    put(out, letter);
  }
}

int
vsnprintf(char *buf, size_t n, const char *format, va_list args)
{
  struct out out = {buf, n, 0};
  struct spec spec;
  va_list ap;

  va_copy(ap, args);  // a va_list parameter may be an array: only a copy has an address to hand on
  for(; *format; format++){
    if(*format != '%'){
      put(&out, *format);
      continue;
    }
    format = read_spec(format + 1, &spec, &ap);
    if(*format == 0)
      break;
    put_conversion(&out, *format, &spec, &ap);
  }
  va_end(ap);
  if(n > 0)
    buf[out.at < n ? out.at : n - 1] = 0;
  return out.at;
}

int
snprintf(char *buf, size_t n, const char *format, ...)
{
  va_list ap;
  int length;

  va_start(ap, format);
  length = vsnprintf(buf, n, format, ap);
  va_end(ap);
  return length;
}

// write all of it, however little the kernel takes at a time
int
write_all(int fd, const void *buf, size_t n)
{
  size_t done = 0;
  ssize_t got;

  for(; done < n; done += got)
    if((got = write(fd, (const char *)buf + done, n - done)) <= 0)
      return -1;
  return 0;
}

static int
vdprintf(int fd, const char *format, va_list ap)
{
  char small[512], *text = small;
  int n = vsnprintf(small, sizeof(small), format, ap);

  if(n >= (int)sizeof(small)){
    if((text = malloc(n + 1)) == NULL)
      return -1;
    vsnprintf(text, n + 1, format, ap);
  }
  if(write_all(fd, text, n) < 0)
    n = -1;
  if(text != small)
    free(text);
  return n;
}

int
dprintf(int fd, const char *format, ...)
{
  va_list ap;
  int n;

  va_start(ap, format);
  n = vdprintf(fd, format, ap);
  va_end(ap);
  return n;
}

int
printf(const char *format, ...)
{
  va_list ap;
  int n;

  va_start(ap, format);
  n = vdprintf(1, format, ap);
  va_end(ap);
  return n;
}
