// sleep SECONDS: the seconds may have a fraction.
#include "user.h"

int
main(int argc, char *argv[])
{
  struct timespec want = {0, 0};
  char *at;

  if(argc != 2)
    die("usage: sleep SECONDS");
  want.tv_sec = strtol(argv[1], &at, 10);
  if(*at == '.')
    for(long digit = 100000000; isdigit(*++at); digit /= 10)
      want.tv_nsec += (*at - '0') * digit;
  if(*at || want.tv_sec < 0 || !*argv[1])
    die("invalid number '%s'", argv[1]);
  while(nanosleep(&want, &want) < 0 && errno == EINTR)
    ;
  return 0;
}
