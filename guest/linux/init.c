// Process 1 on a borrowed kernel. Its child, the worker, does what the host wants, one command after the other, and is
// parked between them. What the host runs in the kernel may kill the worker; then there is a new one.
// Where there is no host that listens, run a shell on the console, or the script of "init -c SCRIPT", and power off.
#include "hypercall.h"
#include "system.h"

static char command[HYPERCALL_PIECE], piece[HYPERCALL_PIECE];
static struct termios console_mode;
static char *own_environment[] = {"PATH=/bin:/sbin", "HOME=/", "TERM=vt100", NULL};

#define MAX_WORDS 4096

// the machine's files

static void
mount_all(void)
{
  static const char *const places[][2] = {
    {"proc", "/proc"}, {"sysfs", "/sys"}, {"devtmpfs", "/dev"}, {"tmpfs", "/tmp"},
  };

  for(size_t i = 0; i < LENGTH(places); i++){
    mkdir(places[i][1], 0755);
    if(mount(places[i][0], places[i][1], places[i][0]) < 0 && errno != EBUSY)
      dprintf(2, "init: cannot mount %s: %s\n", places[i][1], strerror(errno));
  }
}

// the kernel has opened the console for us if it found one; ours is the one on the new /dev
static void
open_console(void)
{
  int fd = open("/dev/console", O_RDWR);

  if(fd < 0)
    return;
  for(int std = 0; std <= 2; std++)
    if(fd != std)
      dup2(fd, std);
  if(fd > 2)
    close(fd);
  ioctl(0, TCGETS, &console_mode);
}

static int
write_file(const char *path, const char *text)
{
  int fd = open(path, O_WRONLY | O_TRUNC), n;

  if(fd < 0)
    return -1;
  n = write_all(fd, text, strlen(text));
  close(fd);
  return n;
}

// programs

// argv of a command, and its environment unless it has none of its own; NULL when there are too many
static char **
read_words(struct record *record)
{
  static char *words[2 * MAX_WORDS + 2];
  long argc = next_number(record), n = 0, first = argc + 1;

  if(argc < 0 || argc > MAX_WORDS)
    return NULL;
  for(long i = 0; i < argc; i++)
    words[i] = next_field(record);
  words[argc] = NULL;
  while(record->at < record->end){
    if(n == MAX_WORDS)
      return NULL;
    words[first + n++] = next_field(record);
  }
  words[first + n] = NULL;
  environ = n > 0 ? words + first : own_environment;
  return words;
}

// in the child: a session of its own, at the console when it has no output of its own
static _Noreturn void
run(char **argv, int output, int complaints)
{
  int null;

  setsid();
  if(output < 0)
    ioctl(0, TIOCSCTTY, (void *)1L);
  else {
    if((null = open("/dev/null", O_RDONLY)) >= 0)
      dup2(null, 0);
    dup2(output, 1);
    dup2(output, 2);
  }
  execvp(argv[0] != NULL ? argv[0] : "", argv);
  write(complaints, &errno, sizeof(errno));
  exit(127);
}

