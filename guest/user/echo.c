// echo [-n] [WORD...]: one write, so that a line for a device arrives whole.
#include "user.h"

int
main(int argc, char *argv[])
{
  int newline = 1, first = 1;
  size_t room = 1;
  char *text, *at;

  if(argc > 1 && strcmp(argv[1], "-n") == 0){
    newline = 0;
    first = 2;
  }
  for(int i = first; i < argc; i++)
    room += strlen(argv[i]) + 1;
  text = at = malloc(room);
  for(int i = first; i < argc; i++){
    if(i > first)
      *at++ = ' ';
    at = strcpy(at, argv[i]) + strlen(argv[i]);
  }
  if(newline)
    *at++ = '\n';
  if(write_all(1, text, at - text) < 0){
    complain("write error");
    return 1;
  }
  return 0;
}
