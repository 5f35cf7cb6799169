// rm [-r] [-f] FILE...
#include "user.h"

static int
failed(const char *path)
{
  if(flags['f'] && errno == ENOENT)
    return 0;
  dprintf(2, "rm: cannot remove '%s': %s\n", path, strerror(errno));
  return 1;
}

static int rm(const char *path);

static int
empty(const char *path)
{
  struct dir dir;
  struct dirent *entry;
  int status = 0;

  if(opendir(&dir, path) < 0)
    return failed(path);
  while((entry = readdir(&dir)) != NULL)
    if(strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0){
      char *inner = path_join(path, entry->d_name);

      status |= rm(inner);
      free(inner);
    }
  closedir(&dir);
  return status;
}

static int
rm(const char *path)
{
  if(unlink(path) == 0)
    return 0;
  if(errno != EISDIR || !flags['r'])
    return failed(path);
  if(empty(path))
    return 1;
  return rmdir(path) < 0 ? failed(path) : 0;
}

int
main(int argc, char *argv[])
{
  int status = 0;

  argv = read_flags(argv + 1, "rf");
  if(*argv == NULL && !flags['f'])
    die("usage: rm [-r] [-f] FILE...");
  for(; *argv != NULL; argv++)
    status |= rm(*argv);
  return status;
}
