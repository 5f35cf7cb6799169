// ps: every process, from /proc/PID/stat.
#include "user.h"

// "PID (NAME) STATE PPID ..."; the name may hold anything, its last bracket ends it
static void
show(const char *pid)
{
  char path[64], *stat, *name, *end;
  size_t n;

  snprintf(path, sizeof(path), "/proc/%s/stat", pid);
  if((stat = read_file(path, &n)) == NULL || n == 0)
    return;  // it ended meanwhile
  stat[n - 1] = 0;
  name = strchr(stat, '(');
  end = strrchr(stat, ')');
  if(name != NULL && end != NULL)
    printf("%5s %5ld %-4c %.*s\n", pid, strtol(end + 4, NULL, 10), end[2], (int)(end - name - 1), name + 1);
  free(stat);
}

int
main(int argc, char *argv[])
{
  struct dir dir;
  struct dirent *entry;

  if(opendir(&dir, "/proc") < 0){
    complain("/proc");
    return 1;
  }
  printf("  PID  PPID STAT NAME\n");
  while((entry = readdir(&dir)) != NULL)
    if(isdigit(entry->d_name[0]))
      show(entry->d_name);
  closedir(&dir);
  return 0;
}
