// The environment, and finding programs with it.
#include "user.h"

#if __SIZEOF_POINTER__ == 8

static char **
find(const char *name, size_t n)
{
  for(char **e = environ; *e != NULL; e++)
    if(strncmp(*e, name, n) == 0 && (*e)[n] == '=')
      return e;
  return NULL;
}

char *
getenv(const char *name)
{
  size_t n = strlen(name);
  char **place = find(name, n);

  return place != NULL ? *place + n + 1 : NULL;
}

void
setenv(const char *name, const char *value)
{
  size_t n = strlen(name), room = n + strlen(value) + 2, count = 0;
  char *entry = malloc(room), **place = find(name, n), **copy;

  snprintf(entry, room, "%s=%s", name, value);
  if(place != NULL){
    *place = entry;
    return;
  }
  while(environ[count] != NULL)
    count++;
  copy = malloc((count + 2) * sizeof(char *));
  memcpy(copy, environ, count * sizeof(char *));
  copy[count] = entry;
  copy[count + 1] = NULL;
  environ = copy;
}

// the reason that matters is the first program found that would not start, else "not found"
int
execvp(const char *name, char *const argv[])
{
  const char *path = getenv("PATH"), *end;
  int reason = ENOENT;
  char *file;

  if(strchr(name, '/') != NULL)
    return execve(name, argv, environ);
  if(path == NULL)
    path = "/bin";
  for(; *path; path = *end ? end + 1 : end){
    if((end = strchr(path, ':')) == NULL)
      end = path + strlen(path);
    file = malloc(end - path + strlen(name) + 2);
    snprintf(file, end - path + strlen(name) + 2, "%.*s/%s", (int)(end - path), path, name);
    execve(file, argv, environ);
    free(file);
    if(errno != ENOENT && errno != ENOTDIR && reason == ENOENT)
      reason = errno;
  }
  errno = reason;
  return -1;
}

#endif
