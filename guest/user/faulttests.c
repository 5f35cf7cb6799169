// Every system call that takes a pointer is given bad ones: it must answer EFAULT and nothing else may happen.
#include "testing.h"

static int file, ends[2], folder;

static long bad_read(void *p) { return read(file, p, 16); }
static long bad_write(void *p) { return write(ends[1], p, 16); }
static long bad_open(void *p) { return open(p, O_RDONLY); }
static long bad_fstat(void *p) { return fstat(file, p); }
static long bad_stat_path(void *p) { return stat(p, &(struct stat){0}); }
static long bad_stat(void *p) { return stat("/", p); }
static long bad_getdents64(void *p) { return getdents64(folder, p, 1024); }
static long bad_pipe2(void *p) { return pipe2(p, 0); }
static long bad_uname(void *p) { return uname(p); }
static long bad_clock_gettime(void *p) { return clock_gettime(CLOCK_MONOTONIC, p); }
static long bad_nanosleep(void *p) { return nanosleep(p, NULL); }
static long bad_getcwd(void *p) { return getcwd(p, 100) != NULL ? 0 : -1; }
static long bad_chdir(void *p) { return chdir(p); }
static long bad_mkdirat(void *p) { return mkdir(p, 0777); }
static long bad_unlinkat(void *p) { return unlink(p); }
static long bad_execve(void *p) { return execve(p, (char *[]){"x", NULL}, environ); }
static long bad_execve_argv(void *p) { return execve("/bin/sh", p, environ); }
static long bad_execve_word(void *p) { return execve("/bin/sh", (char *[]){"sh", p, NULL}, environ); }
static long bad_rt_sigaction(void *p) { return answer(syscall(SYS_rt_sigaction, (long)SIGTERM, p, 0L, 8L)); }

static long
bad_wait4(void *p)
{
  int pid = fork();

  if(pid == 0)
    exit(0);
  return waitpid(pid, p, 0);
}

struct call {
  const char *name;
  long (*run)(void *p);
  int writes;  // the kernel writes there: a read-only page is bad too
};

static const struct call calls[] = {
  {"read", bad_read, 1},
  {"write", bad_write, 0},
  {"openat", bad_open, 0},
  {"fstat", bad_fstat, 1},
  {"newfstatat-path", bad_stat_path, 0},
  {"newfstatat", bad_stat, 1},
  {"getdents64", bad_getdents64, 1},
  {"pipe2", bad_pipe2, 1},
  {"uname", bad_uname, 1},
  {"clock_gettime", bad_clock_gettime, 1},
  {"nanosleep", bad_nanosleep, 0},
  {"getcwd", bad_getcwd, 1},
  {"chdir", bad_chdir, 0},
  {"mkdirat", bad_mkdirat, 0},
  {"unlinkat", bad_unlinkat, 0},
  {"execve-path", bad_execve, 0},
  {"execve-argv", bad_execve_argv, 0},
  {"execve-word", bad_execve_word, 0},
  {"rt_sigaction", bad_rt_sigaction, 0},
  {"wait4", bad_wait4, 1},
};

static void
try_call(const struct call *call, ulong address)
{
  long result;

  errno = 0;
  result = call->run((void *)address);
  if(result != -1 || errno != EFAULT)
    printf("%s(%p): %ld, %s\n", call->name, (void *)address, result, strerror(errno));
  check(result == -1 && errno == EFAULT);
}

static void
bad_pointers(void)
{
  char *gone = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  char *constant = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ulong addresses[] = {8, (ulong)gone, 0xffffffff80000000, 0xffff888000000000, -64UL};
  char byte;

  check(munmap(gone, 4096) == 0);
  check((file = open("/dev/zero", O_RDONLY)) >= 0 && (folder = open("/", O_RDONLY)) >= 0);
  check(pipe2(ends, O_NONBLOCK) == 0);
  for(size_t i = 0; i < LENGTH(calls); i++){
    for(size_t a = 0; a < LENGTH(addresses); a++)
      try_call(&calls[i], addresses[a]);
    if(calls[i].writes)
      try_call(&calls[i], (ulong)constant);
  }
  check_errno(read(ends[0], &byte, 1), EAGAIN);  // nothing came through
}

// the last byte of a mapping, and one past it
static void
page_border(void)
{
  char *p = mmap(NULL, 2 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  check(munmap(p + 4096, 4096) == 0);
  check((file = open("/dev/zero", O_RDONLY)) >= 0);
  check(read(file, p + 4096 - 16, 16) == 16);
  check_errno(uname((struct utsname *)(p + 4096 - 16)), EFAULT);
  memcpy(p + 4096 - 5, "/dev", 5);
  check(open(p + 4096 - 5, O_RDONLY) >= 0);  // a string may end with its page
  memcpy(p + 4096 - 4, "/dev", 4);
  check_errno(open(p + 4096 - 4, O_RDONLY), EFAULT);
}

static void
lengths_that_wrap(void)
{
  char *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

  check((file = open("/dev/zero", O_RDONLY)) >= 0);
  check_errno(read(file, p, -1UL), EFAULT);
  check_errno(munmap(p, -4096UL), EINVAL);
}

static void
bad_log_buffer(void)
{
  if(syslog(SYSLOG_SIZE_BUFFER, NULL, 0) < 0)
    skip("reading the kernel's log is not allowed here");
  check_errno(syslog(SYSLOG_READ_ALL, (char *)8, 1000), EFAULT);
  check_errno(syslog(SYSLOG_READ_ALL, NULL, 1000), EINVAL);
}

static void
bad_module_arguments(void)
{
  delete_module((char *)8, O_NONBLOCK);
  if(errno == EPERM || errno == ENOSYS)
    skip("modules may not be loaded here");
  check_errno(delete_module((char *)8, O_NONBLOCK), EFAULT);
  check_errno(delete_module("no_such_module", O_NONBLOCK), ENOENT);
  check_errno(init_module((char *)8, 1000, ""), EFAULT);
  check_errno(finit_module(-1, "", 0), EBADF);
  check_errno(init_module("nonsense", 8, ""), ENOEXEC);
}

static void
bad_terminal_arguments(void)
{
  if(!isatty(0))
    skip("the input is no terminal");
  check_errno(ioctl(0, TCGETS, (void *)8), EFAULT);
  check_errno(ioctl(0, TIOCGWINSZ, (void *)8), EFAULT);
  check_errno(ioctl(0, TIOCGPGRP, (void *)8), EFAULT);
}

static const struct test tests[] = {
  {bad_pointers, "bad-pointers"},
  {page_border, "page-border"},
  {lengths_that_wrap, "lengths-that-wrap"},
  {bad_log_buffer, "bad-log-buffer"},
  {bad_module_arguments, "bad-module-arguments"},
  {bad_terminal_arguments, "bad-terminal-arguments"},
};

int
main(int argc, char *argv[])
{
  return run_tests(tests, LENGTH(tests), argv + 1) != 0;
}
