// The shell: sh, sh -c SCRIPT, sh -s, sh FILE.
// a line is cut into tokens, checked whole, then run from left to right; words are expanded as each command starts
#include "user.h"

#define MAX_WORDS 256
#define MAX_REDIRECTS 8
#define MAX_STAGES 16

enum kind { END, WORD, SEMICOLON, NEWLINE, AMPERSAND, AND, OR, PIPE, LESS, GREATER, APPEND, DUPLICATE };

struct token {
  enum kind kind;
  int fd;      // of a redirection
  char *text;  // of a word, quotes and all
};

struct command {
  char *words[MAX_WORDS + 1];
  int n;
  char *assignments[MAX_WORDS];
  int assigned;
  struct {
    enum kind kind;
    int fd;
    char *target;
  } redirects[MAX_REDIRECTS];
  int redirected;
};

static struct token tokens[4096], *at;
static int interactive;
static int interrupted;  // Ctrl-C ended a command: what follows on the line does not run

// tokens

static int
is_redirect(enum kind kind)
{
  return kind >= LESS;
}

// the operator at s, its length in *n; END when there is none
static enum kind
operator_at(const char *s, int *n)
{
  static const struct {
    const char *text;
    enum kind kind;
  } operators[] = {
    {"&&", AND}, {"||", OR}, {">>", APPEND}, {">&", DUPLICATE}, {"\n", NEWLINE},
    {";", SEMICOLON}, {"&", AMPERSAND}, {"|", PIPE}, {"<", LESS}, {">", GREATER},
  };

  for(size_t i = 0; i < LENGTH(operators); i++){
    *n = strlen(operators[i].text);
    if(strncmp(s, operators[i].text, *n) == 0)
      return operators[i].kind;
  }
  return END;
}

// the place after a word, or NULL when a quote stays open
static char *
skip_word(char *s)
{
  for(; *s && strchr(" \t\n;&|<>", *s) == NULL; s++){
    if(*s == '\\' && *++s == 0)
      return NULL;
    if(*s == '\'' && s[-1] != '\\' && (s = strchr(s + 1, '\'')) == NULL)
      return NULL;
    if(*s == '"' && s[-1] != '\\'){
      for(s++; *s != '"'; s++)
        if(*s == 0 || (*s == '\\' && *++s == 0))
          return NULL;
    }
  }
  return s;
}

// fill tokens; 0 when the text stops in the middle of something
static int
tokenise(char *s)
{
  struct token *token = tokens;
  char *end;
  int n;

  for(; token < tokens + LENGTH(tokens) - 1; token++){
    while(*s == ' ' || *s == '\t' || (*s == '\\' && s[1] == '\n'))
      s += *s == '\\' ? 2 : 1;
    if(*s == '#')
      while(*s && *s != '\n')
        s++;
    *token = (struct token){.kind = END};
    if(*s == 0)
      return 1;
    end = s + (isdigit(*s) && (s[1] == '<' || s[1] == '>'));  // 2>file
    token->kind = operator_at(end, &n);
    if(token->kind != END){
      token->fd = end > s ? *s - '0' : token->kind != LESS;
      s = end + n;
      continue;
    }
    if((end = skip_word(s)) == NULL)
      return 0;
    token->kind = WORD;
    token->text = malloc(end - s + 1);
    snprintf(token->text, end - s + 1, "%s", s);
    s = end;
  }
  die("line too long");
}

// is every operator between commands? 1 yes, 0 the line goes on, -1 no
static int
check(void)
{
  int have = 0, need = 0;

  for(struct token *token = tokens; token->kind != END; token++){
    if(token->kind == WORD)
      have = 1;
    else if(is_redirect(token->kind)){
      if((++token)->kind != WORD)
        return -1;
      have = 1;
    } else if(token->kind == NEWLINE && !have)
      continue;
    else if(!have)
      return -1;
    else {
      have = 0;
      need = token->kind == AND || token->kind == OR || token->kind == PIPE;
    }
  }
  return have || !need;
}

// one command

// NAME=value
static int
is_assignment(const char *word)
{
  const char *s = word;

  while(isname(*s))
    s++;
  return s > word && *s == '=' && !isdigit(*word);
}

// take a command off the tokens, its words expanded
static void
read_command(struct command *command)
{
  command->n = command->assigned = command->redirected = 0;
  for(; at->kind == WORD || is_redirect(at->kind); at++){
    if(is_redirect(at->kind)){
      if(command->redirected == MAX_REDIRECTS)
        die("too many redirections");
      command->redirects[command->redirected].kind = at->kind;
      command->redirects[command->redirected].fd = at->fd;
      command->redirects[command->redirected++].target = expand_plain((++at)->text);
    } else if(command->n == 0 && is_assignment(at->text) && command->assigned < MAX_WORDS)
      command->assignments[command->assigned++] = at->text;
    else
      command->n += expand_word(at->text, command->words + command->n, MAX_WORDS - command->n);
  }
  command->words[command->n] = NULL;
}

