// System calls that only this user space needs.
#pragma once
#include "user.h"

#if defined(__x86_64__)
#define SYS_fchmod 91
#define SYS_sync 162
#define SYS_mount 165
#define SYS_symlinkat 266
#define SYS_memfd_create 319
#else
#define SYS_symlinkat 36
#define SYS_mount 40
#define SYS_fchmod 52
#define SYS_sync 81
#define SYS_memfd_create 279
#endif

#define MFD_CLOEXEC 1
#define TIOCSWINSZ 0x5414
#define TCSBRK 0x5409  // with 1: wait until everything is on the line
#define REBOOT_RESTART 0x01234567

int mount(const char *source, const char *target, const char *type);
int symlink(const char *target, const char *path);
int fchmod(int fd, int mode);
int memfd_create(const char *name, int flags);
void sync(void);
