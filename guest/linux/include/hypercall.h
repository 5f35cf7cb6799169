// How a program asks the host that emulates its machine. emukern/linux/agent.py answers.
// x86_64: int $0xf3 with the service in rax and arguments in rdi, rsi, rdx; the result in rax.
// riscv64: ecall with HYPERCALL_BASE + service in a7 and arguments in a0, a1, a2; the result in a0.
// Results below 0 are -errno. The host reaches memory through the program's page tables, so it must be there, and be the
// program's own: ask() writes to every page of a buffer first.
#pragma once
#include "user.h"

#define HYPERCALL_VERSION 2
#define HYPERCALL_BASE 0x454d5500  // riscv64: no kernel has so many system calls

// services
#define HYPERCALL_HELLO 0     // (HYPERCALL_VERSION): 0
#define HYPERCALL_NEXT 1      // (buf, room): the next command into buf; its length
#define HYPERCALL_READ 2      // (handle, offset, buf): up to HYPERCALL_PIECE bytes of a host's file into buf; how many
#define HYPERCALL_WRITE 3     // (channel, buf, n): what a command has to tell, before its status
#define HYPERCALL_STATUS 4    // (status): the end of a command; below 0 it is -errno
#define HYPERCALL_MODPROBE 5  // (buf, length, room): a request in buf is replaced by the answer; its length
#define HYPERCALL_DIED 6      // (status): the worker was killed; 128 + signal

#define HYPERCALL_PIECE 65536

// Commands and answers are records: strings with a 0 behind each. Numbers are decimal.
// Commands:
//   park                                               call getppid(), where the host waits for the kernel
//   exec ARGC ARGV... ENV...                           run a program; what it prints goes to channel 1
//   shell ROWS COLUMNS ARGC ARGV... ENV...             run a program on the console
//   file PATH MODE HANDLE SIZE                         create it with the host's content
//   folder PATH MODE, link PATH TARGET                 create it; folders above are created as needed
//   insmod HANDLE SIZE PARAMS                          init_module
//   finsmod HANDLE SIZE PARAMS FLAGS                   finit_module
//   rmmod NAME FLAGS                                   delete_module
//   poweroff STATUS, reboot
// Requests of modprobe, and the rows of their answers:
//   insert NAME    target NAME, and what it takes: module NAME PATH HANDLE SIZE KIND OPTIONS, or builtin NAME;
//                  KIND is "target", "required", or "wanted", which may fail
//   remove NAME    target NAME, unused NAME (to be removed if nobody uses it), builtin NAME

// hypercall.c
long ask(long service, long a, long b, long c);  // -ENOSYS where nobody answers
void touch(void *buf, size_t n);                 // make every page of buf present and the program's own
long fetch(long handle, ulong size, char *to);   // a whole host's file; to has room for full pieces; 0 or -errno
char *room_for(ulong size);                      // memory that takes full pieces, page aligned; NULL when there is none
int fetch_module(long handle, ulong size, const char *params);  // into the kernel; -1 and errno

struct record {
  char *at, *end;
};
char *next_field(struct record *record);  // "" behind the last one
long next_number(struct record *record);
