// Directories and the names of files.
#include "user.h"

#if __SIZEOF_POINTER__ == 8

int
opendir(struct dir *dir, const char *path)
{
  dir->at = dir->end = 0;
  return dir->fd = open(path, O_RDONLY | O_CLOEXEC);
}

struct dirent *
readdir(struct dir *dir)
{
  struct dirent *entry;

  if(dir->at >= dir->end){
    dir->at = 0;
    dir->end = getdents64(dir->fd, dir->buf, sizeof(dir->buf));
    if(dir->end <= 0)
      return NULL;
  }
  entry = (struct dirent *)(dir->buf + dir->at);
  dir->at += entry->d_reclen;
  return entry;
}

void
closedir(struct dir *dir)
{
  close(dir->fd);
}

char *
path_join(const char *dir, const char *name)
{
  size_t n = strlen(dir), room = n + strlen(name) + 2;
  char *path = malloc(room);

  if(path != NULL)
    snprintf(path, room, "%s%s%s", dir, n > 0 && dir[n - 1] != '/' ? "/" : "", name);
  return path;
}

const char *
basename(const char *path)
{
  const char *slash = strrchr(path, '/');

  return slash != NULL && slash[1] ? slash + 1 : path;
}

#endif
