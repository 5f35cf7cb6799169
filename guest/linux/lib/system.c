// Thin wrappers, as guest/user/lib/syscall.c has them.
#include "system.h"

int
mount(const char *source, const char *target, const char *type)
{
  return answer(syscall(SYS_mount, (long)source, (long)target, (long)type, 0L, 0L, 0L));
}

int
symlink(const char *target, const char *path)
{
  return answer(syscall(SYS_symlinkat, (long)target, (long)AT_FDCWD, (long)path, 0L, 0L, 0L));
}

int
fchmod(int fd, int mode)
{
  return answer(syscall(SYS_fchmod, (long)fd, (long)mode, 0L, 0L, 0L, 0L));
}

int
memfd_create(const char *name, int flags)
{
  return answer(syscall(SYS_memfd_create, (long)name, (long)flags, 0L, 0L, 0L, 0L));
}

void
sync(void)
{
  syscall(SYS_sync, 0L, 0L, 0L, 0L, 0L, 0L);
}
