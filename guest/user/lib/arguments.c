// What the tools' command lines have in common.
#include "user.h"

#if __SIZEOF_POINTER__ == 8

char flags[128];

char **
read_flags(char **argv, const char *letters)
{
  for(; *argv != NULL && argv[0][0] == '-' && argv[0][1]; argv++)
    for(char *c = *argv + 1; *c; c++){
      if(strchr(letters, *c) == NULL)
        die("unknown option -%c", *c);
      flags[(u8)*c] = 1;
    }
  return argv;
}

int
take_count(char ***argv, int otherwise)
{
  char *arg = **argv;

  if(arg == NULL || arg[0] != '-' || arg[1] == 0)
    return otherwise;
  if(strcmp(arg, "-n") == 0 && (arg = *++*argv) == NULL)
    die("option -n needs a number");
  ++*argv;
  return atoi(*arg == '-' ? arg + 1 : arg);
}

int
each_file(char **names, int (*work)(int fd, const char *name))
{
  int status = 0, fd;

  if(*names == NULL)
    return work(0, "");
  for(; *names != NULL; names++){
    if((fd = open(*names, O_RDONLY)) < 0){
      complain(*names);
      status = 1;
      continue;
    }
    status |= work(fd, *names);
    close(fd);
  }
  return status;
}

#endif
