// head [-n N | -N] [FILE]: the first lines.
#include "user.h"

int
main(int argc, char *argv[])
{
  static struct lines input;
  int count = 10, first = 1;
  char *line;

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
  for(; count > 0 && next_line(&input, &line) >= 0; count--){
    printf("%s\n", line);
    free(line);
  }
  return 0;
}
