// grep [-v] [-c] [-i] [-q] STRING [FILE...]: the lines that hold a fixed string. 0 found, 1 not found, 2 trouble.
#include "user.h"

static char *wanted;
static int found, many;

static void
lower(char *text)
{
  for(; *text; text++)
    if('A' <= *text && *text <= 'Z')
      *text |= 32;
}

static int
holds(const char *line)
{
  char *copy;
  int yes;

  if(!flags['i'])
    return strstr(line, wanted) != NULL;
  copy = strdup(line);
  lower(copy);
  yes = strstr(copy, wanted) != NULL;
  free(copy);
  return yes;
}

static int
grep(int fd, const char *name)
{
  struct lines input = {.fd = fd};
  int here = 0;
  char *line;

  if(!many)
    name = "";
  while(next_line(&input, &line) >= 0){
    if(holds(line) != flags['v']){
      here++;
      if(!flags['c'] && !flags['q'])
        printf("%s%s%s\n", name, *name ? ":" : "", line);
    }
    free(line);
  }
  if(flags['c'])
    printf("%s%s%d\n", name, *name ? ":" : "", here);
  found += here;
  return 0;
}

int
main(int argc, char *argv[])
{
  argv = read_flags(argv + 1, "Fvciq");
  if((wanted = *argv) == NULL)
    die("usage: grep [-v] [-c] [-i] [-q] STRING [FILE...]");
  if(flags['i'])
    lower(wanted);
  argv++;
  many = argv[0] != NULL && argv[1] != NULL;
  if(each_file(argv, grep) != 0)
    return 2;
  return found == 0;
}
