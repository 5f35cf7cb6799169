// tail [-n N | -N] [FILE]: the last lines, kept in a ring while the input goes by.
#include "user.h"

int
main(int argc, char *argv[])
{
  static struct lines input;
  int count = 10, first = 1;
  long seen = 0;
  char **ring, *line;

  if(argc > 1 && argv[1][0] == '-' && argv[1][1]){
    if(strcmp(argv[1], "-n") == 0 && argc > 2)
      first = 2;
    count = atoi(argv[first] + (first == 1));
    first++;
  }
  if(first < argc && (input.fd = open(argv[first], O_RDONLY)) < 0){
    complain(argv[first]);
    return 1;
  }
  if(count <= 0)
    return 0;
  ring = memset(malloc(count * sizeof(char *)), 0, count * sizeof(char *));
  for(; next_line(&input, &line) >= 0; seen++){
    free(ring[seen % count]);
    ring[seen % count] = line;
  }
  for(long i = seen > count ? seen - count : 0; i < seen; i++)
    printf("%s\n", ring[i % count]);
  return 0;
}
