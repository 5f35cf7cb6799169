// The shell: sh, sh -c SCRIPT, sh -s, sh FILE.
// a line is cut into tokens, checked whole, then run from left to right; words are expanded as each command starts
#include "shell.h"

static struct token *at;  // what runs next
static int interactive;
static int interrupted;  // Ctrl-C ended a command: what follows on the line does not run

// one command

// a builtin or plain assignments, in the shell itself; its own files are put back afterwards
static int
run_here(struct command *command)
{
  int saved[3], status = 1;

  for(int fd = 0; fd < 3 && command->redirected > 0; fd++)
    saved[fd] = dup(fd);
  if(redirect(command) == 0){
    assign(command);
    status = command->n > 0 ? find_builtin(command->words[0])->run(command->words) : 0;
  }
  for(int fd = 0; fd < 3 && command->redirected > 0; fd++){
    dup2(saved[fd], fd);
    close(saved[fd]);
  }
  return status;
}

static _Noreturn void
run_program(struct command *command)
{
  struct stat st;
  char *name = command->words[0];

  execvp(name, command->words);
  if(errno == EACCES && stat(name, &st) == 0 && (st.st_mode & S_IFMT) == S_IFDIR)
    errno = EISDIR;
  dprintf(2, "sh: %s: %s\n", name, errno == ENOENT ? "not found" : strerror(errno));
  exit(errno == ENOENT ? 127 : 126);
}

// one stage of a pipeline, in a child
static _Noreturn void
run_stage(struct command *command, int in, int out)
{
  const struct builtin *builtin;

  if(in != 0)
    dup2(in, 0);
  if(out != 1)
    dup2(out, 1);
  if(redirect(command) < 0)
    exit(1);
  assign(command);
  if(command->n == 0)
    exit(0);
  if((builtin = find_builtin(command->words[0])) != NULL)
    exit(builtin->run(command->words));
  run_program(command);
}

// pipelines

static void
set_signals(void *handler)
{
  static const int signals[] = {SIGINT, SIGQUIT, SIGTTIN, SIGTTOU};

  for(size_t i = 0; i < LENGTH(signals); i++)
    signal(signals[i], handler);
}

// in the child: join the pipeline's process group; at a terminal each pipeline is one, so Ctrl-C finds it
static void
join_group(int group, int background)
{
  int null;

  if(interactive){
    setpgid(0, group);
    group = getpgid(0);
    if(!background)
      ioctl(0, TIOCSPGRP, &group);
    set_signals(SIG_DFL);
  } else if(background && (null = open("/dev/null", O_RDONLY)) >= 0){
    signal(SIGINT, SIG_IGN);
    dup2(null, 0);
    close(null);
  }
}

// the last stage's status counts
static int
wait_pipeline(const int *pids, int n)
{
  int status = 0, shell = getpid();

  for(int i = 0; i < n; i++)
    while(waitpid(pids[i], &status, 0) < 0 && errno == EINTR)
      ;
  if(interactive)
    ioctl(0, TIOCSPGRP, &shell);
  if(!WIFEXITED(status) && WTERMSIG(status) == SIGINT){
    interrupted = interactive;
    write_all(2, "\n", interactive);  // the terminal's cursor stands behind ^C
  } else if(!WIFEXITED(status) && WTERMSIG(status) != SIGPIPE)
    dprintf(2, "%s\n", signal_description(WTERMSIG(status)));
  return status_of(status);
}

// start one stage; *in is what it reads, and afterwards what the next one reads
static int
start_stage(struct command *command, int group, int *in, int background)
{
  int ends[2] = {0, 1}, pid, is_last = at->kind != PIPE;

  if((!is_last && pipe2(ends, O_CLOEXEC) < 0) || (pid = fork()) < 0)
    die("cannot start %s: %s", command->n > 0 ? command->words[0] : "a command", strerror(errno));
  if(pid == 0){
    join_group(group, background);
    run_stage(command, *in, ends[1]);
  }
  if(interactive)
    setpgid(pid, group);  // the child does so too: whoever comes first
  if(*in != 0)
    close(*in);
  if(ends[1] != 1)
    close(ends[1]);
  *in = ends[0];
  return pid;
}

