// hexdump [-C] [FILE]: bytes in hexadecimal beside their letters; equal rows are folded into a star.
#include "user.h"

static void
show_row(ulong offset, const u8 *row, int n)
{
  char text[96];
  int at = snprintf(text, sizeof(text), "%08lx", offset);

  for(int i = 0; i < 16; i++){
    at += snprintf(text + at, sizeof(text) - at, i % 8 == 0 ? "  " : " ");
    at += i < n ? snprintf(text + at, sizeof(text) - at, "%02x", row[i]) : snprintf(text + at, sizeof(text) - at, "  ");
  }
  at += snprintf(text + at, sizeof(text) - at, "  |");
  for(int i = 0; i < n; i++)
    text[at++] = ' ' <= row[i] && row[i] < 127 ? row[i] : '.';
  text[at] = 0;
  printf("%s|\n", text);
}

int
main(int argc, char *argv[])
{
  int first = argc > 1 && strcmp(argv[1], "-C") == 0 ? 2 : 1, starred = 0, n, fd = 0;
  u8 row[16], last[16];
  ulong offset = 0;

  if(first < argc && (fd = open(argv[first], O_RDONLY)) < 0){
    complain(argv[first]);
    return 1;
  }
  for(;; offset += n){
    for(n = 0; n < 16;){
      ssize_t got = read(fd, row + n, 16 - n);

      if(got <= 0)
        break;
      n += got;
    }
    if(n == 0)
      break;
    if(n == 16 && offset > 0 && memcmp(row, last, 16) == 0){
      if(!starred)
        printf("*\n");
      starred = 1;
      continue;
    }
    starred = 0;
    memcpy(last, row, 16);
    show_row(offset, row, n);
  }
  if(offset > 0)
    printf("%08lx\n", offset);
  return 0;
}
