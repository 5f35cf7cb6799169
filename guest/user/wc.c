// wc [-l] [-w] [-c] [FILE...]: count lines, words and bytes.
#include "user.h"

static ulong total[3];

static void
show(const ulong *counts, const char *name)
{
  const char *gap = "";

  for(int i = 0; i < 3; i++)
    if(flags[(u8)"lwc"[i]]){
      printf("%s%lu", gap, counts[i]);
      gap = " ";
    }
  printf("%s%s\n", *name ? " " : "", name);
}

static int
count(int fd, const char *name)
{
  static char buf[4096];
  ulong counts[3] = {0, 0, 0};
  int in_word = 0, n;

  while((n = read(fd, buf, sizeof(buf))) > 0){
    counts[2] += n;
    for(int i = 0; i < n; i++){
      counts[0] += buf[i] == '\n';
      counts[1] += !in_word && !isspace(buf[i]);
      in_word = !isspace(buf[i]);
    }
  }
  if(n < 0){
    complain(name);
    return 1;
  }
  show(counts, name);
  for(int i = 0; i < 3; i++)
    total[i] += counts[i];
  return 0;
}

int
main(int argc, char *argv[])
{
  int status;

  argv = read_flags(argv + 1, "lwc");
  if(!flags['l'] && !flags['w'] && !flags['c'])
    flags['l'] = flags['w'] = flags['c'] = 1;
  status = each_file(argv, count);
  if(argv[0] != NULL && argv[1] != NULL)
    show(total, "total");
  return status;
}
