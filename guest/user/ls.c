// ls [-l] [-a] [-1] [PATH...]: one name a line, sorted.
#include "user.h"

static char
type_letter(u32 mode)
{
  switch(mode & S_IFMT){
  case S_IFDIR:
    return 'd';
  case S_IFCHR:
    return 'c';
  case S_IFIFO:
    return 'p';
  case S_IFREG:
    return '-';
  }
  return '?';
}

// "-rw-r--r--  1    12288 hello.ko"; a device shows its major and minor number where the size would be
static int
show(const char *path, const char *name)
{
  struct stat st;
  char mode[11], size[24];

  if(!flags['l']){
    printf("%s\n", name);
    return 0;
  }
  if(stat(path, &st) < 0){
    complain(path);
    return 1;
  }
  mode[0] = type_letter(st.st_mode);
  for(int bit = 0; bit < 9; bit++)
    mode[1 + bit] = st.st_mode & (0400 >> bit) ? "rwx"[bit % 3] : '-';
  mode[10] = 0;
  if(mode[0] == 'c')
    snprintf(size, sizeof(size), "%lu, %lu", (st.st_rdev >> 8) & 0xfff, st.st_rdev & 0xff);
  else
    snprintf(size, sizeof(size), "%ld", st.st_size);
  printf("%s %2lu %8s %s\n", mode, (ulong)st.st_nlink, size, name);
  return 0;
}

static int
list(const char *path)
{
  static char *names[4096];
  struct dir dir;
  struct dirent *entry;
  int n = 0, status = 0;

  if(opendir(&dir, path) < 0){
    complain(path);
    return 1;
  }
  while((entry = readdir(&dir)) != NULL && n < (int)LENGTH(names))
    if(flags['a'] || entry->d_name[0] != '.')
      names[n++] = strdup(entry->d_name);
  closedir(&dir);
  sort_names(names, n);
  for(int i = 0; i < n; i++){
    char *full = path_join(path, names[i]);

    status |= show(full, names[i]);
    free(full);
    free(names[i]);
  }
  return status;
}

static int
ls(const char *path, int heading)
{
  struct stat st;

  if(stat(path, &st) < 0){
    complain(path);
    return 1;
  }
  if((st.st_mode & S_IFMT) != S_IFDIR)
    return show(path, path);
  if(heading)
    printf("%s:\n", path);
  return list(path);
}

int
main(int argc, char *argv[])
{
  int status = 0, heading;

  argv = read_flags(argv + 1, "al1");
  if(*argv == NULL)
    return ls(".", 0);
  heading = argv[1] != NULL;
  for(; *argv != NULL; argv++)
    status |= ls(*argv, heading);
  return status;
}
