// kill [-SIGNAL] PID..., kill -l: the signal by name or number.
#include "user.h"

int
main(int argc, char *argv[])
{
  int sig = SIGTERM, first = 1, status = 0;

  if(argc > 1 && strcmp(argv[1], "-l") == 0){
    for(int i = 1; i <= 22; i++)
      printf("%2d) %s\n", i, signal_name(i));
    return 0;
  }
  if(argc > 1 && argv[1][0] == '-'){
    if((sig = signal_number(argv[1] + 1)) < 0)
      die("bad signal name '%s'", argv[1] + 1);
    first = 2;
  }
  if(first >= argc)
    die("usage: kill [-SIGNAL] PID...");
  for(int i = first; i < argc; i++){
    char *end;
    int pid = strtol(argv[i], &end, 10);

    if(*end || end == argv[i])
      die("invalid number '%s'", argv[i]);
    if(kill(pid, sig) < 0){
      dprintf(2, "kill: can't kill pid %d: %s\n", pid, strerror(errno));
      status = 1;
    }
  }
  return status;
}
