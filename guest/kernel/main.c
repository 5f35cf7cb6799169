/* The first C code: say what is true of this machine, then become the first user program.
 *
 * kmain runs once, on the boot stack, with paging on. What Python does for the kernel it asks for with hypercall().
 */
#include "emukern/boot.h"

typedef unsigned long u64;

extern long hypercall(long number, ...);
extern void enter_user(void *entry) __attribute__((noreturn));
extern const char arch_name[];
extern const char *paging_mode(u64 *root);      /* what the CPU's own registers say */

struct line {
    char text[128];
    int length;
};

static struct line put(struct line l, const char *s)
{
    while (*s && l.length < (int)sizeof l.text)
        l.text[l.length++] = *s++;
    return l;
}

static struct line put_number(struct line l, u64 n, unsigned base)
{
    char digits[24];
    int i = sizeof digits - 1;

    digits[i] = 0;
    do
        digits[--i] = "0123456789abcdef"[n % base];
    while (n /= base);
    return put(l, digits + i);
}

static void say(struct line l)
{
    hypercall(HC_LOG, l.text, (long)l.length);
}

static const struct line empty;

/* The last word of RAM, through the direct map: is the memory the machine promised really there? */
static int memory_answers(const u64 *boot_info, u64 size)
{
    volatile u64 *last = (u64 *)((u64)boot_info / size * size + size - sizeof *last);

    *last = 0x5afe;
    int answers = *last == 0x5afe;
    *last = 0;
    return answers;
}

void kmain(const u64 *boot_info)
{
    u64 memory = boot_info[BOOT_INFO_MEMORY / 8], root;

    say(put(put(put(empty, "emukern 0.1 ("), arch_name), ")"));
    say(put(put_number(put(empty, "memory: "), memory >> 20, 10),
            memory_answers(boot_info, memory) ? " MiB found" : " MiB promised, but the last word does not answer"));
    const char *mode = paging_mode(&root);
    say(put(put_number(put(put(put(empty, "paging: "), mode), ", tables at 0x"), root, 16), ""));
    say(put(put_number(put(empty, "exports: "), hypercall(HC_EXPORTS), 10), " kernel symbols for modules"));
    say(put(empty, "console: paravirtual, interactive terminal hvc0"));
    say(put(put_number(put(empty, "rootfs: "), hypercall(HC_ROOTFS), 10), " files"));
    void *entry = (void *)hypercall(HC_INIT);
    if (!entry) {
        say(put(empty, "init: not found; nothing to run"));
        return;
    }
    say(put(empty, "init: starting /bin/init as process 1"));
    enter_user(entry);
}
