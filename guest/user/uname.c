// uname [-a] [-s] [-n] [-r] [-v] [-m]: which kernel this is.
#include "user.h"

int
main(int argc, char *argv[])
{
  struct utsname name;
  const char *fields[] = {name.sysname, name.nodename, name.release, name.version, name.machine};
  const char *letters = "snrvm", *letter, *gap = "";
  int wanted[5] = {argc == 1, 0, 0, 0, 0};

  for(int i = 1; i < argc; i++)
    for(char *c = argv[i] + 1; argv[i][0] == '-' && *c; c++){
      if((letter = strchr(letters, *c)) == NULL && *c != 'a')
        die("unknown option -%c", *c);
      for(int f = 0; f < 5; f++)
        wanted[f] |= *c == 'a' || letter == letters + f;
    }
  if(uname(&name) < 0){
    complain("uname");
    return 1;
  }
  for(int f = 0; f < 5; f++)
    if(wanted[f]){
      printf("%s%s", gap, fields[f]);
      gap = " ";
    }
  printf("\n");
  return 0;
}
