// Files a line at a time, or all at once.
#include "user.h"

static int
fill(struct lines *from)
{
  from->at = 0;
  from->end = read(from->fd, from->buf, from->step > 0 ? (size_t)from->step : sizeof(from->buf));
  return from->end > 0;
}

// copy up to the next newline; a last line without one counts too
int
next_line(struct lines *from, char **line)
{
  char *text = NULL;
  int n = 0, run;

  while(from->at < from->end || fill(from)){
    for(run = 0; from->at + run < from->end && from->buf[from->at + run] != '\n'; run++)
      ;
    if((text = realloc(text, n + run + 1)) == NULL)
      die("out of memory");
    memcpy(text + n, from->buf + from->at, run);
    n += run;
    text[n] = 0;
    from->at += run;
    if(from->at < from->end){
      from->at++;
      break;
    }
  }
  *line = text;
  return text != NULL ? n : -1;
}

char *
read_file(const char *path, size_t *n)
{
  size_t room = 4096;
  ssize_t got = 1;
  char *text = malloc(room);
  int fd = open(path, O_RDONLY);

  for(*n = 0; fd >= 0 && text != NULL; *n += got){
    if(*n == room && (text = realloc(text, room *= 2)) == NULL)
      break;
    if((got = read(fd, text + *n, room - *n)) <= 0)
      break;
  }
  if(fd >= 0)
    close(fd);
  if(fd < 0 || got < 0){
    free(text);
    return NULL;
  }
  return text;
}
