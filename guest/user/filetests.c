// Tests of files, directories, descriptors and pipes.
#include "testing.h"

static char buf[8192];

static void
open_errors(void)
{
  int fd;

  check_errno(open("absent", O_RDONLY), ENOENT);
  make_file("f", "text");
  check_errno(open("f", O_RDWR | O_CREAT | O_EXCL, 0666), EEXIST);
  check_errno(open("f/inside", O_RDONLY), ENOTDIR);
  check_errno(open(".", O_WRONLY), EISDIR);
  check((fd = open("f", O_RDONLY)) >= 0);
  check_errno(write(fd, "x", 1), EBADF);
  check(close(fd) == 0);
  check_errno(close(fd), EBADF);
  check((fd = open("f", O_WRONLY)) >= 0);
  check_errno(read(fd, buf, 1), EBADF);
  check_errno(read(-1, buf, 1), EBADF);
  check(unlink("f") == 0);
}

static void
write_and_read(void)
{
  int fd = open("f", O_RDWR | O_CREAT, 0666);

  check(fd >= 0);
  for(int i = 0; i < 10; i++){
    memset(buf, 'a' + i, 1000);
    check(write(fd, buf, 1000) == 1000);
  }
  check(lseek(fd, 0, SEEK_SET) == 0);
  for(int i = 0; i < 10; i++){
    check(read(fd, buf, 1000) == 1000);
    check(buf[0] == 'a' + i && buf[999] == 'a' + i);
  }
  check(read(fd, buf, 1) == 0);
  check(unlink("f") == 0);
}

static void
seek(void)
{
  int fd = open("f", O_RDWR | O_CREAT, 0666), ends[2];

  check(write(fd, "0123456789", 10) == 10);
  check(lseek(fd, 3, SEEK_SET) == 3);
  check(lseek(fd, 2, SEEK_CUR) == 5);
  check(read(fd, buf, 1) == 1 && buf[0] == '5');
  check(lseek(fd, -1, SEEK_END) == 9);
  check_errno(lseek(fd, -1, SEEK_SET), EINVAL);
  check_errno(lseek(fd, 0, 9), EINVAL);
  // a hole reads as zeroes
  check(lseek(fd, 100, SEEK_SET) == 100 && write(fd, "x", 1) == 1);
  check(lseek(fd, 50, SEEK_SET) == 50 && read(fd, buf, 1) == 1 && buf[0] == 0);
  check(pipe2(ends, 0) == 0);
  check_errno(lseek(ends[0], 0, SEEK_SET), ESPIPE);
  check(unlink("f") == 0);
}

static void
append_and_truncate(void)
{
  struct stat st;
  int fd;

  make_file("f", "one");
  check((fd = open("f", O_WRONLY | O_APPEND)) >= 0);
  check(lseek(fd, 0, SEEK_SET) == 0 && write(fd, "two", 3) == 3);
  check(fstat(fd, &st) == 0 && st.st_size == 6);
  check((fd = open("f", O_RDONLY)) >= 0);
  check(read(fd, buf, 10) == 6 && memcmp(buf, "onetwo", 6) == 0);
  check(open("f", O_WRONLY | O_TRUNC) >= 0);
  check(fstat(fd, &st) == 0 && st.st_size == 0);
  check(unlink("f") == 0);
}

static void
status(void)
{
  struct stat st, again;
  int fd;

  make_file("f", "12345");
  check(stat("f", &st) == 0 && (st.st_mode & S_IFMT) == S_IFREG && st.st_size == 5 && st.st_nlink == 1);
  check((fd = open("f", O_RDONLY)) >= 0 && fstat(fd, &again) == 0);
  check(st.st_ino == again.st_ino && st.st_dev == again.st_dev);
  check(stat(".", &st) == 0 && (st.st_mode & S_IFMT) == S_IFDIR && st.st_ino != again.st_ino);
  check(stat("/dev/null", &st) == 0 && (st.st_mode & S_IFMT) == S_IFCHR && st.st_rdev == 0x103);
  check_errno(stat("absent", &st), ENOENT);
  check(unlink("f") == 0);
}

