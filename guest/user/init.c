// Process 1: give the shell a terminal, adopt orphans, and end the machine when the shell ends.
// init runs an interactive shell; init -c SCRIPT and init -s hand their arguments to it.
#include "user.h"

static void
open_console(void)
{
  struct stat st;
  int fd = -1;

  for(int std = 0; std <= 2; std++){
    if(fstat(std, &st) == 0)
      continue;
    if(fd < 0)
      fd = open("/dev/console", O_RDWR);
    if(fd >= 0 && fd != std)
      dup2(fd, std);
  }
  if(fd > 2)
    close(fd);
}

// its own session and process group, in the foreground, so that Ctrl-C reaches a script
static int
start_shell(char *argv[])
{
  int pid = fork();

  if(pid == 0){
    setsid();
    ioctl(0, TIOCSCTTY, NULL);
    argv[0] = "sh";
    execve("/bin/sh", argv, environ);
    complain("/bin/sh");
    exit(127);
  }
  return pid;
}

int
main(int argc, char *argv[])
{
  char *just_sh[] = {"sh", NULL};
  int shell, pid, status = 0;

  if(getpid() != 1)
    die("only the first process may end the machine");
  open_console();
  setenv("PATH", "/bin");
  setenv("HOME", "/");
  if((shell = start_shell(argc > 0 ? argv : just_sh)) < 0)
    die("cannot fork: %s", strerror(errno));
  do
    pid = waitpid(-1, &status, 0);
  while(pid != shell && (pid > 0 || errno == EINTR));
  reboot(REBOOT_POWER_OFF, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
  die("cannot power off: %s", strerror(errno));
}
