// usertests [NAME...]: every test of the kernel from user space, and a count of the memory they leave behind.
// The tests themselves are in the programs named below, each with a table like the one here.
#include "testing.h"

static char *const groups[] = {"filetests", "proctests", "memtests", "faulttests"};

// MemFree in KiB, or -1
static long
free_memory(void)
{
  size_t n;
  char *text = read_file("/proc/meminfo", &n), *row;
  long free_kib = -1;

  if(text != NULL && n > 0){
    text[n - 1] = 0;
    if((row = strstr(text, "MemFree:")) != NULL)
      free_kib = strtol(row + strlen("MemFree:"), NULL, 10);
  }
  free(text);
  return free_kib;
}

// beside this program when it was named by a path, else wherever PATH says
static char *
beside(const char *path, char *name)
{
  int n = strlen(path) - strlen(basename(path));
  char *place = malloc(n + strlen(name) + 1);

  snprintf(place, n + strlen(name) + 1, "%.*s%s", n, path, name);
  return place;
}

static int
run_group(char *group, char *argv[])
{
  int pid = fork(), status;

  if(pid == 0){
    char *path = beside(argv[0], group);

    argv[0] = path;
    execvp(path, argv);
    complain(path);
    exit(127);
  }
  waitpid(pid, &status, 0);
  return status != 0;
}

int
main(int argc, char *argv[])
{
  long before = free_memory(), after;
  int failed = 0;
  struct utsname name;

  for(size_t i = 0; i < LENGTH(groups); i++)
    failed += run_group(groups[i], argv);
  after = free_memory();
  uname(&name);
  if(strcmp(name.nodename, "emukern") != 0)
    printf("usertests: free memory is not compared: this kernel has other things to do\n");
  else if(before != after){
    printf("usertests: FAILED, free memory went from %ld KiB to %ld KiB\n", before, after);
    failed++;
  }
  printf(failed ? "usertests: SOME TESTS FAILED\n" : "usertests: ALL TESTS PASSED\n");
  return failed != 0;
}
