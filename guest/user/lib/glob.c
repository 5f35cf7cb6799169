// File name patterns: * ? [a-z], and a backslash before what stands for itself.
#include "user.h"

#if __SIZEOF_POINTER__ == 8

struct search {
  char **found;
  int n, limit;
};

// does [...] at *pattern hold c? moves *pattern past it
static int
class_match(const char **pattern, int c)
{
  const char *p = *pattern + 1;
  int negate = *p == '!' || *p == '^', found = 0;

  p += negate;
  do {
    int low = *p, high = p[1] == '-' && p[2] && p[2] != ']' ? p[2] : low;

    found |= low <= c && c <= high;
    p += low == high ? 1 : 3;
  } while(*p && *p != ']');
  *pattern = *p ? p + 1 : p;
  return found != negate;
}

int
glob_match(const char *pattern, const char *name)
{
  while(*pattern){
    if(*pattern == '*'){
      do
        if(glob_match(pattern + 1, name))
          return 1;
      while(*name++);
      return 0;
    }
    if(*name == 0)
      return 0;
    if(*pattern == '['){
      if(!class_match(&pattern, *name))
        return 0;
    } else {
      int any = *pattern == '?';

      if(*pattern == '\\' && pattern[1])
        pattern++;
      if(!any && *pattern != *name)
        return 0;
      pattern++;
    }
    name++;
  }
  return *name == 0;
}

// copy one path component without its backslashes; answers whether it needs matching
static int
component(const char *pattern, int n, char *plain)
{
  int magic = 0;

  for(int i = 0; i < n; i++){
    magic |= strchr("*?[", pattern[i]) != NULL;
    if(pattern[i] == '\\' && i + 1 < n)
      i++;
    *plain++ = pattern[i];
  }
  *plain = 0;
  return magic;
}

static void
add(struct search *search, const char *path)
{
  struct stat st;

  if(search->n < search->limit && stat(path, &st) == 0)
    search->found[search->n++] = strdup(path);
}

// match what is left of the pattern below `path`, which ends with a slash or is empty
static void
walk(struct search *search, const char *path, const char *pattern)
{
  char part[256], next[PATH_MAX];
  const char *end;
  struct dirent *entry;
  struct dir dir;
  int magic;

  if((end = strchr(pattern, '/')) == NULL)
    end = pattern + strlen(pattern);
  if(end - pattern >= (long)sizeof(part))
    return;
  magic = component(pattern, end - pattern, part);
  if(!magic){
    snprintf(next, sizeof(next), "%s%s%s", path, part, *end ? "/" : "");
    *end ? walk(search, next, end + 1) : add(search, next);
    return;
  }
  memcpy(part, pattern, end - pattern);
  part[end - pattern] = 0;
  if(opendir(&dir, *path ? path : ".") < 0)
    return;
  while((entry = readdir(&dir)) != NULL){
    if((entry->d_name[0] == '.' && part[0] != '.') || !glob_match(part, entry->d_name))
      continue;
    snprintf(next, sizeof(next), "%s%s%s", path, entry->d_name, *end ? "/" : "");
    *end ? walk(search, next, end + 1) : add(search, next);
  }
  closedir(&dir);
}

int
glob(const char *pattern, char **found, int limit)
{
  struct search search = {found, 0, limit};

  walk(&search, "", pattern);
  sort_names(found, search.n);
  return search.n;
}

// Shell's sort: short, and fast enough for a directory
void
sort_names(char **names, int n)
{
  for(int gap = n / 2; gap > 0; gap /= 2)
    for(int i = gap; i < n; i++)
      for(int j = i - gap; j >= 0 && strcmp(names[j], names[j + gap]) > 0; j -= gap){
        char *swap = names[j];

        names[j] = names[j + gap];
        names[j + gap] = swap;
      }
}

#endif