static void
run_pipeline(int background)
{
  struct command command;
  int pids[MAX_STAGES], n = 0, in = 0, more = 1;

  for(; more; at += more){
    at = read_command(&command, at);
    more = at->kind == PIPE;
    if(n == 0 && !more && !background && (command.n == 0 || find_builtin(command.words[0]) != NULL)){
      last_status = run_here(&command);
      drop_command(&command);
      return;
    }
    if(n == MAX_STAGES)
      die("too many stages in a pipeline");
    pids[n] = start_stage(&command, n > 0 ? pids[0] : 0, &in, background);
    n++;
    drop_command(&command);
  }
  if(background)
    last_background = pids[n - 1];
  last_status = background ? 0 : wait_pipeline(pids, n);
}

// lists

// pipelines joined by && and ||
static void
run_chain(void)
{
  int skip = 0;

  for(;; at++){
    if(!skip)
      run_pipeline(0);
    else
      while(at->kind == WORD || at->kind == PIPE || is_redirect(at->kind))
        at++;
    if(at->kind != AND && at->kind != OR)
      return;
    skip = interrupted || (at->kind == AND) != (last_status == 0);
  }
}

// a lone pipeline goes to the background itself; a chain needs a shell to decide what runs
static void
run_in_background(int is_chain)
{
  int pid;

  if(!is_chain){
    run_pipeline(1);
    return;
  }
  if((pid = fork()) == 0){
    join_group(0, 1);
    interactive = 0;
    run_chain();
    exit(last_status);
  }
  last_background = pid;
  last_status = 0;
}

static void
run_tokens(void)
{
  interrupted = 0;
  for(at = tokens; at->kind != END && !interrupted;){
    struct token *end = at;
    int is_chain = 0;

    for(; end->kind != END && end->kind != SEMICOLON && end->kind != NEWLINE && end->kind != AMPERSAND; end++)
      is_chain |= end->kind == AND || end->kind == OR;
    if(end->kind == AMPERSAND)
      run_in_background(is_chain);
    else if(end > at)
      run_chain();
    at = end->kind == END ? end : end + 1;
  }
  free_tokens();
}

// input

// UNFINISHED when the text needs another line
static enum reading
run_text(char *text)
{
  enum reading result = read_tokens(text);

  if(result == WHOLE)
    run_tokens();
  else if(result == WRONG)
    last_status = 2;
  return result;
}

static int
unexpected_end(void)
{
  dprintf(2, "sh: syntax error: unexpected end of file\n");
  return last_status = 2;
}

static char *
read_line(struct lines *input, int is_continued)
{
  char prompt[PATH_MAX + 4], cwd[PATH_MAX];
  char *text;

  if(!interactive)
    return next_line(input, &text) < 0 ? NULL : text;
  while(waitpid(-1, NULL, WNOHANG) > 0)
    ;
  snprintf(prompt, sizeof(prompt), "%s # ", getcwd(cwd, sizeof(cwd)) != NULL ? cwd : "?");
  text = edit_line(is_continued ? "> " : prompt);
  if(text != NULL)
    add_history(text);
  return text;
}

static char *
join_lines(char *text, char *more)
{
  size_t room = strlen(text) + strlen(more) + 2;
  char *whole = malloc(room);

  snprintf(whole, room, "%s\n%s", text, more);
  free(text);
  free(more);
  return whole;
}

static void
run_input(struct lines *input)
{
  char *text, *more;

  while((text = read_line(input, 0)) != NULL){
    while(run_text(text) == UNFINISHED){
      if((more = read_line(input, 1)) == NULL){
        unexpected_end();
        break;
      }
      if(interactive && *more == 0){  // ^C
        *text = 0;
        last_status = 130;
      }
      text = join_lines(text, more);
    }
    free(text);
  }
}

static void
take_terminal(void)
{
  int group = getpid();

  interactive = 1;
  set_signals(SIG_IGN);
  setpgid(0, 0);
  ioctl(0, TIOCSPGRP, &group);
}

int
main(int argc, char *argv[])
{
  static struct lines input;

  if(argc > 2 && strcmp(argv[1], "-c") == 0)
    return run_text(argv[2]) == UNFINISHED ? unexpected_end() : last_status;
  if(argc > 1 && strcmp(argv[1], "-s") != 0){
    if((input.fd = open(argv[1], O_RDONLY | O_CLOEXEC)) < 0){
      complain(argv[1]);
      return 127;
    }
  } else if(!isatty(0))
    input.step = 1;  // what follows the line may be for the command on it
  else if(argc <= 1)
    take_terminal();
  run_input(&input);
  return last_status;
}
