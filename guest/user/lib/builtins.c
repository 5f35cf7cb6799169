// The commands that must change the shell itself, and a few that are too small for a program.
#include "shell.h"

#if __SIZEOF_POINTER__ == 8

static int
cd(char *argv[])
{
  char *home = getenv("HOME"), *to = argv[1] != NULL ? argv[1] : home != NULL ? home : "/";

  if(chdir(to) == 0)
    return 0;
  dprintf(2, "sh: cd: %s: %s\n", to, strerror(errno));
  return 1;
}

static int
pwd(char *argv[])
{
  char path[PATH_MAX];

  if(getcwd(path, sizeof(path)) == NULL){
    dprintf(2, "sh: pwd: %s\n", strerror(errno));
    return 1;
  }
  printf("%s\n", path);
  return 0;
}

static int
leave(char *argv[])
{
  exit(argv[1] != NULL ? atoi(argv[1]) : last_status);
}

static int
succeed(char *argv[])
{
  return 0;
}

static int
fail(char *argv[])
{
  return 1;
}

int
status_of(int status)
{
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// wait for one background process, or for all of them
static int
wait_for(char *argv[])
{
  int status = 0;

  if(argv[1] != NULL)
    return waitpid(atoi(argv[1]), &status, 0) < 0 ? 127 : status_of(status);
  while(waitpid(-1, &status, 0) > 0)
    ;
  return 0;
}

static int
history(char *argv[])
{
  print_history();
  return 0;
}

static int
help(char *argv[])
{
  static char *programs[256];
  char pattern[PATH_MAX];
  const char *path = getenv("PATH");
  int n;

  printf("builtins:");
  for(const struct builtin *b = builtins; b->name != NULL; b++)
    printf(" %s", b->name);
  snprintf(pattern, sizeof(pattern), "%s/*", path != NULL ? path : "/bin");
  n = glob(pattern, programs, LENGTH(programs));
  printf("\nprograms:");
  for(int i = 0; i < n; i++)
    printf(" %s", basename(programs[i]));
  printf("\n");
  return 0;
}

const struct builtin builtins[] = {
  {":", succeed}, {"cd", cd},   {"exit", leave},   {"false", fail}, {"help", help}, {"history", history},
  {"pwd", pwd},   {"true", succeed}, {"wait", wait_for}, {NULL, NULL},
};

const struct builtin *
find_builtin(const char *name)
{
  for(const struct builtin *b = builtins; b->name != NULL; b++)
    if(strcmp(b->name, name) == 0)
      return b;
  return NULL;
}

#endif
