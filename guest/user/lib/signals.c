// Signals by number, name and description.
#include "user.h"

#if __SIZEOF_POINTER__ == 8

static const struct {
  const char *name, *description;
} signals[] = {
  [1] = {"HUP", "Hangup"},
  [2] = {"INT", "Interrupt"},
  [3] = {"QUIT", "Quit"},
  [4] = {"ILL", "Illegal instruction"},
  [5] = {"TRAP", "Trace/breakpoint trap"},
  [6] = {"ABRT", "Aborted"},
  [7] = {"BUS", "Bus error"},
  [8] = {"FPE", "Floating point exception"},
  [9] = {"KILL", "Killed"},
  [10] = {"USR1", "User defined signal 1"},
  [11] = {"SEGV", "Segmentation fault"},
  [12] = {"USR2", "User defined signal 2"},
  [13] = {"PIPE", "Broken pipe"},
  [14] = {"ALRM", "Alarm clock"},
  [15] = {"TERM", "Terminated"},
  [16] = {"STKFLT", "Stack fault"},
  [17] = {"CHLD", "Child exited"},
  [18] = {"CONT", "Continued"},
  [19] = {"STOP", "Stopped (signal)"},
  [20] = {"TSTP", "Stopped"},
  [21] = {"TTIN", "Stopped (tty input)"},
  [22] = {"TTOU", "Stopped (tty output)"},
};

static int
known(int sig)
{
  return 0 < sig && sig < (int)LENGTH(signals);
}

int
signal_number(const char *name)
{
  char *end;
  long number = strtol(name, &end, 10);

  if(*name && *end == 0)
    return 0 <= number && number <= 64 ? number : -1;
  if(strncmp(name, "SIG", 3) == 0)
    name += 3;
  for(int sig = 1; known(sig); sig++)
    if(strcmp(signals[sig].name, name) == 0)
      return sig;
  return -1;
}

const char *
signal_name(int sig)
{
  return known(sig) ? signals[sig].name : "?";
}

const char *
signal_description(int sig)
{
  return known(sig) ? signals[sig].description : "Unknown signal";
}

#endif