static void
assign(struct command *command)
{
  for(int i = 0; i < command->assigned; i++){
    char *value = strchr(command->assignments[i], '=');
    char *name = strdup(command->assignments[i]);

    name[value - command->assignments[i]] = 0;
    setenv(name, expand_plain(value + 1));
    free(name);
  }
}

static int
redirect(struct command *command)
{
  static const int flags[] = {
    [LESS] = O_RDONLY,
    [GREATER] = O_WRONLY | O_CREAT | O_TRUNC,
    [APPEND] = O_WRONLY | O_CREAT | O_APPEND,
  };

  for(int i = 0; i < command->redirected; i++){
    char *target = command->redirects[i].target;
    int to = command->redirects[i].fd, fd;

    if(command->redirects[i].kind == DUPLICATE){
      if(dup2(atoi(target), to) >= 0 || atoi(target) == to)
        continue;
    } else if((fd = open(target, flags[command->redirects[i].kind], 0666)) >= 0){
      if(fd != to){
        dup2(fd, to);
        close(fd);
      }
      continue;
    }
    complain(target);
    return -1;
  }
  return 0;
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

// builtins

static int
cd(char *argv[])
{
  char *home = getenv("HOME"), *to = argv[1] != NULL ? argv[1] : home != NULL ? home : "/";

  if(chdir(to) == 0)
    return 0;
  dprintf(2, "sh: cd: %s: %s\n", to, strerror(errno));
  return 1;
}

static int
pwd(char *argv[])
{
  char path[PATH_MAX];

  if(getcwd(path, sizeof(path)) == NULL)
    die("pwd: %s", strerror(errno));
  printf("%s\n", path);
  return 0;
}

static int
leave(char *argv[])
{
  exit(argv[1] != NULL ? atoi(argv[1]) : last_status);
}

static int
succeed(char *argv[])
{
  return 0;
}

static int
fail(char *argv[])
{
  return 1;
}

static int
status_of(int status)
{
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

// wait for one background process, or for all of them
static int
wait_for(char *argv[])
{
  int status = 0;

  if(argv[1] == NULL){
    while(waitpid(-1, &status, 0) > 0)
      ;
    return 0;
  }
  return waitpid(atoi(argv[1]), &status, 0) < 0 ? 127 : status_of(status);
}

static int
list_history(char *argv[])
{
  print_history();
  return 0;
}

static int help(char *argv[]);

static const struct {
  const char *name;
  int (*run)(char *argv[]);
} builtins[] = {
  {":", succeed}, {"cd", cd}, {"exit", leave}, {"false", fail}, {"help", help},
  {"history", list_history}, {"pwd", pwd}, {"true", succeed}, {"wait", wait_for},
};
static const char *builtin_names[LENGTH(builtins) + 1];

static int
help(char *argv[])
{
  static char *programs[256];
  char pattern[PATH_MAX];
  int n;

  printf("builtins:");
  for(size_t i = 0; i < LENGTH(builtins); i++)
    printf(" %s", builtins[i].name);
  snprintf(pattern, sizeof(pattern), "%s/*", getenv("PATH"));
  n = glob(pattern, programs, LENGTH(programs));
  printf("\nprograms:");
  for(int i = 0; i < n; i++)
    printf(" %s", basename(programs[i]));
  printf("\n");
  return 0;
}

static int
find_builtin(const char *name)
{
  for(size_t i = 0; i < LENGTH(builtins); i++)
    if(strcmp(builtins[i].name, name) == 0)
      return i;
  return -1;
}

// in the shell itself, its own files put back afterwards
static int
run_here(struct command *command)
{
  int saved[3], status = 1;

  for(int fd = 0; fd < 3 && command->redirected > 0; fd++)
    saved[fd] = dup(fd);
  if(redirect(command) == 0){
    assign(command);
    status = command->n > 0 ? builtins[find_builtin(command->words[0])].run(command->words) : 0;
  }
  for(int fd = 0; fd < 3 && command->redirected > 0; fd++){
    dup2(saved[fd], fd);
    close(saved[fd]);
  }
  return status;
}

// jobs

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

static _Noreturn void
run_stage(struct command *command, int in, int out)
{
  int builtin;

  if(in != 0)
    dup2(in, 0);
  if(out != 1)
    dup2(out, 1);
  if(redirect(command) < 0)
    exit(1);
  assign(command);
  if(command->n == 0)
    exit(0);
  if((builtin = find_builtin(command->words[0])) >= 0)
    exit(builtins[builtin].run(command->words));
  run_program(command);
}

// wait for a pipeline; the last stage's status counts
static int
wait_pipeline(const int *pids, int n)
{
  int status = 0, shell = getpgid(0);

  for(int i = 0; i < n; i++)
    while(waitpid(pids[i], &status, 0) < 0 && errno == EINTR)
      ;
  if(interactive)
    ioctl(0, TIOCSPGRP, &shell);
  if(!WIFEXITED(status) && WTERMSIG(status) == SIGINT){
    interrupted = 1;
    write_all(2, "\n", 1);
  } else if(!WIFEXITED(status) && WTERMSIG(status) != SIGPIPE)
    dprintf(2, "%s\n", signal_description(WTERMSIG(status)));
  return status_of(status);
}

static void
run_pipeline(int background)
{
  static struct command command;
  int pids[MAX_STAGES], n = 0, in = 0, ends[2];

  for(;; at++){
    int more;

    read_command(&command);
    more = at->kind == PIPE;
    if(n == 0 && !more && !background && (command.n == 0 || find_builtin(command.words[0]) >= 0)){
      last_status = run_here(&command);
      return;
    }
    ends[0] = 0;
    ends[1] = 1;
    if(n == MAX_STAGES || (more && pipe2(ends, O_CLOEXEC) < 0) || (pids[n] = fork()) < 0)
      die("cannot start %s: %s", command.words[0], strerror(errno));
    if(pids[n] == 0){
      join_group(n > 0 ? pids[0] : 0, background);
      run_stage(&command, in, ends[1]);
    }
    if(interactive)
      setpgid(pids[n], pids[0]);  // whoever comes first: the terminal may be handed over right after
    n++;
    if(in != 0)
      close(in);
    if(ends[1] != 1)
      close(ends[1]);
    in = ends[0];
    if(!more)
      break;
  }
  if(background)
    last_background = pids[n - 1];
  last_status = background ? 0 : wait_pipeline(pids, n);
}

// pipelines joined by && and ||
static void
run_chain(void)
{
  enum kind joint = AND;
  int skip = 0;

  for(;; at++){
    if(!skip)
      run_pipeline(0);
    else
      while(at->kind == WORD || at->kind == PIPE || is_redirect(at->kind))
        at++;
    joint = at->kind;
    if(joint != AND && joint != OR)
      return;
    skip = interrupted || (joint == AND) != (last_status == 0);
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
  while(at->kind != AMPERSAND)
    at++;
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
  for(struct token *token = tokens; token->kind != END; token++)
    free(token->text);
}

// lines

// 0 when the text needs another line
static int
run_text(char *text)
{
  int whole = tokenise(text) ? check() : 0;

  if(whole > 0)
    run_tokens();
  else if(whole < 0){
    dprintf(2, "sh: syntax error\n");
    last_status = 2;
  }
  return whole != 0;
}

static char *
read_line(struct lines *input, int continued)
{
  char prompt[PATH_MAX + 4], cwd[PATH_MAX];
  char *text;

  if(!interactive)
    return next_line(input, &text) < 0 ? NULL : text;
  while(waitpid(-1, NULL, WNOHANG) > 0)
    ;
  snprintf(prompt, sizeof(prompt), "%s # ", getcwd(cwd, sizeof(cwd)) != NULL ? cwd : "?");
  text = edit_line(continued ? "> " : prompt);
  if(text != NULL)
    add_history(text);
  return text;
}

static void
run_input(struct lines *input)
{
  char *text, *more, *whole;

  while((text = read_line(input, 0)) != NULL){
    while(!run_text(text)){
      if((more = read_line(input, 1)) == NULL || (interactive && *more == 0)){
        dprintf(2, "sh: syntax error: unexpected end of file\n");
        last_status = 2;
        break;
      }
      whole = malloc(strlen(text) + strlen(more) + 2);
      snprintf(whole, strlen(text) + strlen(more) + 2, "%s\n%s", text, more);
      free(text);
      text = whole;
    }
    free(text);
  }
}

int
main(int argc, char *argv[])
{
  static struct lines input;

  for(size_t i = 0; i < LENGTH(builtins); i++)
    builtin_names[i] = builtins[i].name;
  edit_commands = builtin_names;
  if(argc > 2 && strcmp(argv[1], "-c") == 0){
    if(!run_text(argv[2])){
      dprintf(2, "sh: syntax error: unexpected end of file\n");
      return 2;
    }
    return last_status;
  }
  if(argc > 1 && strcmp(argv[1], "-s") != 0){
    if((input.fd = open(argv[1], O_RDONLY | O_CLOEXEC)) < 0){
      complain(argv[1]);
      return 127;
    }
  } else if(!isatty(0))
    input.step = 1;  // what follows the line may be for the command on it
  else if(argc == 1){
    int group = getpid();

    interactive = 1;
    set_signals(SIG_IGN);
    setpgid(0, 0);
    ioctl(0, TIOCSPGRP, &group);
  }
  run_input(&input);
  return last_status;
}
