// usertests [NAME...]: every test of the kernel from user space, and a check that they leave no memory behind.
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
run_group(char *group, char *argv[], int quiet)
{
  int pid = fork(), status;

  if(pid == 0){
    argv[0] = beside(argv[0], group);
    if(quiet)
      dup2(open("/dev/null", O_WRONLY), 1);
    execvp(argv[0], argv);
    complain(argv[0]);
    exit(127);
  }
  waitpid(pid, &status, 0);
  return status != 0;
}

static int
run_all(char *argv[], int quiet)
{
  int failed = 0;

  for(size_t i = 0; i < LENGTH(groups); i++)
    failed += run_group(groups[i], argv, quiet);
  return failed;
}

// run everything once more: the first time filled caches and this process's own pages, the second must cost nothing
static int
check_memory(char *argv[])
{
  long before, after;
  int failed;

  free_memory();
  before = free_memory();
  failed = run_all(argv, 1);
  after = free_memory();
  if(before == after)
    return failed;
  printf("usertests: FAILED, free memory went from %ld KiB to %ld KiB\n", before, after);
  return failed + 1;
}

int
main(int argc, char *argv[])
{
  int failed = run_all(argv, 0);
  struct utsname name;

  uname(&name);
  if(strcmp(name.nodename, "emukern") == 0)
    failed += check_memory(argv);
  else
    printf("usertests: free memory is not compared: this kernel has other things to do\n");
  printf(failed ? "usertests: SOME TESTS FAILED\n" : "usertests: ALL TESTS PASSED\n");
  return failed != 0;
}
