// touch FILE...: make files that are not there yet.
#include "user.h"

int
main(int argc, char *argv[])
{
  int status = 0, fd;

  for(int i = 1; i < argc; i++){
    if((fd = open(argv[i], O_WRONLY | O_CREAT, 0666)) < 0){
      complain(argv[i]);
      status = 1;
      continue;
    }
    close(fd);
  }
  return status;
}
