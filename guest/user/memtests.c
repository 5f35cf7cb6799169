// Tests of address spaces: brk, mmap, protection, the stack.
#include "testing.h"

#define PAGE 4096

static volatile char *target;  // what the children below touch

static void
read_target(void)
{
  (void)*target;
}

static void
write_target(void)
{
  *target = 1;
}

static void
call_target(void)
{
  ((void (*)(void))target)();
}

static char *
map(size_t n, int prot)
{
  char *p = mmap(NULL, n, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  check(p != (char *)-1);
  return p;
}

static void
grow_and_shrink(void)
{
  char *start = sbrk(0), *p;

  check((p = sbrk(10 * PAGE)) == start);
  for(int i = 0; i < 10 * PAGE; i += 512){
    check(p[i] == 0);
    p[i] = 1;
  }
  check(sbrk(-8 * PAGE) == start + 10 * PAGE && sbrk(0) == start + 2 * PAGE);
  target = start + 4 * PAGE;
  check(signal_that_ends(read_target) == SIGSEGV);
  check(sbrk(8 * PAGE) != (void *)-1 && start[4 * PAGE] == 0);  // given back clean
  check(start[0] == 1);
}

static void
map_and_unmap(void)
{
  char *p = map(100 * PAGE, PROT_READ | PROT_WRITE);

  for(int i = 0; i < 100; i++){
    check(p[i * PAGE] == 0);
    p[i * PAGE] = i;
  }
  check(munmap(p + 50 * PAGE, PAGE) == 0);  // a hole in the middle
  check(p[49 * PAGE] == 49 && p[51 * PAGE] == 51);
  target = p + 50 * PAGE;
  check(signal_that_ends(read_target) == SIGSEGV);
  check(munmap(p, 100 * PAGE) == 0);
  target = p;
  check(signal_that_ends(write_target) == SIGSEGV);
}

static void
map_errors(void)
{
  check(mmap(NULL, 0, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == (void *)-1 && errno == EINVAL);
  check(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, 99, 0) == (void *)-1 && errno == EBADF);
  check_errno(munmap((void *)1, PAGE), EINVAL);
  check_errno(mprotect((void *)1, PAGE, PROT_READ), EINVAL);
  check_errno(mprotect((void *)PAGE, PAGE, PROT_READ), ENOMEM);
}

static void
map_over(void)
{
  char *p = map(3 * PAGE, PROT_READ | PROT_WRITE);

  p[0] = p[PAGE] = p[2 * PAGE] = 7;
  check(mmap(p + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == p + PAGE);
  check(p[0] == 7 && p[PAGE] == 0 && p[2 * PAGE] == 7);
}

static void
map_file(void)
{
  char *p, byte;
  int fd;

  make_file("f", "mapped text");
  check((fd = open("f", O_RDONLY)) >= 0);
  p = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  check(p != (char *)-1 && strcmp(p, "mapped text") == 0 && p[PAGE - 1] == 0);
  p[0] = 'M';  // a private copy: the file keeps its own
  check(read(fd, &byte, 1) == 1 && byte == 'm');
  check(unlink("f") == 0);
}

static void
protection(void)
{
  char *p = map(2 * PAGE, PROT_READ | PROT_WRITE);

  p[0] = 5;
  target = p;
  check(mprotect(p, PAGE, PROT_READ) == 0 && p[0] == 5);
  check(signal_that_ends(write_target) == SIGSEGV);
  p[PAGE] = 6;  // its neighbour is as it was
  check(mprotect(p, PAGE, PROT_NONE) == 0);
  check(signal_that_ends(read_target) == SIGSEGV);
  check(mprotect(p, PAGE, PROT_READ | PROT_WRITE) == 0);
  p[0]++;
  check(p[0] == 6);
}

static void
write_or_execute(void)
{
  static char data[64];

  target = (char *)write_or_execute;
  check(signal_that_ends(write_target) == SIGSEGV);  // code is not writable
  target = data;
  check(signal_that_ends(call_target) == SIGSEGV);  // data does not run
}

static void
foreign_addresses(void)
{
  static const ulong addresses[] = {0, 8, 0xffffffff80000000, 0xffff888000000000, -8UL};

  for(size_t i = 0; i < LENGTH(addresses); i++){
    target = (char *)addresses[i];
    check(signal_that_ends(read_target) == SIGSEGV);
    check(signal_that_ends(write_target) == SIGSEGV);
  }
}

// 16 KiB a step, so that pages are skipped over as real frames do
static int
dig(int depth)
{
  volatile char frame[16 * 1024];

  frame[0] = depth;
  return depth == 0 ? 0 : dig(depth - 1) + frame[0] - (char)depth + 1;
}

static void
stack_growth(void)
{
  check(dig(32) == 32);
}

// memory that nobody touches costs nothing: more than the machine may have
static void
sparse(void)
{
  char *p = map(64UL << 20, PROT_READ | PROT_WRITE);

  for(ulong at = 0; at < 64UL << 20; at += 8UL << 20){
    check(p[at] == 0);
    p[at] = at >> 20;
  }
  check(p[8UL << 20] == 8);
}

// pages that do not exist yet are made for the kernel's accesses as for the program's
static void
kernel_touches_first(void)
{
  char *p = map(8 * PAGE, PROT_READ | PROT_WRITE);
  int zero = open("/dev/zero", O_RDONLY), ends[2];

  check(read(zero, p + PAGE - 10, 3 * PAGE) == 3 * PAGE);
  check(pipe2(ends, 0) == 0 && write(ends[1], p + 5 * PAGE, PAGE) == PAGE);
  check(read(ends[0], p + 6 * PAGE, PAGE) == PAGE && p[6 * PAGE] == 0);
  check(read(open("/dev/null", O_RDONLY), p + 7 * PAGE, PAGE) == 0);  // nothing, to where nothing is yet
  make_file("empty", "");
  check(read(open("empty", O_RDONLY), p + 7 * PAGE, PAGE) == 0 && unlink("empty") == 0);
}

static void
fork_many_pages(void)
{
  char *p = map(200 * PAGE, PROT_READ | PROT_WRITE);
  int pid;

  for(int i = 0; i < 200; i++)
    p[i * PAGE] = i;
  if((pid = fork()) == 0){
    for(int i = 0; i < 200; i++)
      check(p[i * PAGE] == (char)i);
    memset(p, 0xff, 200 * PAGE);
    exit(0);
  }
  check(exit_status(pid) == 0);
  for(int i = 0; i < 200; i++)
    check(p[i * PAGE] == (char)i && p[i * PAGE + 1] == 0);
}

static void
allocator(void)
{
  char *blocks[64];

  for(int round = 0; round < 4; round++){
    for(int i = 0; i < 64; i++){
      check((blocks[i] = malloc(i * 37 + 1)) != NULL);
      memset(blocks[i], i, i * 37 + 1);
    }
    for(int i = 0; i < 64; i++){
      check(blocks[i][0] == i && blocks[i][i * 37] == i);
      free(blocks[i]);
    }
  }
  check(malloc(1UL << 40) == NULL && errno == ENOMEM);
}

static const struct test tests[] = {
  {grow_and_shrink, "brk"},
  {map_and_unmap, "mmap-munmap"},
  {map_errors, "mmap-errors"},
  {map_over, "mmap-fixed"},
  {map_file, "mmap-file"},
  {protection, "mprotect"},
  {write_or_execute, "write-or-execute"},
  {foreign_addresses, "foreign-addresses"},
  {stack_growth, "stack-growth"},
  {sparse, "sparse"},
  {kernel_touches_first, "kernel-touches-first"},
  {fork_many_pages, "fork-many-pages"},
  {allocator, "malloc"},
};

int
main(int argc, char *argv[])
{
  return run_tests(tests, LENGTH(tests), argv + 1) != 0;
}
