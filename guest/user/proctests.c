// Tests of processes, signals, exec and time.
#include "testing.h"

static char *self;  // this program's file, for exec
static int shared = 1;

static void
identity(void)
{
  int parent = getpid(), ends[2], child, told[2];

  check(pipe2(ends, 0) == 0);
  if((child = fork()) == 0){
    told[0] = getpid();
    told[1] = getppid();
    write(ends[1], told, sizeof(told));
    exit(0);
  }
  check(read(ends[0], told, sizeof(told)) == sizeof(told));
  check(told[0] == child && told[1] == parent && exit_status(child) == 0);
}

// neither side may see what the other writes after the fork
static void
copy_on_write(void)
{
  char *heap = malloc(10000), local = 1, byte;
  int there[2], back[2], pid;

  memset(heap, 1, 10000);
  check(pipe2(there, 0) == 0 && pipe2(back, 0) == 0);
  if((pid = fork()) == 0){
    shared = heap[9999] = local = 2;
    write(back[1], "w", 1);
    read(there[0], &byte, 1);  // the parent has written meanwhile
    exit(shared == 2 && heap[9999] == 2 && local == 2 && heap[0] == 1 ? 0 : 1);
  }
  check(read(back[0], &byte, 1) == 1);
  check(shared == 1 && heap[9999] == 1 && local == 1);
  heap[0] = shared = 3;
  check(write(there[1], "w", 1) == 1);
  check(exit_status(pid) == 0);
}

// the kernel writes for the process too: read() into a shared page must copy it first
static void
copy_on_kernel_write(void)
{
  static char page[4096] = "before";
  int ends[2], pid;

  check(pipe2(ends, 0) == 0 && write(ends[1], "after", 6) == 6);
  if((pid = fork()) == 0){
    check(read(ends[0], page, 6) == 6 && strcmp(page, "after") == 0);
    exit(0);
  }
  check(exit_status(pid) == 0 && strcmp(page, "before") == 0);
}

static void
wait_statuses(void)
{
  int pid, status, ends[2];
  char byte;

  for(int code = 0; code < 256; code += 51){
    if((pid = fork()) == 0)
      exit(code);
    check(exit_status(pid) == code);
  }
  check(pipe2(ends, 0) == 0);
  if((pid = fork()) == 0){
    read(ends[0], &byte, 1);
    exit(0);
  }
  check(waitpid(pid, &status, WNOHANG) == 0);
  check(write(ends[1], "x", 1) == 1);
  check(waitpid(-1, &status, 0) == pid && status == 0);
  check_errno(waitpid(-1, &status, 0), ECHILD);
  check_errno(waitpid(getpid(), &status, 0), ECHILD);
}

static void
many_children(void)
{
  int total = 0, status;

  for(int i = 0; i < 30; i++)
    if(fork() == 0)
      exit(i);
  for(int i = 0; i < 30; i++){
    check(waitpid(-1, &status, 0) > 0);
    total += WEXITSTATUS(status);
  }
  check(total == 29 * 30 / 2);
}

static void
orphan(void)
{
  int ends[2], parent, after;

  check(pipe2(ends, 0) == 0);
  if((parent = fork()) == 0){
    int middle = getpid();

    if(fork() == 0){
      while(getppid() == middle)
        nanosleep(&(struct timespec){0, 1000000}, NULL);
      after = getppid();
      write(ends[1], &after, sizeof(after));
    }
    exit(0);
  }
  check(exit_status(parent) == 0);
  check(read(ends[0], &after, sizeof(after)) == sizeof(after) && after != parent && after > 0);
}

static void
kill_ends_sleepers(void)
{
  static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGKILL, SIGUSR1, SIGTERM};

  for(size_t i = 0; i < LENGTH(signals); i++){
    int pid = fork(), status;

    if(pid == 0){
      signal(signals[i], SIG_DFL);  // whatever the shell chose
      for(;;)
        nanosleep(&(struct timespec){1000, 0}, NULL);
    }
    nanosleep(&(struct timespec){0, 20000000}, NULL);
    check(kill(pid, 0) == 0);
    check(kill(pid, signals[i]) == 0);
    check(waitpid(pid, &status, 0) == pid && !WIFEXITED(status) && WTERMSIG(status) == signals[i]);
  }
}

static void
kill_ends_spinners(void)
{
  int pid = fork(), status;

  if(pid == 0)
    for(volatile int i = 0;; i++)
      ;
  nanosleep(&(struct timespec){0, 20000000}, NULL);
  check(kill(pid, SIGKILL) == 0);
  check(waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGKILL);
}

static void
ignored_signals(void)
{
  check(signal(SIGTERM, SIG_IGN) == 0);
  check(kill(getpid(), SIGTERM) == 0);
  check(kill(getpid(), SIGCHLD) == 0);  // ignored by default
  check_errno(signal(SIGKILL, SIG_IGN), EINVAL);
  check_errno(kill(getpid(), 65), EINVAL);
  check_errno(kill(0x3fffffff, SIGTERM), ESRCH);
}

static void
process_groups(void)
{
  int pid, status, ends[2];
  char byte;

  check(pipe2(ends, 0) == 0);
  if((pid = fork()) == 0){
    signal(SIGTERM, SIG_DFL);
    check(setpgid(0, 0) == 0 && getpgid(0) == getpid());
    check(fork() >= 0);  // the group has two members
    write(ends[1], "x", 1);
    for(;;)
      nanosleep(&(struct timespec){1000, 0}, NULL);
  }
  check(read(ends[0], &byte, 1) == 1 && read(ends[0], &byte, 1) == 1);
  check(getpgid(pid) == pid && getpgid(0) != pid);
  check(kill(-pid, SIGTERM) == 0);
  check(waitpid(pid, &status, 0) == pid && WTERMSIG(status) == SIGTERM);
  if((pid = fork()) == 0)
    exit(setsid() == getpid() && getpgid(0) == getpid() ? 0 : 1);
  check(exit_status(pid) == 0);
}

