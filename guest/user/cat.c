// cat [FILE...]: copy files to the output.
#include "user.h"

static int
cat(int fd, const char *name)
{
  static char buf[65536];
  ssize_t n;

  while((n = read(fd, buf, sizeof(buf))) > 0)
    if(write_all(1, buf, n) < 0)
      return 1;
  if(n < 0)
    complain(name);
  return n < 0;
}

int
main(int argc, char *argv[])
{
  int status = 0;

  if(argc <= 1)
    return cat(0, "-");
  for(int i = 1; i < argc; i++){
    int fd = strcmp(argv[i], "-") == 0 ? dup(0) : open(argv[i], O_RDONLY);

    if(fd < 0){
      complain(argv[i]);
      status = 1;
      continue;
    }
    status |= cat(fd, argv[i]);
    close(fd);
  }
  return status;
}
