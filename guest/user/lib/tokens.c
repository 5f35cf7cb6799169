// The shell's grammar: text to tokens, checked whole before anything runs.
#include "shell.h"

#if __SIZEOF_POINTER__ == 8

struct token tokens[4096];

// longer before shorter: the first that matches is taken
static const struct {
  const char *text;
  enum kind kind;
} operators[] = {
  {"&&", AND}, {"||", OR}, {">>", APPEND}, {">&", DUPLICATE}, {"\n", NEWLINE},
  {";", SEMICOLON}, {"&", AMPERSAND}, {"|", PIPE}, {"<", LESS}, {">", GREATER},
};

int
is_redirect(enum kind kind)
{
  return kind >= LESS;
}

// the operator at s, its length in *n; END when there is none
static enum kind
operator_at(const char *s, int *n)
{
  for(size_t i = 0; i < LENGTH(operators); i++){
    *n = strlen(operators[i].text);
    if(strncmp(s, operators[i].text, *n) == 0)
      return operators[i].kind;
  }
  return END;
}

// s is at a double quote; the place of its partner, or NULL
static char *
skip_double_quoted(char *s)
{
  for(s++; *s && *s != '"'; s++)
    if(*s == '\\' && s[1])
      s++;
  return *s ? s : NULL;
}

// the place after a word, or NULL when a quote stays open
static char *
skip_word(char *s)
{
  for(; *s && strchr(" \t\n;&|<>", *s) == NULL; s++){
    if(*s == '\\'){
      if(*++s == 0)
        return NULL;
    } else if(*s == '\'' && (s = strchr(s + 1, '\'')) == NULL)
      return NULL;
    else if(*s == '"' && (s = skip_double_quoted(s)) == NULL)
      return NULL;
  }
  return s;
}

static char *
skip_blanks(char *s)
{
  while(*s == ' ' || *s == '\t' || (*s == '\\' && s[1] == '\n'))
    s += *s == '\\' ? 2 : 1;
  if(*s == '#')
    while(*s && *s != '\n')
      s++;
  return s;
}

// is this newline one that only separates an operator from what follows, or nothing from nothing?
static int
may_continue(const struct token *newline)
{
  enum kind before = newline > tokens ? newline[-1].kind : NEWLINE;

  return before != WORD && before != SEMICOLON && before != AMPERSAND;
}

// fill tokens; 0 when the text stops in the middle of something
static int
tokenise(char *s)
{
  struct token *token;
  char *end;
  int n;

  for(token = tokens; token < tokens + LENGTH(tokens) - 1; token++){
    s = skip_blanks(s);
    *token = (struct token){.kind = END};
    if(*s == 0)
      return 1;
    end = s + (isdigit(*s) && (s[1] == '<' || s[1] == '>'));  // 2>file
    token->kind = operator_at(end, &n);
    if(token->kind != END){
      token->fd = end > s ? *s - '0' : token->kind != LESS;
      s = end + n;
      if(token->kind == NEWLINE && may_continue(token))
        token--;
      continue;
    }
    if((end = skip_word(s)) == NULL)
      return 0;
    token->kind = WORD;
    token->text = malloc(end - s + 1);
    snprintf(token->text, end - s + 1, "%s", s);
    s = end;
  }
  die("script too long");
}

static enum reading
complain_about(struct token *token)
{
  const char *what = "newline";

  for(size_t i = 0; i < LENGTH(operators); i++)
    if(operators[i].kind == token->kind && token->kind != NEWLINE)
      what = operators[i].text;
  dprintf(2, "sh: syntax error: unexpected \"%s\"\n", what);
  return WRONG;
}

// every operator stands between commands, every redirection before a name
static enum reading
check(void)
{
  int have = 0, need = 0;

  for(struct token *token = tokens; token->kind != END; token++){
    if(is_redirect(token->kind) && (++token)->kind != WORD)
      return complain_about(token);
    if(token->kind == WORD)
      have = 1;
    else if(!have && token->kind != NEWLINE)
      return complain_about(token);
    else {
      have = 0;
      need = token->kind == AND || token->kind == OR || token->kind == PIPE;
    }
  }
  return have || !need ? WHOLE : UNFINISHED;
}

enum reading
read_tokens(char *text)
{
  enum reading result = tokenise(text) ? check() : UNFINISHED;

  if(result != WHOLE)
    free_tokens();
  return result;
}

void
free_tokens(void)
{
  for(struct token *token = tokens; token->kind != END; token++)
    free(token->text);
}

#endif
