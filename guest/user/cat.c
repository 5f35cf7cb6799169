// cat [FILE...]: copy files to the output.
#include "user.h"

static int
cat(int fd, const char *name)
{
  static char buf[65536];
  ssize_t n;

  while((n = read(fd, buf, sizeof(buf))) > 0)
    if(write_all(1, buf, n) < 0){
      complain("write error");
      return 1;
    }
  if(n < 0)
    complain(*name ? name : "-");
  return n < 0;
}

int
main(int argc, char *argv[])
{
  return each_file(argv + 1, cat);
}
