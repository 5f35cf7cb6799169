// hexdump [-C] [FILE]: bytes in hexadecimal beside their letters; equal rows are folded into a star.
#include "user.h"

static void
show_row(ulong offset, const u8 row[16], int n)
{
  char text[96];
  int at = snprintf(text, sizeof(text), "%08lx", offset);

  for(int i = 0; i < 16; i++){
    const char *gap = i % 8 == 0 ? "  " : " ";

    at += snprintf(text + at, sizeof(text) - at, i < n ? "%s%02x" : "%s  ", gap, row[i]);
  }
  at += snprintf(text + at, sizeof(text) - at, "  |");
  for(int i = 0; i < n; i++)
    text[at++] = ' ' <= row[i] && row[i] < 127 ? row[i] : '.';
  text[at] = 0;
  printf("%s|\n", text);
}

// fill a row, however little comes at a time
static int
read_row(int fd, u8 *row)
{
  int n = 0;
  ssize_t got;

  while(n < 16 && (got = read(fd, row + n, 16 - n)) > 0)
    n += got;
  return n;
}

static int
hexdump(int fd, const char *name)
{
  u8 row[16], last[16];
  int folded = 0, n;
  ulong offset = 0;

  for(; (n = read_row(fd, row)) > 0; offset += n){
    if(n == 16 && offset > 0 && memcmp(row, last, 16) == 0){
      if(!folded)
        printf("*\n");
      folded = 1;
      continue;
    }
    folded = 0;
    memcpy(last, row, 16);
    show_row(offset, row, n);
  }
  if(offset > 0)
    printf("%08lx\n", offset);
  return 0;
}

int
main(int argc, char *argv[])
{
  return each_file(read_flags(argv + 1, "C"), hexdump);
}
