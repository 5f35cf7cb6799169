// lsmod: the modules that are loaded, youngest first.
#include "user.h"

int
main(int argc, char *argv[])
{
  struct lines list = {.fd = open("/proc/modules", O_RDONLY)};
  struct module_row row;

  if(list.fd < 0){
    complain("/proc/modules");
    return 1;
  }
  printf("Module                  Size  Used by\n");
  while(next_module(&list, &row))
    printf("%-19s %8lu  %d%s%s\n", row.name, row.size, row.refcount, *row.holders ? " " : "", row.holders);
  return 0;
}
