// wc [-l] [-w] [-c] [FILE...]: count lines, words and bytes.
#include "user.h"

static int columns[3];  // which of the counts to show

static void
show(const ulong *counts, const char *name)
{
  const char *gap = "";

  for(int i = 0; i < 3; i++)
    if(columns[i]){
      printf("%s%lu", gap, counts[i]);
      gap = " ";
    }
  printf("%s%s\n", *name ? " " : "", name);
}

static int
count(int fd, const char *name, ulong *total)
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
  if(n < 0)
    complain(name);
  else
    show(counts, name);
  for(int i = 0; i < 3; i++)
    total[i] += counts[i];
  return n < 0;
}

int
main(int argc, char *argv[])
{
  ulong total[3] = {0, 0, 0};
  int first = 1, status = 0, fd;
  const char *letters = "lwc", *letter;

  for(; first < argc && argv[first][0] == '-'; first++)
    for(char *c = argv[first] + 1; *c; c++){
      if((letter = strchr(letters, *c)) == NULL)
        die("usage: wc [-l] [-w] [-c] [FILE...]");
      columns[letter - letters] = 1;
    }
  if(!columns[0] && !columns[1] && !columns[2])
    columns[0] = columns[1] = columns[2] = 1;
  if(first == argc)
    return count(0, "", total);
  for(int i = first; i < argc; i++){
    if((fd = open(argv[i], O_RDONLY)) < 0){
      complain(argv[i]);
      status = 1;
      continue;
    }
    status |= count(fd, argv[i], total);
    close(fd);
  }
  if(argc - first > 1)
    show(total, "total");
  return status;
}
