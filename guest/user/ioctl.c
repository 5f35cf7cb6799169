// ioctl FILE REQUEST [VALUE]: ask a device. VALUE travels as a long behind a pointer; what comes back in it is printed.
#include "user.h"

static long
number(const char *text)
{
  char *end;
  long value = strtol(text, &end, 0);

  if(!*text || *end)
    die("invalid number '%s'", text);
  return value;
}

int
main(int argc, char *argv[])
{
  long value = 0, result;
  int fd;

  if(argc < 3 || argc > 4)
    die("usage: ioctl FILE REQUEST [VALUE]");
  if((fd = open(argv[1], O_RDWR)) < 0){
    complain(argv[1]);
    return 1;
  }
  if(argc == 4)
    value = number(argv[3]);
  if((result = ioctl(fd, (unsigned)number(argv[2]), &value)) < 0){
    complain("ioctl");
    return 1;
  }
  printf("%ld %ld\n", result, value);
  return 0;
}
