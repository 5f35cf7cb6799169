// One thin wrapper per system call.
#include "user.h"

int errno;

// turn the kernel's -errno into -1 and errno
long
answer(long result)
{
  if((ulong)result > -4096UL){
    errno = -result;
    return -1;
  }
  return result;
}

// every argument is widened to a register here, so syscall() never reads a half-defined one
#define CALL(number, a, b, c, d, e, f) \
  answer(syscall(number, (long)(a), (long)(b), (long)(c), (long)(d), (long)(e), (long)(f)))
#define CALL1(name, a) CALL(SYS_##name, a, 0, 0, 0, 0, 0)
#define CALL2(name, a, b) CALL(SYS_##name, a, b, 0, 0, 0, 0)
#define CALL3(name, a, b, c) CALL(SYS_##name, a, b, c, 0, 0, 0)
#define CALL4(name, a, b, c, d) CALL(SYS_##name, a, b, c, d, 0, 0)

int
open(const char *path, int flags, ...)
{
  va_list ap;
  int mode = 0;

  if(flags & O_CREAT){
    va_start(ap, flags);
    mode = va_arg(ap, int);
    va_end(ap);
  }
  return CALL4(openat, AT_FDCWD, path, flags, mode);
}

int close(int fd) { return CALL1(close, fd); }
ssize_t read(int fd, void *buf, size_t n) { return CALL3(read, fd, buf, n); }
ssize_t write(int fd, const void *buf, size_t n) { return CALL3(write, fd, buf, n); }
long lseek(int fd, long offset, int whence) { return CALL3(lseek, fd, offset, whence); }
int init_module(const void *image, ulong len, const char *params) { return CALL3(init_module, image, len, params); }
int finit_module(int fd, const char *params, int flags) { return CALL3(finit_module, fd, params, flags); }
int delete_module(const char *name, int flags) { return CALL2(delete_module, name, flags); }

// grow the heap; the kernel answers where it ends now, whether or not it moved
void *
sbrk(long grow)
{
  static char *end;
  char *old;

  if(end == NULL)
    end = (char *)syscall(SYS_brk, 0L);
  old = end;
  end = (char *)syscall(SYS_brk, (long)(old + grow));
  if(end != old + grow){
    errno = ENOMEM;
    return (void *)-1;
  }
  return old;
}

#if __SIZEOF_POINTER__ == 8  // the i386 programs need nothing below

int stat(const char *path, struct stat *st) { return CALL4(newfstatat, AT_FDCWD, path, st, 0); }
int fstat(int fd, struct stat *st) { return CALL2(fstat, fd, st); }
ssize_t getdents64(int fd, void *buf, size_t n) { return CALL3(getdents64, fd, buf, n); }
int mkdir(const char *path, int mode) { return CALL3(mkdirat, AT_FDCWD, path, mode); }
int unlink(const char *path) { return CALL3(unlinkat, AT_FDCWD, path, 0); }
int rmdir(const char *path) { return CALL3(unlinkat, AT_FDCWD, path, AT_REMOVEDIR); }
int chdir(const char *path) { return CALL1(chdir, path); }
char *getcwd(char *buf, size_t n) { return CALL2(getcwd, buf, n) < 0 ? NULL : buf; }
int dup(int fd) { return CALL1(dup, fd); }
int dup2(int from, int to) { return CALL3(dup3, from, to, 0); }
int pipe2(int fds[2], int flags) { return CALL2(pipe2, fds, flags); }
int fork(void) { return CALL1(clone, SIGCHLD); }
int waitpid(int pid, int *status, int options) { return CALL4(wait4, pid, status, options, NULL); }
int kill(int pid, int sig) { return CALL2(kill, pid, sig); }
int getpid(void) { return CALL1(getpid, 0); }
int getppid(void) { return CALL1(getppid, 0); }
int setpgid(int pid, int pgid) { return CALL2(setpgid, pid, pgid); }
int getpgid(int pid) { return CALL1(getpgid, pid); }
int setsid(void) { return CALL1(setsid, 0); }
int sched_yield(void) { return CALL1(sched_yield, 0); }
int nanosleep(const struct timespec *want, struct timespec *left) { return CALL2(nanosleep, want, left); }
int clock_gettime(int clock, struct timespec *now) { return CALL2(clock_gettime, clock, now); }
int munmap(void *addr, size_t n) { return CALL2(munmap, addr, n); }
int mprotect(void *addr, size_t n, int prot) { return CALL3(mprotect, addr, n, prot); }
int ioctl(int fd, ulong request, void *arg) { return CALL3(ioctl, fd, request, arg); }
int uname(struct utsname *name) { return CALL1(uname, name); }
int syslog(int action, char *buf, int n) { return CALL3(syslog, action, buf, n); }

int
execve(const char *path, char *const argv[], char *const envp[])
{
  return CALL3(execve, path, argv, envp);
}

void *
mmap(void *addr, size_t n, int prot, int flags, int fd, long offset)
{
  return (void *)CALL(SYS_mmap, addr, n, prot, flags, fd, offset);
}

int
signal(int sig, void *handler)
{
  struct sigaction action = {.handler = handler};

  return CALL4(rt_sigaction, sig, &action, NULL, sizeof(action.mask));
}

// the status rides in the argument that Linux keeps for RESTART2's text; the host ends with it
int
reboot(int command, long status)
{
  return CALL4(reboot, REBOOT_MAGIC1, REBOOT_MAGIC2, (u32)command, status);
}

int
isatty(int fd)
{
  struct termios mode;

  return ioctl(fd, TCGETS, &mode) == 0;
}

#endif
