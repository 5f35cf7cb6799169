/* The block clock and the trap recorder: the few hooks that run once per block or per trap, without Python.
 *
 * Every callback gets its machine's `struct state` as user data, writes down what happened and stops the CPU; Python reads
 * it after uc_emu_start has returned (emukern/machine/cpu.py holds the same layout). No libc, no globals.
 */
#include <stdbool.h>
#include <stdint.h>

enum { TRAP_NONE, TRAP_TICK, TRAP_INTERRUPT, TRAP_SYSCALL, TRAP_INVALID };
enum { READS = 64, ILLEGAL_INSTRUCTION = 2, TSC_PER_2NS = 5 };

struct state {
    uint64_t blocks;                /* the virtual clock: blocks executed since reset */
    uint64_t quota;                 /* stop when `blocks` reaches it */
    uint32_t kind, number;          /* what stopped the CPU; the interrupt's number */
    int (*stop)(void *);            /* uc_emu_stop */
    int (*reg_write)(void *, int, const void *);
    uint64_t ns_per_block, ns_jumped;       /* virtual time: by blocks, and by jumps of the clock */
    int32_t rax, rdx;               /* Unicorn's ids of the registers rdtsc writes */
    uint64_t deadline;              /* while an interrupt waits: the quota there would be without it */
    uint32_t waiting;               /* an interrupt waits until the CPU takes one */
    uint32_t gate_count;
    struct { const uint64_t *word; uint64_t mask, value; } gates[2];    /* it takes one when all of these match */
    const uint64_t *pc;                     /* the CPU's own, and its general registers */
    uint64_t *registers;
    uint64_t ns_per_tick, blocks_per_read;  /* of the time counter whose reads trap */
    struct { uint64_t after; uint32_t to, used; } reads[READS];     /* where they are known: next pc, register */
};

const uint32_t state_size = sizeof(struct state);     /* Python checks that it means the same */

static void record(void *uc, struct state *s, uint32_t kind, uint32_t number)
{
    s->kind = kind;
    s->number = number;
    s->stop(uc);
}

static bool takes_interrupts(const struct state *s)
{
    for (uint32_t i = 0; i < s->gate_count; i++)
        if ((*s->gates[i].word & s->gates[i].mask) != s->gates[i].value)
            return false;
    return true;
}

void on_block(void *uc, uint64_t address, uint32_t size, struct state *s)
{
    (void)address, (void)size;
    if (++s->blocks >= s->quota) {
        if (s->waiting && s->blocks < s->deadline && !takes_interrupts(s))
            return;
        s->quota = ~0ull;
        record(uc, s, TRAP_TICK, 0);
    }
}

static uint64_t now(const struct state *s)
{
    return s->ns_jumped + s->blocks * s->ns_per_block;
}

/* Answer a read of the time counter at a place that Python has seen before. */
static bool reads_time(struct state *s)
{
    uint64_t after = *s->pc;
    uint32_t i = after / 2 % READS;

    if (!s->reads[i].used || s->reads[i].after != after)
        return false;
    s->blocks += s->blocks_per_read;
    if (s->reads[i].to)
        s->registers[s->reads[i].to] = now(s) / s->ns_per_tick;
    return true;
}

void on_interrupt(void *uc, uint32_t number, struct state *s)
{
    if (s->ns_per_tick && number == ILLEGAL_INSTRUCTION && reads_time(s))
        return;
    record(uc, s, TRAP_INTERRUPT, number);
}

void on_syscall(void *uc, struct state *s)
{
    record(uc, s, TRAP_SYSCALL, 0);
}

bool on_invalid(void *uc, struct state *s)
{
    record(uc, s, TRAP_INVALID, 0);
    return false;
}

/* A time stamp counter that depends on nothing but the guest's own progress. */
int on_rdtsc(void *uc, struct state *s)
{
    uint64_t tsc = now(s) * TSC_PER_2NS / 2, low = (uint32_t)tsc, high = tsc >> 32;

    s->reg_write(uc, s->rax, &low);
    s->reg_write(uc, s->rdx, &high);
    return 1;
}
