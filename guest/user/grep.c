// grep [-v] [-c] [-i] [-q] STRING [FILE...]: the lines that hold a fixed string. 0 found, 1 not found, 2 trouble.
#include "user.h"

static int invert, only_count, ignore_case, quiet;

static void
lower(char *text)
{
  for(; *text; text++)
    if('A' <= *text && *text <= 'Z')
      *text |= 32;
}

static int
holds(const char *line, const char *what)
{
  char *copy;
  int found;

  if(!ignore_case)
    return strstr(line, what) != NULL;
  copy = strdup(line);
  lower(copy);
  found = strstr(copy, what) != NULL;
  free(copy);
  return found;
}

static int
grep(int fd, const char *what, const char *name)
{
  struct lines input = {.fd = fd};
  const char *colon = *name ? ":" : "";
  int found = 0;
  char *line;

  while(next_line(&input, &line) >= 0){
    if(holds(line, what) != invert){
      found++;
      if(!only_count && !quiet)
        printf("%s%s%s\n", name, colon, line);
    }
    free(line);
  }
  if(only_count)
    printf("%s%s%d\n", name, colon, found);
  return found > 0;
}

int
main(int argc, char *argv[])
{
  int first = 1, found = 0, trouble = 0, fd;

  for(; first < argc && argv[first][0] == '-' && argv[first][1]; first++)
    for(char *c = argv[first] + 1; *c; c++){
      if(*c == 'v')
        invert = 1;
      else if(*c == 'c')
        only_count = 1;
      else if(*c == 'i')
        ignore_case = 1;
      else if(*c == 'q')
        quiet = 1;
      else if(*c != 'F' && *c != 'e'){
        dprintf(2, "grep: unknown option -%c\n", *c);
        return 2;
      }
    }
  if(first == argc){
    dprintf(2, "usage: grep [-v] [-c] [-i] [-q] STRING [FILE...]\n");
    return 2;
  }
  if(ignore_case)
    lower(argv[first]);
  if(first + 1 == argc)
    return !grep(0, argv[first], "");
  for(int i = first + 1; i < argc; i++){
    if((fd = open(argv[i], O_RDONLY)) < 0){
      complain(argv[i]);
      trouble = 2;
      continue;
    }
    found |= grep(fd, argv[first], argc - first > 2 ? argv[i] : "");
    close(fd);
  }
  return trouble ? trouble : !found;
}