static void
unlink_while_open(void)
{
  struct stat st;
  int fd;

  make_file("f", "still here");
  check((fd = open("f", O_RDONLY)) >= 0);
  check(unlink("f") == 0);
  check_errno(stat("f", &st), ENOENT);
  check(fstat(fd, &st) == 0 && st.st_nlink == 0);
  check(read(fd, buf, 100) == 10 && memcmp(buf, "still here", 10) == 0);
  check_errno(unlink("f"), ENOENT);
}

static void
duplicates(void)
{
  int fd, copy;

  make_file("f", "abcdef");
  check((fd = open("f", O_RDONLY)) >= 0);
  check((copy = dup(fd)) >= 0);
  check(read(fd, buf, 2) == 2 && read(copy, buf, 1) == 1 && buf[0] == 'c');  // one offset
  check(close(fd) == 0 && read(copy, buf, 1) == 1 && buf[0] == 'd');
  check(open("f", O_RDONLY) == fd);  // the lowest number that is free
  check(dup2(copy, 100) == 100 && read(100, buf, 1) == 1 && buf[0] == 'e');
  check_errno(dup(99), EBADF);
  check_errno(dup2(copy, copy), EINVAL);  // dup3 underneath
  check(unlink("f") == 0);
}

static void
directories(void)
{
  check(mkdir("d", 0777) == 0);
  check_errno(mkdir("d", 0777), EEXIST);
  check_errno(mkdir("absent/d", 0777), ENOENT);
  make_file("d/f", "x");
  check_errno(rmdir("d"), ENOTEMPTY);
  check_errno(unlink("d"), EISDIR);
  check_errno(rmdir("d/f"), ENOTDIR);
  check(unlink("d/f") == 0);
  check(rmdir("d") == 0);
  check_errno(rmdir("d"), ENOENT);
}

static void
directory_entries(void)
{
  struct dirent *entry;
  int fd, n, files = 0, dots = 0, seen[40] = {0};
  char name[16];

  for(int i = 0; i < 40; i++){
    snprintf(name, sizeof(name), "f%d", i);
    make_file(name, "");
  }
  check((fd = open(".", O_RDONLY)) >= 0);
  while((n = getdents64(fd, buf, 200)) > 0)  // too small for all at once
    for(int at = 0; at < n; at += entry->d_reclen){
      entry = (struct dirent *)(buf + at);
      check(entry->d_reclen % 8 == 0 && entry->d_ino != 0);
      if(entry->d_name[0] == '.')
        dots++;
      else {
        files++;
        seen[atoi(entry->d_name + 1)]++;
      }
    }
  check(n == 0 && files == 40 && dots == 2);
  check_errno(getdents64(open("f1", O_RDONLY), buf, sizeof(buf)), ENOTDIR);
  check(lseek(fd, 0, SEEK_SET) == 0);
  check_errno(getdents64(fd, buf, 8), EINVAL);
  for(int i = 0; i < 40; i++){
    snprintf(name, sizeof(name), "f%d", i);
    check(seen[i] == 1 && unlink(name) == 0);
  }
}

static void
working_directory(void)
{
  char before[256], after[256];

  check(getcwd(before, sizeof(before)) != NULL && before[0] == '/');
  check(mkdir("d", 0777) == 0 && chdir("d") == 0);
  check(getcwd(after, sizeof(after)) != NULL);
  check(strncmp(after, before, strlen(before)) == 0 && strcmp(after + strlen(before), "/d") == 0);
  check_errno(chdir("absent"), ENOENT);
  make_file("../d/./f", "x");
  check_errno(chdir("f"), ENOTDIR);
  check(getcwd(after, 2) == NULL && errno == ERANGE);
  check(unlink("f") == 0 && chdir("..") == 0 && rmdir("d") == 0);
  check(chdir("/..") == 0 && getcwd(after, sizeof(after)) != NULL && strcmp(after, "/") == 0);
}

