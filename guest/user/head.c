// head [-n N | -N] [FILE...]: the first lines.
#include "user.h"

static int count;

static int
head(int fd, const char *name)
{
  struct lines input = {.fd = fd};
  char *line;

  for(int i = 0; i < count && next_line(&input, &line) >= 0; i++){
    printf("%s\n", line);
    free(line);
  }
  return 0;
}

int
main(int argc, char *argv[])
{
  argv++;
  count = take_count(&argv, 10);
  return each_file(argv, head);
}
