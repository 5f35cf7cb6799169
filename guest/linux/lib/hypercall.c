// Asking the host, and not falling over where there is none.
#include "hypercall.h"

#define PAGE 4096

long hypercall(long service, long a, long b, long c);

#if defined(__x86_64__)

#define SA_RESTORER 0x04000000
#define SA_SIGINFO 4
// places in ucontext_t, in words: uc_flags, uc_link, uc_stack, then r8 to r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip
#define CONTEXT_RAX 18
#define CONTEXT_RIP 21
#define TRAP_SIZE 2

extern char hypercall_trap[], signal_return[];

// a real CPU refuses the instruction: go on behind it
static void
refused(int sig, void *info, ulong *context)
{
  if(context[CONTEXT_RIP] != (ulong)hypercall_trap){
    signal(sig, SIG_DFL);
    return;
  }
  context[CONTEXT_RIP] += TRAP_SIZE;
  context[CONTEXT_RAX] = -ENOSYS;
}

static void
expect_refusal(void)
{
  static int done;
  struct sigaction action = {.handler = refused, .flags = SA_SIGINFO | SA_RESTORER, .restorer = signal_return};

  if(!done)
    syscall(SYS_rt_sigaction, (long)SIGSEGV, (long)&action, 0L, (long)sizeof(action.mask), 0L, 0L);
  done = 1;
}

#else

// to a real kernel it is a system call that it does not have
static void
expect_refusal(void)
{
}

#endif

long
ask(long service, long a, long b, long c)
{
  expect_refusal();
  return hypercall(service, a, b, c);
}

void
touch(void *buf, size_t n)
{
  volatile char *at = buf;

  for(size_t i = 0; i < n; i += PAGE)
    at[i] = at[i];
  if(n > 0)
    at[n - 1] = at[n - 1];
}

char *
room_for(ulong size)
{
  ulong n = (size + HYPERCALL_PIECE - 1) / HYPERCALL_PIECE * HYPERCALL_PIECE;
  char *room = mmap(NULL, n > 0 ? n : HYPERCALL_PIECE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  return room != (void *)-1 ? room : NULL;
}

long
fetch(long handle, ulong size, char *to)
{
  long n;

  for(ulong at = 0; at < size; at += n){
    touch(to + at, HYPERCALL_PIECE);
    n = ask(HYPERCALL_READ, handle, at, (long)(to + at));
    if(n <= 0)
      return n < 0 ? n : -EIO;  // it was longer when the host told its size
    if(n < HYPERCALL_PIECE && at + n < size)
      return -EIO;
  }
  return 0;
}

int
fetch_module(long handle, ulong size, const char *params)
{
  char *image = room_for(size);
  long failure;
  int result;

  if(image == NULL)
    return -1;
  failure = fetch(handle, size, image);
  result = failure < 0 ? (int)answer(failure) : init_module(image, size, params);
  munmap(image, (size + HYPERCALL_PIECE - 1) / HYPERCALL_PIECE * HYPERCALL_PIECE);
  return result;
}

char *
next_field(struct record *record)
{
  char *field = record->at;

  if(field >= record->end)
    return "";
  record->at += strlen(field) + 1;
  return field;
}

long
next_number(struct record *record)
{
  return strtol(next_field(record), NULL, 10);
}
