// tail [-n N | -N] [FILE...]: the last lines, kept in a ring while the input goes by.
#include "user.h"

static int count;

static int
tail(int fd, const char *name)
{
  struct lines input = {.fd = fd};
  char **ring = malloc(count * sizeof(char *)), *line;
  long seen;

  for(seen = 0; next_line(&input, &line) >= 0; seen++){
    if(seen >= count)
      free(ring[seen % count]);
    ring[seen % count] = line;
  }
  for(long i = seen > count ? seen - count : 0; i < seen; i++){
    printf("%s\n", ring[i % count]);
    free(ring[i % count]);
  }
  free(ring);
  return 0;
}

int
main(int argc, char *argv[])
{
  argv++;
  count = take_count(&argv, 10);
  return count > 0 ? each_file(argv, tail) : 0;
}
