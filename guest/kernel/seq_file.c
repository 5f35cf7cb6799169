/* <linux/seq_file.h>: text that grows in a buffer; what does not fit is noted, for the reader to try a larger one. */
#include <stdarg.h>
#include <stddef.h>

#include <emukern/export.h>

struct seq_file { /* its first members, which Linux has not moved in years */
	char *buf;
	size_t size;
	size_t from;
	size_t count;
};

size_t strlen(const char *s);
void *memcpy(void *to, const void *from, size_t n);
KERNEL_IMPORT(int, vsnprintf, char *, size_t, const char *, va_list);

static void overflow(struct seq_file *m)
{
	m->count = m->size;
}

void seq_putc(struct seq_file *m, char c)
{
	if (m->count < m->size)
		m->buf[m->count++] = c;
}
EXPORT_SYMBOL(seq_putc);

/* 0, or -1 when the text does not fit: a full buffer counts as overflown */
int seq_write(struct seq_file *m, const void *data, size_t n)
{
	if (m->count + n >= m->size) {
		overflow(m);
		return -1;
	}
	memcpy(m->buf + m->count, data, n);
	m->count += n;
	return 0;
}
EXPORT_SYMBOL(seq_write);

void seq_puts(struct seq_file *m, const char *s)
{
	seq_write(m, s, strlen(s));
}
EXPORT_SYMBOL(seq_puts);

void seq_vprintf(struct seq_file *m, const char *format, va_list args)
{
	size_t length;

	if (m->count >= m->size)
		return overflow(m);
	length = KERNEL(vsnprintf)(m->buf + m->count, m->size - m->count, format, args);
	if (m->count + length < m->size)
		m->count += length;
	else
		overflow(m);
}
EXPORT_SYMBOL(seq_vprintf);

void seq_printf(struct seq_file *m, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	seq_vprintf(m, format, args);
	va_end(args);
}
EXPORT_SYMBOL(seq_printf);
