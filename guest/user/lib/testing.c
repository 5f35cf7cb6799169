// Runs tables of tests; the children work in a folder of their own, which must be empty again at the end.
#include "testing.h"

#if __SIZEOF_POINTER__ == 8

#define SKIPPED 77

static const char *current;

void
check_that(int holds, const char *what, const char *file, int line)
{
  if(holds)
    return;
  printf("test %s: %s:%d: %s does not hold (errno: %s)\n", current, basename(file), line, what, strerror(errno));
  exit(1);
}

_Noreturn void
skip(const char *reason)
{
  printf("test %s: skipped, %s\n", current, reason);
  exit(SKIPPED);
}

static int
is_wanted(const char *name, char *names[])
{
  if(*names == NULL)
    return 1;
  for(; *names != NULL; names++)
    if(strcmp(*names, name) == 0)
      return 1;
  return 0;
}

static int
run_test(const struct test *test)
{
  int pid, status;

  current = test->name;
  if((pid = fork()) == 0){
    test->run();
    exit(0);
  }
  if(waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
    printf("test %s: ended by signal %d\n", test->name, WTERMSIG(status));
  else if(WEXITSTATUS(status) == SKIPPED)
    return 0;
  else if(WEXITSTATUS(status) == 0){
    printf("test %s: OK\n", test->name);
    return 0;
  }
  printf("test %s: FAILED\n", test->name);
  return 1;
}

int
run_tests(const struct test *tests, int n, char *names[])
{
  char scratch[64];
  struct stat st;
  int failed = 0;

  snprintf(scratch, sizeof(scratch), "%s/usertests.%d", stat("/tmp", &st) == 0 ? "/tmp" : "", getpid());
  if(mkdir(scratch, 0777) < 0 || chdir(scratch) < 0)
    die("%s: %s", scratch, strerror(errno));
  for(int i = 0; i < n; i++)
    if(is_wanted(tests[i].name, names))
      failed += run_test(&tests[i]);
  if(chdir("/") < 0 || rmdir(scratch) < 0){
    printf("%s: files were left in %s: %s\n", program, scratch, strerror(errno));
    failed++;
  }
  return failed;
}

int
exit_status(int pid)
{
  int status;

  check(pid > 0);
  check(waitpid(pid, &status, 0) == pid);
  check(WIFEXITED(status));
  return WEXITSTATUS(status);
}

int
signal_that_ends(void (*run)(void))
{
  int pid = fork(), status;

  if(pid == 0){
    run();
    exit(0);
  }
  check(waitpid(pid, &status, 0) == pid);
  return WTERMSIG(status);
}

void
make_file(const char *path, const char *text)
{
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0666);

  check(fd >= 0);
  check(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
  check(close(fd) == 0);
}

#endif
