// From the first instruction to main, and back out.
#include "user.h"

char **environ;
char *program;

// start.S calls this with the stack execve made
_Noreturn void
start(long *sp)
{
  int argc = sp[0];
  char **argv = (char **)(sp + 1);
  char *slash;

  environ = argv + argc + 1;
  program = argc > 0 ? argv[0] : "";
  if((slash = strrchr(program, '/')) != NULL)
    program = slash + 1;
  exit(main(argc, argv));
}

_Noreturn void
exit(int status)
{
  for(;;)
    syscall(SYS_exit_group, (long)status);
}
