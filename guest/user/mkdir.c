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
  int parents = argc > 1 && strcmp(argv[1], "-p") == 0, status = 0;

  if(argc - parents < 2)
    die("usage: mkdir [-p] DIRECTORY...");
  for(int i = 1 + parents; i < argc; i++){
    if(parents)
      make_parents(argv[i]);
    if(mkdir(argv[i], 0777) < 0 && !(parents && errno == EEXIST)){
      dprintf(2, "mkdir: cannot create directory '%s': %s\n", argv[i], strerror(errno));
      status = 1;
    }
  }
  return status;
}
