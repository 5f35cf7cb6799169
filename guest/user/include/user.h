// The user programs' little C library: prototypes, grouped under the file that owns them.
#pragma once
#include "linux.h"

#include <stdarg.h>

#define NULL ((void *)0)
#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

// <arch>/start.S
long syscall(long number, ...);  // always passes six arguments; answers -errno

// start.c
extern char **environ;
extern char *program;  // the last part of argv[0], for messages
int main(int argc, char *argv[]);
_Noreturn void exit(int status);

// syscall.c: -1 and errno on failure, as in C everywhere
extern int errno;
long answer(long result);
int open(const char *path, int flags, ...);
int close(int fd);
ssize_t read(int fd, void *buf, size_t n);
ssize_t write(int fd, const void *buf, size_t n);
long lseek(int fd, long offset, int whence);
int init_module(const void *image, ulong len, const char *params);
int finit_module(int fd, const char *params, int flags);
int delete_module(const char *name, int flags);
#if __SIZEOF_POINTER__ == 8
int stat(const char *path, struct stat *st);
int fstat(int fd, struct stat *st);
ssize_t getdents64(int fd, void *buf, size_t n);
int mkdir(const char *path, int mode);
int unlink(const char *path);
int rmdir(const char *path);
int chdir(const char *path);
char *getcwd(char *buf, size_t n);
int dup(int fd);
int dup2(int from, int to);
int pipe2(int fds[2], int flags);
int fork(void);
int execve(const char *path, char *const argv[], char *const envp[]);
int waitpid(int pid, int *status, int options);
int kill(int pid, int sig);
int getpid(void);
int getppid(void);
int setpgid(int pid, int pgid);
int getpgid(int pid);
int setsid(void);
int signal(int sig, void *handler);  // SIG_DFL or SIG_IGN
int sched_yield(void);
int nanosleep(const struct timespec *want, struct timespec *left);
int clock_gettime(int clock, struct timespec *now);
void *mmap(void *addr, size_t n, int prot, int flags, int fd, long offset);
int munmap(void *addr, size_t n);
int mprotect(void *addr, size_t n, int prot);
int ioctl(int fd, ulong request, void *arg);
int uname(struct utsname *name);
int syslog(int action, char *buf, int n);
int reboot(int command, long status);
int isatty(int fd);
#endif

// string.c
void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
char *strcpy(char *to, const char *from);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *s, const char *what);
long strtol(const char *s, char **end, int base);
int atoi(const char *s);
int isspace(int c);
int isdigit(int c);
int isname(int c);  // may stand in a variable's name

// malloc.c
void *sbrk(long grow);
void *malloc(size_t n);
void *realloc(void *p, size_t n);
void free(void *p);
char *strdup(const char *s);

// printf.c: %c %s %d %u %x %o %p with - 0 width precision l z; each call is one write
int vsnprintf(char *buf, size_t n, const char *format, va_list ap);
int snprintf(char *buf, size_t n, const char *format, ...) __attribute__((format(printf, 3, 4)));
int dprintf(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
int write_all(int fd, const void *buf, size_t n);

// error.c
const char *strerror(int number);
void complain(const char *what);                               // "PROGRAM: WHAT: REASON", from errno
_Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));  // "PROGRAM: …", status 1

// lines.c
struct lines {
  int fd;
  int step;  // bytes to read at a time, 0 for as many as fit
  int at, end;
  char buf[4096];
};
int next_line(struct lines *from, char **line);  // a malloc'ed line without its newline; length, or -1 at the end
char *read_file(const char *path, size_t *n);    // a malloc'ed copy of all of it, or NULL and errno

// modules.c
struct module_row {  // one line of /proc/modules
  char *name;
  ulong size;
  int refcount;
  char *holders;  // "a,b", "" when none
};
int next_module(struct lines *from, struct module_row *row);  // 0 at the end

#if __SIZEOF_POINTER__ == 8
// dir.c
struct dir {
  int fd;
  int at, end;
  char buf[2048] __attribute__((aligned(8)));
};
int opendir(struct dir *dir, const char *path);
struct dirent *readdir(struct dir *dir);  // NULL at the end
void closedir(struct dir *dir);
char *path_join(const char *dir, const char *name);  // malloc'ed
const char *basename(const char *path);

// arguments.c
extern char flags[128];                                 // by letter: was it given?
char **read_flags(char **argv, const char *letters);    // takes -a -bc from the front, dies of unknown ones
int take_count(char ***argv, int otherwise);            // takes -n N or -N from the front
int each_file(char **names, int (*work)(int fd, const char *name));  // the input, named "", when there are none

// env.c
char *getenv(const char *name);
void setenv(const char *name, const char *value);
int execvp(const char *name, char *const argv[]);  // looks in PATH; returns only on failure

// signals.c
int signal_number(const char *name);        // "TERM", "SIGTERM" or "15"; -1 when there is none
const char *signal_name(int sig);           // "TERM"
const char *signal_description(int sig);    // "Terminated"

// glob.c
int glob_match(const char *pattern, const char *name);  // * ? [a-z] and backslash
int glob(const char *pattern, char **found, int limit);  // sorted, malloc'ed paths that exist
void sort_names(char **names, int n);
#endif
