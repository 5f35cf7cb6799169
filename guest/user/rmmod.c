// rmmod [-f] NAME...: take modules out of the kernel. The exit status is Linux's errno.
#include "user.h"

// modules are named by their file's last part too: "./snd-pcm.ko.xz" is snd_pcm
static char *
module_name(const char *arg)
{
  const char *slash = strrchr(arg, '/');
  char *name = strdup(slash != NULL ? slash + 1 : arg), *end;

  if((end = strstr(name, ".ko")) != NULL)
    *end = 0;
  for(char *c = name; *c; c++)
    if(*c == '-')
      *c = '_';
  return name;
}

// who holds it, "" when nobody does by name
static char *
holders_of(const char *name)
{
  struct lines list = {.fd = open("/proc/modules", O_RDONLY)};
  struct module_row row = {.holders = ""};

  while(list.fd >= 0 && next_module(&list, &row))
    if(strcmp(row.name, name) == 0)
      return row.holders;
  return "";
}

static void
explain(const char *name, int number, int force)
{
  char *holders;

  if(number == ENOENT){
    dprintf(2, "rmmod: ERROR: Module %s is not currently loaded\n", name);
    return;
  }
  if(number != EAGAIN || force){
    dprintf(2, "rmmod: ERROR: could not remove module %s: %s\n", name, strerror(number));
    return;
  }
  holders = holders_of(name);
  for(char *c = holders; *c; c++)
    if(*c == ',')
      *c = ' ';
  dprintf(2, "rmmod: ERROR: Module %s is in use%s%s\n", name, *holders ? " by: " : "", holders);
}

int
main(int argc, char *argv[])
{
  int flags = O_NONBLOCK, status = 0, names = 0;

  for(int i = 1; i < argc; i++)
    if(strcmp(argv[i], "-f") == 0)
      flags |= O_TRUNC;
  for(int i = 1; i < argc; i++){
    char *name = module_name(argv[i]);

    if(strcmp(argv[i], "-f") == 0)
      continue;
    names++;
    if(delete_module(name, flags) < 0){
      status = errno;
      explain(name, status, flags & O_TRUNC);
    }
  }
  if(names == 0){
    dprintf(2, "rmmod: ERROR: missing module name.\n");
    return 1;
  }
  return status;
}
