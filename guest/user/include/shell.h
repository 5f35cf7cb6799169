// What the parts of the shell share: sh.c runs what tokens.c read, with builtins.c, words.c and edit.c.
#pragma once
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

// tokens.c
enum reading { WHOLE, UNFINISHED, WRONG };
extern struct token tokens[4096];
enum reading read_tokens(char *text);  // fills tokens; says so itself when they are wrong
void free_tokens(void);
int is_redirect(enum kind kind);

// command.c
struct redirect {
  enum kind kind;
  int fd;
  char *target;
};

struct command {
  char *words[MAX_WORDS + 1];
  int n;
  const char *assignments[MAX_WORDS];  // still as typed
  int assigned;
  struct redirect redirects[MAX_REDIRECTS];
  int redirected;
};
struct token *read_command(struct command *command, struct token *at);  // its words expanded; the place after it
void drop_command(struct command *command);
void assign(struct command *command);  // every variable is in the environment: there is no export
int redirect(struct command *command);

// words.c: what happens to a word between reading it and using it
extern int last_status;                                      // $?
extern int last_background;                                  // $!
int expand_word(const char *raw, char **fields, int limit);  // quotes, variables, globs; number of fields
char *expand_plain(const char *raw);                         // the same without splitting or globs

// builtins.c
struct builtin {
  const char *name;
  int (*run)(char *argv[]);
};
extern const struct builtin builtins[];  // ends with a nameless one
const struct builtin *find_builtin(const char *name);
int status_of(int status);  // what $? holds for wait4's status

// edit.c: the line editor
char *edit_line(const char *prompt);  // a malloc'ed line, "" after ^C, NULL at the end of input
void add_history(const char *line);
void print_history(void);
