// cp FILE TO: TO may be a directory.
#include "user.h"

int
main(int argc, char *argv[])
{
  static char buf[65536];
  const char *to = argc == 3 ? argv[2] : "";
  struct stat st;
  ssize_t n;
  int in, out;

  if(argc != 3)
    die("usage: cp FILE TO");
  if(stat(to, &st) == 0 && (st.st_mode & S_IFMT) == S_IFDIR)
    to = path_join(to, basename(argv[1]));
  if((in = open(argv[1], O_RDONLY)) < 0 || fstat(in, &st) < 0)
    die("cannot open '%s': %s", argv[1], strerror(errno));
  if((out = open(to, O_WRONLY | O_CREAT | O_TRUNC, st.st_mode & 0777)) < 0)
    die("cannot create '%s': %s", to, strerror(errno));
  while((n = read(in, buf, sizeof(buf))) > 0)
    if(write_all(out, buf, n) < 0)
      die("cannot write '%s': %s", to, strerror(errno));
  if(n < 0)
    die("cannot read '%s': %s", argv[1], strerror(errno));
  return 0;
}
