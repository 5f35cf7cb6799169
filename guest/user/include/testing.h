// How the kernel's tests are written: a table of functions, each run in a child of its own.
#pragma once
#include "user.h"

struct test {
  void (*run)(void);
  const char *name;
};

// stop this test, saying where, when something is not as it should be
#define check(what) check_that(what, #what, __FILE__, __LINE__)
#define check_errno(call, number) check_that((call) == -1 && errno == (number), #call " is " #number, __FILE__, __LINE__)

void check_that(int holds, const char *what, const char *file, int line);
_Noreturn void skip(const char *reason);
int run_tests(const struct test *tests, int n, char *names[]);  // all, or those named; the number that failed

int exit_status(int pid);                 // wait for a child that must exit by itself
int signal_that_ends(void (*run)(void));  // in a child; 0 when it returned
void make_file(const char *path, const char *text);