static void
long_names(void)
{
  memset(buf, 'n', 256);
  buf[256] = 0;
  check_errno(open(buf, O_RDONLY), ENAMETOOLONG);
  memset(buf, '/', PATH_MAX);
  buf[PATH_MAX] = 0;
  check_errno(open(buf, O_RDONLY), ENAMETOOLONG);
  check_errno(open("", O_RDONLY), ENOENT);
}

static void
devices(void)
{
  int null = open("/dev/null", O_RDWR), zero = open("/dev/zero", O_RDONLY);

  check(null >= 0 && write(null, "gone", 4) == 4 && read(null, buf, 4) == 0);
  memset(buf, 1, 100);
  check(zero >= 0 && read(zero, buf, 100) == 100 && buf[0] == 0 && buf[99] == 0);
  check_errno(ioctl(null, TCGETS, buf), ENOTTY);
}

static void
pipe_end_of_file(void)
{
  int ends[2];

  check(pipe2(ends, 0) == 0);
  check(write(ends[1], "abc", 3) == 3);
  check(read(ends[0], buf, 2) == 2);
  check(close(ends[1]) == 0);
  check(read(ends[0], buf, 10) == 1 && buf[0] == 'c');
  check(read(ends[0], buf, 10) == 0);
  check_errno(write(ends[0], "x", 1), EBADF);
}

static void
write_to_broken_pipe(void)
{
  int ends[2];

  signal(SIGPIPE, SIG_DFL);
  pipe2(ends, 0);
  close(ends[0]);
  write(ends[1], "x", 1);
}

static void
broken_pipe(void)
{
  int ends[2];

  check(signal_that_ends(write_to_broken_pipe) == SIGPIPE);
  signal(SIGPIPE, SIG_IGN);
  check(pipe2(ends, 0) == 0 && close(ends[0]) == 0);
  check_errno(write(ends[1], "x", 1), EPIPE);
}

// more than a pipe holds, so that both sides must wait for each other
static void
pipe_transfer(void)
{
  int ends[2], total = 0, n, pid;

  check(pipe2(ends, 0) == 0);
  if((pid = fork()) == 0){
    close(ends[0]);
    for(int i = 0; i < 50; i++){
      memset(buf, 'a' + i % 26, 5000);
      check(write_all(ends[1], buf, 5000) == 0);
    }
    exit(0);
  }
  close(ends[1]);
  while((n = read(ends[0], buf, sizeof(buf))) > 0){
    for(int i = 0; i < n; i++)
      check(buf[i] == 'a' + (total + i) / 5000 % 26);
    total += n;
  }
  check(total == 250000 && exit_status(pid) == 0);
}

static void
pipe_without_waiting(void)
{
  int ends[2], total = 0, n;

  check(pipe2(ends, O_NONBLOCK) == 0);
  check_errno(read(ends[0], buf, 1), EAGAIN);
  while((n = write(ends[1], buf, 4096)) > 0)
    total += n;
  check(n == -1 && errno == EAGAIN && total >= 4096);
}

static const struct test tests[] = {
  {open_errors, "open-errors"},
  {write_and_read, "write-and-read"},
  {seek, "seek"},
  {append_and_truncate, "append-and-truncate"},
  {status, "stat"},
  {unlink_while_open, "unlink-while-open"},
  {duplicates, "dup"},
  {directories, "mkdir-rmdir"},
  {directory_entries, "getdents"},
  {working_directory, "chdir-getcwd"},
  {long_names, "long-names"},
  {devices, "devices"},
  {pipe_end_of_file, "pipe-end-of-file"},
  {broken_pipe, "broken-pipe"},
  {pipe_transfer, "pipe-transfer"},
  {pipe_without_waiting, "pipe-without-waiting"},
};

int
main(int argc, char *argv[])
{
  return run_tests(tests, LENGTH(tests), argv + 1) != 0;
}