static void
sleep_and_clock(void)
{
  struct timespec before, after;
  long passed;

  check(clock_gettime(CLOCK_MONOTONIC, &before) == 0);
  check(nanosleep(&(struct timespec){0, 20000000}, NULL) == 0);
  check(clock_gettime(CLOCK_MONOTONIC, &after) == 0);
  passed = (after.tv_sec - before.tv_sec) * 1000000000 + after.tv_nsec - before.tv_nsec;
  check(passed >= 20000000);
  for(int i = 0; i < 100; i++){
    before = after;
    check(clock_gettime(CLOCK_MONOTONIC, &after) == 0);
    check(after.tv_sec > before.tv_sec || (after.tv_sec == before.tv_sec && after.tv_nsec >= before.tv_nsec));
  }
  check_errno(nanosleep(&(struct timespec){0, 1000000000}, NULL), EINVAL);
  check_errno(nanosleep(&(struct timespec){-1, 0}, NULL), EINVAL);
  check(clock_gettime(CLOCK_REALTIME, &after) == 0);
  check_errno(clock_gettime(99, &after), EINVAL);
  check(sched_yield() == 0);
}

static void
names(void)
{
  struct utsname name;

  check(uname(&name) == 0 && strcmp(name.sysname, "Linux") == 0);
#if defined(__x86_64__)
  check(strcmp(name.machine, "x86_64") == 0);
#else
  check(strcmp(name.machine, "riscv64") == 0);
#endif
  check_errno(answer(syscall(5000L)), ENOSYS);
}

static int
exec_self(char *const argv[], char *const envp[])
{
  int pid = fork();

  if(pid == 0){
    execve(self, argv, envp);
    exit(errno == ENOEXEC ? 99 : 98);
  }
  return exit_status(pid);
}

// the other side of exec_arguments: 3 words, then as many of 100 letters as the environment says
static int
count_arguments(int argc, char *argv[])
{
  if(getenv("COUNT") == NULL || getenv("HOME") != NULL || argc != 3 + atoi(getenv("COUNT")))
    return 1;
  if(argv[argc] != NULL || strcmp(argv[2], "") != 0)
    return 2;
  for(int i = 3; i < argc; i++)
    if(strlen(argv[i]) != 100 || argv[i][99] != 'x')
      return 3;
  return 42;
}

static void
exec_arguments(void)
{
  static char *argv[204] = {"name", "count-arguments", ""}, word[101];
  char *envp[] = {"COUNT=200", NULL};
  int status;

  memset(word, 'x', 100);
  for(int i = 3; i < 203; i++)
    argv[i] = word;
  if((status = exec_self(argv, envp)) == 99)
    skip("this host cannot run programs of this architecture by itself");
  check(status == 42);
}

static void
exec_closes_files(void)
{
  char kept[8], closed[8];
  char *argv[] = {"name", "is-open", kept, closed, NULL};
  int status;

  snprintf(kept, sizeof(kept), "%d", open("/dev/null", O_RDONLY));
  snprintf(closed, sizeof(closed), "%d", open("/dev/null", O_RDONLY | O_CLOEXEC));
  if((status = exec_self(argv, environ)) == 99)
    skip("this host cannot run programs of this architecture by itself");
  check(status == 42);
}

static int
is_open(char *argv[])
{
  struct stat st;

  return fstat(atoi(argv[2]), &st) == 0 && fstat(atoi(argv[3]), &st) < 0 ? 42 : 1;
}

static void
exec_errors(void)
{
  char *argv[] = {"name", NULL};
  int fd;

  check_errno(execve("absent", argv, environ), ENOENT);
  check_errno(execve(".", argv, environ), EACCES);
  make_file("f", "no program");
  check_errno(execve("f", argv, environ), EACCES);
  check(unlink("f") == 0);
  check((fd = open("f", O_WRONLY | O_CREAT, 0777)) >= 0);
  check(write(fd, "\177ELF and then nonsense, longer than a header is: at least sixty-four bytes", 72) == 72);
  check(close(fd) == 0);
  check_errno(execve("f", argv, environ), ENOEXEC);
  check(unlink("f") == 0);
}

static const struct test tests[] = {
  {identity, "getpid-getppid"},
  {copy_on_write, "copy-on-write"},
  {copy_on_kernel_write, "copy-on-kernel-write"},
  {wait_statuses, "wait-statuses"},
  {many_children, "many-children"},
  {orphan, "orphan"},
  {kill_ends_sleepers, "kill-sleepers"},
  {kill_ends_spinners, "kill-spinners"},
  {ignored_signals, "ignored-signals"},
  {process_groups, "process-groups"},
  {sleep_and_clock, "sleep-and-clock"},
  {names, "uname-and-enosys"},
  {exec_arguments, "exec-arguments"},
  {exec_closes_files, "exec-closes-files"},
  {exec_errors, "exec-errors"},
};

int
main(int argc, char *argv[])
{
  char cwd[PATH_MAX];

  if(argc > 1 && strcmp(argv[1], "count-arguments") == 0)
    return count_arguments(argc, argv);
  if(argc > 1 && strcmp(argv[1], "is-open") == 0)
    return is_open(argv);
  // the tests run elsewhere: a path with a slash must be absolute, a bare name came from /bin
  self = argv[0];
  if(strchr(self, '/') == NULL)
    self = path_join("/bin", self);
  else if(self[0] != '/' && getcwd(cwd, sizeof(cwd)) != NULL)
    self = path_join(cwd, self);
  return run_tests(tests, LENGTH(tests), argv + 1) != 0;
}
