// One command of the shell: its words, assignments and redirections.
#include "shell.h"

#if __SIZEOF_POINTER__ == 8

// NAME=value
static int
is_assignment(const char *word)
{
  const char *s = word;

  while(isname(*s))
    s++;
  return s > word && *s == '=' && !isdigit(*word);
}

struct token *
read_command(struct command *command, struct token *at)
{
  command->n = command->assigned = command->redirected = 0;
  for(; at->kind == WORD || is_redirect(at->kind); at++){
    if(is_redirect(at->kind)){
      struct redirect *redirect = &command->redirects[command->redirected++];

      if(command->redirected > MAX_REDIRECTS)
        die("too many redirections");
      redirect->kind = at->kind;
      redirect->fd = at->fd;
      redirect->target = expand_plain((++at)->text);
    } else if(command->n == 0 && is_assignment(at->text) && command->assigned < MAX_WORDS)
      command->assignments[command->assigned++] = at->text;
    else
      command->n += expand_word(at->text, command->words + command->n, MAX_WORDS - command->n);
  }
  command->words[command->n] = NULL;
  return at;
}

void
drop_command(struct command *command)
{
  for(int i = 0; i < command->n; i++)
    free(command->words[i]);
  for(int i = 0; i < command->redirected; i++)
    free(command->redirects[i].target);
}

void
assign(struct command *command)
{
  for(int i = 0; i < command->assigned; i++){
    const char *equals = strchr(command->assignments[i], '=');
    char *name = strdup(command->assignments[i]), *value = expand_plain(equals + 1);

    name[equals - command->assignments[i]] = 0;
    setenv(name, value);
    free(name);
    free(value);
  }
}

static int
redirect_one(const struct redirect *redirect)
{
  static const int flags[] = {
    [LESS] = O_RDONLY,
    [GREATER] = O_WRONLY | O_CREAT | O_TRUNC,
    [APPEND] = O_WRONLY | O_CREAT | O_APPEND,
  };
  int fd, from = atoi(redirect->target);

  if(redirect->kind == DUPLICATE)
    return from == redirect->fd ? from : dup2(from, redirect->fd);
  fd = open(redirect->target, flags[redirect->kind], 0666);
  if(fd >= 0 && fd != redirect->fd){
    dup2(fd, redirect->fd);
    close(fd);
  }
  return fd;
}

int
redirect(struct command *command)
{
  for(int i = 0; i < command->redirected; i++)
    if(redirect_one(&command->redirects[i]) < 0){
      complain(command->redirects[i].target);
      return -1;
    }
  return 0;
}

#endif
