// What user programs share with the kernel: Linux's system call numbers, structures and constants.
// Numbers and layouts are Linux's own for each architecture, so these binaries also run on a Linux host.
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long ulong;
typedef unsigned long size_t;
typedef long ssize_t;
_Static_assert(sizeof(size_t) == sizeof(void *), "long must hold a pointer on every architecture");

// system call numbers

#if defined(__x86_64__)
#define SYS_read 0
#define SYS_write 1
#define SYS_close 3
#define SYS_lseek 8
#define SYS_fstat 5
#define SYS_mmap 9
#define SYS_mprotect 10
#define SYS_munmap 11
#define SYS_brk 12
#define SYS_rt_sigaction 13
#define SYS_ioctl 16
#define SYS_sched_yield 24
#define SYS_dup 32
#define SYS_nanosleep 35
#define SYS_getpid 39
#define SYS_clone 56
#define SYS_execve 59
#define SYS_exit 60
#define SYS_wait4 61
#define SYS_kill 62
#define SYS_uname 63
#define SYS_getcwd 79
#define SYS_chdir 80
#define SYS_syslog 103
#define SYS_setpgid 109
#define SYS_getppid 110
#define SYS_setsid 112
#define SYS_getpgid 121
#define SYS_reboot 169
#define SYS_init_module 175
#define SYS_delete_module 176
#define SYS_getdents64 217
#define SYS_clock_gettime 228
#define SYS_exit_group 231
#define SYS_openat 257
#define SYS_mkdirat 258
#define SYS_newfstatat 262
#define SYS_unlinkat 263
#define SYS_dup3 292
#define SYS_pipe2 293
#define SYS_finit_module 313
#elif defined(__riscv)
#define SYS_getcwd 17
#define SYS_dup 23
#define SYS_dup3 24
#define SYS_ioctl 29
#define SYS_mkdirat 34
#define SYS_unlinkat 35
#define SYS_chdir 49
#define SYS_openat 56
#define SYS_close 57
#define SYS_pipe2 59
#define SYS_getdents64 61
#define SYS_lseek 62
#define SYS_read 63
#define SYS_write 64
#define SYS_newfstatat 79
#define SYS_fstat 80
#define SYS_exit 93
#define SYS_exit_group 94
#define SYS_nanosleep 101
#define SYS_init_module 105
#define SYS_delete_module 106
#define SYS_clock_gettime 113
#define SYS_syslog 116
#define SYS_sched_yield 124
#define SYS_kill 129
#define SYS_rt_sigaction 134
#define SYS_reboot 142
#define SYS_setpgid 154
#define SYS_getpgid 155
#define SYS_setsid 157
#define SYS_uname 160
#define SYS_getpid 172
#define SYS_getppid 173
#define SYS_brk 214
#define SYS_munmap 215
#define SYS_clone 220
#define SYS_execve 221
#define SYS_mmap 222
#define SYS_mprotect 226
#define SYS_wait4 260
#define SYS_finit_module 273
#elif defined(__i386__)
// only what insmod, rmmod and lsmod need
#define SYS_read 3
#define SYS_write 4
#define SYS_close 6
#define SYS_lseek 19
#define SYS_brk 45
#define SYS_init_module 128
#define SYS_delete_module 129
#define SYS_exit_group 252
#define SYS_openat 295
#define SYS_finit_module 350
#else
#error "no system call numbers for this architecture"
#endif

// files

#define AT_FDCWD -100
#define AT_REMOVEDIR 0x200

#define O_RDONLY 0
#define O_WRONLY 1
#define O_RDWR 2
#define O_CREAT 0100
#define O_EXCL 0200
#define O_TRUNC 01000
#define O_APPEND 02000
#define O_NONBLOCK 04000
#define O_CLOEXEC 02000000

#define SEEK_SET 0
#define SEEK_CUR 1
#define SEEK_END 2

#define S_IFMT 0170000
#define S_IFIFO 0010000
#define S_IFCHR 0020000
#define S_IFDIR 0040000
#define S_IFREG 0100000

#define PATH_MAX 4096

