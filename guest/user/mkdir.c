// mkdir [-p] DIRECTORY...
#include "user.h"

// the parents first; those that exist are fine
static void
make_parents(const char *path)
{
  char *copy = strdup(path);

  for(char *slash = strchr(copy + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')){
    *slash = 0;
    mkdir(copy, 0777);
    *slash = '/';
  }
  free(copy);
}

int
main(int argc, char *argv[])
{
  int status = 0;

  argv = read_flags(argv + 1, "p");
  if(*argv == NULL)
    die("usage: mkdir [-p] DIRECTORY...");
  for(; *argv != NULL; argv++){
    if(flags['p'])
      make_parents(*argv);
    if(mkdir(*argv, 0777) < 0 && !(flags['p'] && errno == EEXIST)){
      dprintf(2, "mkdir: cannot create directory '%s': %s\n", *argv, strerror(errno));
      status = 1;
    }
  }
  return status;
}
