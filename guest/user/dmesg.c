// dmesg [-r] [-t] [-c] [-C] [-n LEVEL]: the kernel's log.
#include "user.h"

// a record is "<6>[    0.004000] text"; the level is for -r alone
static char *
skip_prefix(char *line, int times)
{
  char *end;

  if(*line == '<' && (end = strchr(line, '>')) != NULL)
    line = end + 1;
  if(!times && *line == '[' && (end = strchr(line, ']')) != NULL)
    line = end + (end[1] == ' ' ? 2 : 1);
  return line;
}

// take the prefixes out in place, so that the whole log is one write
static int
strip(char *text, int times)
{
  char *to = text, *from = text, *end;

  while(*from){
    from = skip_prefix(from, times);
    if((end = strchr(from, '\n')) == NULL)
      end = from + strlen(from) - 1;
    memmove(to, from, end + 1 - from);
    to += end + 1 - from;
    from = end + 1;
  }
  return to - text;
}

static int
show_log(int action, int raw, int times)
{
  int room = syslog(SYSLOG_SIZE_BUFFER, NULL, 0), n = -1;
  char *text = malloc(room > 0 ? room + 1 : 1);

  if(room < 0 || text == NULL || (n = syslog(action, text, room)) < 0){
    complain("read kernel buffer failed");
    return 1;
  }
  text[n] = 0;
  return write_all(1, text, raw ? n : strip(text, times)) < 0;
}

int
main(int argc, char *argv[])
{
  int action = SYSLOG_READ_ALL, raw = 0, times = 1;

  for(int i = 1; i < argc; i++){
    if(strcmp(argv[i], "-r") == 0)
      raw = 1;
    else if(strcmp(argv[i], "-t") == 0)
      times = 0;
    else if(strcmp(argv[i], "-c") == 0)
      action = SYSLOG_READ_CLEAR;
    else if(strcmp(argv[i], "-C") == 0)
      return syslog(SYSLOG_CLEAR, NULL, 0) < 0;
    else if(strcmp(argv[i], "-n") == 0 && i + 1 < argc){
      if(syslog(SYSLOG_CONSOLE_LEVEL, NULL, atoi(argv[++i])) == 0)
        return 0;
      complain("cannot set console level");
      return 1;
    } else
      die("usage: dmesg [-r] [-t] [-c] [-C] [-n LEVEL]");
  }
  return show_log(action, raw, times);
}
