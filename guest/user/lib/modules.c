// /proc/modules, as insmod's family reads it.
#include "user.h"

// cut the next word off *text
static char *
word(char **text)
{
  char *start = *text, *end = strchr(start, ' ');

  if(end == NULL)
    end = start + strlen(start);
  *text = *end ? end + 1 : end;
  *end = 0;
  return start;
}

// "b,a,[permanent]," names b and a; the brackets say that the module cannot leave, not who holds it
static void
trim_holders(char *holders)
{
  char *marker = strchr(holders, '[');
  int n;

  if(marker != NULL)
    *marker = 0;
  n = strlen(holders);
  if(n > 0 && holders[n - 1] == ',')
    holders[n - 1] = 0;
  if(strcmp(holders, "-") == 0)
    holders[0] = 0;
}

// "name size refcount holders, state address [taints]"; the row points into a line that is never freed
int
next_module(struct lines *from, struct module_row *row)
{
  char *line;

  if(next_line(from, &line) < 0)
    return 0;
  row->name = word(&line);
  row->size = strtol(word(&line), NULL, 10);
  row->refcount = atoi(word(&line));
  row->holders = word(&line);
  trim_holders(row->holders);
  return 1;
}
