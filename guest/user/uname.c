// uname [-a] [-s] [-n] [-r] [-v] [-m]: which kernel this is.
#include "user.h"

int
main(int argc, char *argv[])
{
  struct utsname name;
  const char *fields[] = {name.sysname, name.nodename, name.release, name.version, name.machine};
  const char *gap = "";

  read_flags(argv + 1, "asnrvm");
  if(argc <= 1)
    flags['s'] = 1;
  if(uname(&name) < 0){
    complain("uname");
    return 1;
  }
  for(int f = 0; f < 5; f++)
    if(flags['a'] || flags[(u8)"snrvm"[f]]){
      printf("%s%s", gap, fields[f]);
      gap = " ";
    }
  printf("\n");
  return 0;
}