#if __SIZEOF_POINTER__ == 8
struct stat {
  ulong st_dev;
  ulong st_ino;
#if defined(__x86_64__)
  ulong st_nlink;
  u32 st_mode;
  u32 st_uid;
  u32 st_gid;
  u32 pad0;
  ulong st_rdev;
  long st_size;
  long st_blksize;
  long st_blocks;
#else
  u32 st_mode;
  u32 st_nlink;
  u32 st_uid;
  u32 st_gid;
  ulong st_rdev;
  ulong pad0;
  long st_size;
  int st_blksize;
  int pad1;
  long st_blocks;
#endif
  long st_atime, st_atime_nsec;
  long st_mtime, st_mtime_nsec;
  long st_ctime, st_ctime_nsec;
  long unused[3];
};
#endif

struct dirent {  // linux_dirent64
  unsigned long long d_ino;
  long long d_off;
  u16 d_reclen;
  u8 d_type;
  char d_name[];
};
#define DT_DIR 4

// processes and signals

#define WNOHANG 1
#define WTERMSIG(status) ((status)&0x7f)
#define WIFEXITED(status) (WTERMSIG(status) == 0)
#define WEXITSTATUS(status) (((status) >> 8) & 0xff)

#define SIGHUP 1
#define SIGINT 2
#define SIGQUIT 3
#define SIGABRT 6
#define SIGKILL 9
#define SIGUSR1 10
#define SIGSEGV 11
#define SIGPIPE 13
#define SIGTERM 15
#define SIGCHLD 17
#define SIGTSTP 20
#define SIGTTIN 21
#define SIGTTOU 22
#define SIG_DFL ((void *)0)
#define SIG_IGN ((void *)1)

struct sigaction {
  void *handler;
  ulong flags;
#if defined(__x86_64__)
  void *restorer;
#endif
  ulong mask;
};

struct timespec {
  long tv_sec;
  long tv_nsec;
};
#define CLOCK_REALTIME 0
#define CLOCK_MONOTONIC 1

struct utsname {
  char sysname[65];
  char nodename[65];
  char release[65];
  char version[65];
  char machine[65];
  char domainname[65];
};

// memory

#define PROT_NONE 0
#define PROT_READ 1
#define PROT_WRITE 2
#define PROT_EXEC 4
#define MAP_SHARED 1
#define MAP_PRIVATE 2
#define MAP_FIXED 16
#define MAP_ANONYMOUS 32

// terminals

#define TCGETS 0x5401
#define TCSETS 0x5402
#define TCSETSW 0x5403
#define TIOCSCTTY 0x540e
#define TIOCGPGRP 0x540f
#define TIOCSPGRP 0x5410
#define TIOCGWINSZ 0x5413

struct termios {
  u32 c_iflag;
  u32 c_oflag;
  u32 c_cflag;
  u32 c_lflag;
  u8 c_line;
  u8 c_cc[19];
};
#define IXON 0x400
#define ISIG 0x1
#define ICANON 0x2
#define ECHO 0x8
#define IEXTEN 0x8000
#define VTIME 5
#define VMIN 6

struct winsize {
  u16 ws_row;
  u16 ws_col;
  u16 ws_xpixel;
  u16 ws_ypixel;
};

// the machine

#define REBOOT_MAGIC1 0xfee1dead
#define REBOOT_MAGIC2 672274793
#define REBOOT_POWER_OFF 0x4321fedc

#define SYSLOG_READ_ALL 3
#define SYSLOG_READ_CLEAR 4
#define SYSLOG_CLEAR 5
#define SYSLOG_CONSOLE_LEVEL 8
#define SYSLOG_SIZE_BUFFER 10

#define MODULE_INIT_IGNORE_MODVERSIONS 1
#define MODULE_INIT_IGNORE_VERMAGIC 2
#define MODULE_INIT_COMPRESSED_FILE 4

#define EPERM 1
#define ENOENT 2
#define ESRCH 3
#define EINTR 4
#define EIO 5
#define E2BIG 7
#define ENOEXEC 8
#define EBADF 9
#define ECHILD 10
#define EAGAIN 11
#define ENOMEM 12
#define EACCES 13
#define EFAULT 14
#define EBUSY 16
#define EEXIST 17
#define EXDEV 18
#define ENODEV 19
#define ENOTDIR 20
#define EISDIR 21
#define EINVAL 22
#define EMFILE 24
#define ENOTTY 25
#define ENOSPC 28
#define ESPIPE 29
#define EROFS 30
#define EPIPE 32
#define ERANGE 34
#define ENAMETOOLONG 36
#define ENOSYS 38
#define ENOTEMPTY 39