// run a program to its end: its exit status, 128 + signal, or -errno when it did not start
static long
run_program(char **argv, int output)
{
  int ends[2], pid, status = 0, failure = 0;

  if(pipe2(ends, O_CLOEXEC) < 0)
    return -errno;
  if((pid = fork()) == 0)
    run(argv, output, ends[1]);
  close(ends[1]);
  if(pid < 0)
    failure = errno;
  else if(read(ends[0], &failure, sizeof(failure)) != sizeof(failure))
    failure = 0;
  close(ends[0]);
  while(pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
    ;
  if(failure != 0)
    return -failure;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// what it printed goes through a file in memory, so that its background processes keep nobody waiting
static long
do_exec(struct record *record)
{
  char **argv = read_words(record);
  long status, n;
  int output;

  if(argv == NULL)
    return -E2BIG;
  if((output = memfd_create("output", MFD_CLOEXEC)) < 0)
    return -errno;
  status = run_program(argv, output);
  lseek(output, 0, SEEK_SET);
  while(status >= 0 && (n = read(output, piece, sizeof(piece))) > 0)
    ask(HYPERCALL_WRITE, 1, (long)piece, n);
  close(output);
  return status;
}

static long
run_on_console(char **argv)
{
  long status = run_program(argv, -1);

  ioctl(0, TCSBRK, (void *)1L);
  ioctl(0, TCSETS, &console_mode);
  return status;
}

static long
do_shell(struct record *record)
{
  struct winsize size = {.ws_row = next_number(record)};
  char **argv;

  size.ws_col = next_number(record);
  ioctl(0, TIOCSWINSZ, &size);
  argv = read_words(record);
  return argv != NULL ? run_on_console(argv) : -E2BIG;
}

// files

// the folders above `path`
static void
make_way(char *path)
{
  for(char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')){
    *slash = 0;
    mkdir(path, 0755);
    *slash = '/';
  }
}

// a host's file into `fd`
static long
copy(int fd, long handle, ulong size)
{
  for(ulong at = 0; at < size;){
    long n;

    touch(piece, sizeof(piece));
    if((n = ask(HYPERCALL_READ, handle, at, (long)piece)) <= 0)
      return n < 0 ? n : -EIO;
    if(write_all(fd, piece, n) < 0)
      return -errno;
    at += n;
  }
  return 0;
}

static long
do_file(struct record *record)
{
  char *path = next_field(record);
  int mode = next_number(record), fd;
  long handle = next_number(record), size = next_number(record), failure;

  make_way(path);
  unlink(path);
  if((fd = open(path, O_WRONLY | O_CREAT | O_EXCL, mode)) < 0)
    return -errno;
  failure = copy(fd, handle, size);
  if(failure == 0 && fchmod(fd, mode) < 0)
    failure = -errno;
  close(fd);
  if(failure != 0)
    unlink(path);
  return failure;
}

static long
do_folder(struct record *record)
{
  char *path = next_field(record);
  struct stat st;

  make_way(path);
  if(mkdir(path, next_number(record)) == 0)
    return 0;
  return errno == EEXIST && stat(path, &st) == 0 && (st.st_mode & S_IFMT) == S_IFDIR ? 0 : -errno;
}

static long
do_link(struct record *record)
{
  char *path = next_field(record);

  make_way(path);
  unlink(path);
  return symlink(next_field(record), path) < 0 ? -errno : 0;
}

// modules

static long
do_insmod(struct record *record)
{
  long handle = next_number(record), size = next_number(record);

  return fetch_module(handle, size, next_field(record)) < 0 ? -errno : 0;
}

static long
do_finsmod(struct record *record)
{
  long handle = next_number(record), size = next_number(record), failure;
  char *params = next_field(record);
  int fd = memfd_create("module", MFD_CLOEXEC);

  if(fd < 0)
    return -errno;
  failure = copy(fd, handle, size);
  if(failure == 0 && finit_module(fd, params, next_number(record)) < 0)
    failure = -errno;
  close(fd);
  return failure;
}

static long
do_rmmod(struct record *record)
{
  char *name = next_field(record);

  return delete_module(name, next_number(record)) < 0 ? -errno : 0;
}

// the end

static _Noreturn void
end_machine(int how, long status)
{
  sync();
  ioctl(0, TCSBRK, (void *)1L);
  reboot(how, status);
  dprintf(2, "init: cannot end the machine: %s\n", strerror(errno));
  for(;;)
    waitpid(-1, NULL, 0);
}

static long
do_poweroff(struct record *record)
{
  ask(HYPERCALL_STATUS, 0, 0, 0);
  end_machine(REBOOT_POWER_OFF, next_number(record));
}

static long
do_reboot(struct record *record)
{
  ask(HYPERCALL_STATUS, 0, 0, 0);
  end_machine((int)REBOOT_RESTART, 0);
}

// the host

static const struct {
  const char *name;
  long (*run)(struct record *record);
} commands[] = {
  {"exec", do_exec},     {"shell", do_shell}, {"file", do_file},         {"folder", do_folder}, {"link", do_link},
  {"insmod", do_insmod}, {"rmmod", do_rmmod}, {"finsmod", do_finsmod}, {"poweroff", do_poweroff}, {"reboot", do_reboot},
};

static void
obey(struct record record)
{
  char *name = next_field(&record);
  long status = -ENOSYS;

  if(strcmp(name, "park") == 0){
    getppid();
    return;
  }
  for(size_t i = 0; i < LENGTH(commands); i++)
    if(strcmp(commands[i].name, name) == 0)
      status = commands[i].run(&record);
  ask(HYPERCALL_STATUS, status, 0, 0);
}

// what the same files do on a machine that is nobody's guest
static _Noreturn void
work_alone(char **argv)
{
  char *script[] = {"sh", "-c", NULL, NULL}, *interactive[] = {"sh", NULL};
  long status;

  for(; *argv != NULL; argv++)
    if(strcmp(*argv, "-c") == 0 && argv[1] != NULL)
      script[2] = argv[1];
  if(script[2] == NULL)
    printf("init: no host answers; this is a shell on the console\n");
  status = run_on_console(script[2] != NULL ? script : interactive);
  printf("init: the shell has ended with status %ld\n", status);
  end_machine(REBOOT_POWER_OFF, 0);
}

static _Noreturn void
work(void)
{
  for(;;){
    long n;

    touch(command, sizeof(command));
    if((n = ask(HYPERCALL_NEXT, (long)command, sizeof(command), 0)) < 0)
      die("the host has no commands: %s", strerror(-n));
    obey((struct record){.at = command, .end = command + n});
  }
}

int
main(int argc, char *argv[])
{
  int worker, pid, status = 0;

  if(getpid() != 1)
    die("only the first process may end the machine");
  mount_all();
  open_console();
  write_file("/proc/sys/kernel/modprobe", "/sbin/modprobe");
  environ = own_environment;
  if(ask(HYPERCALL_HELLO, HYPERCALL_VERSION, 0, 0) < 0)
    work_alone(argv);
  for(;;){
    if((worker = fork()) == 0)
      work();
    do
      pid = waitpid(-1, &status, 0);
    while(pid != worker && (pid > 0 || errno == EINTR));
    ask(HYPERCALL_DIED, WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), 0, 0);
  }
}
