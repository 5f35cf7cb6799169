// What the shell does to a word between reading it and using it: quotes, variables, splitting, globs.
#include "shell.h"

#if __SIZEOF_POINTER__ == 8

int last_status, last_background;

// the field being built keeps a backslash before quoted * ? [ \ until globbing is over
struct expansion {
  char **fields;
  int n, limit;
  char *text;
  int at, room;
  int quoted;  // "" is a field, nothing is not
  int magic;   // holds a * ? or [ that means something
  int split;
};

static void
emit_raw(struct expansion *x, char c)
{
  if(x->at + 2 > x->room && (x->text = realloc(x->text, x->room = 2 * x->room + 64)) == NULL)
    die("out of memory");
  x->text[x->at++] = c;
  x->text[x->at] = 0;
}

static void
emit(struct expansion *x, char c, int quoted)
{
  if(strchr("*?[\\", c) != NULL && c){
    if(quoted || c == '\\')
      emit_raw(x, '\\');
    else
      x->magic = 1;
  }
  emit_raw(x, c);
}

static void
unescape(char *text)
{
  char *to = text;

  for(; *text; text++){
    if(*text == '\\' && text[1])
      text++;
    *to++ = *text;
  }
  *to = 0;
}

static void
end_field(struct expansion *x)
{
  int found = 0;

  if((x->at == 0 && !x->quoted) || x->n >= x->limit)
    return;
  emit_raw(x, 0);
  if(x->magic && x->split)
    found = glob(x->text, x->fields + x->n, x->limit - x->n);
  if(found == 0){  // a pattern that matches nothing stands for itself
    unescape(x->text);
    x->fields[x->n] = strdup(x->text);
    found = 1;
  }
  x->n += found;
  x->at = x->quoted = x->magic = 0;
}

static void
emit_value(struct expansion *x, const char *value, int quoted)
{
  for(; value != NULL && *value; value++){
    if(!quoted && x->split && isspace(*value))
      end_field(x);
    else
      emit(x, *value, quoted);
  }
}

// $? $$ $! $NAME ${NAME}; answers the place after it
static const char *
expand_variable(struct expansion *x, const char *raw, int quoted)
{
  const char *start = raw + 1, *end = start;
  char name[128], number[16];
  int braces = *start == '{';

  if(*start && strchr("?$!", *start) != NULL){
    int value = *start == '?' ? last_status : *start == '$' ? getpid() : last_background;

    snprintf(number, sizeof(number), "%d", value);
    emit_value(x, number, quoted);
    return start + 1;
  }
  start += braces;
  for(end = start; isname(*end); end++)
    ;
  if(end == start || (braces && *end != '}')){
    emit(x, '$', quoted);
    return raw + 1;
  }
  snprintf(name, sizeof(name), "%.*s", (int)(end - start), start);
  emit_value(x, getenv(name), quoted);
  return end + braces;
}

static const char *
expand_double_quoted(struct expansion *x, const char *raw)
{
  while(*raw && *raw != '"'){
    if(*raw == '$'){
      raw = expand_variable(x, raw, 1);
      continue;
    }
    if(*raw == '\\' && raw[1] && strchr("$\"\\`", raw[1]) != NULL)
      raw++;
    emit(x, *raw++, 1);
  }
  return *raw ? raw + 1 : raw;
}

static void
expand(struct expansion *x, const char *raw)
{
  while(*raw){
    if(*raw == '\''){
      x->quoted = 1;
      for(raw++; *raw && *raw != '\''; raw++)
        emit(x, *raw, 1);
      raw += *raw != 0;
    } else if(*raw == '"'){
      x->quoted = 1;
      raw = expand_double_quoted(x, raw + 1);
    } else if(*raw == '$')
      raw = expand_variable(x, raw, 0);
    else if(*raw == '\\' && raw[1]){
      emit(x, raw[1], 1);
      raw += 2;
    } else
      emit(x, *raw++, 0);
  }
  end_field(x);
  free(x->text);
}

int
expand_word(const char *raw, char **fields, int limit)
{
  struct expansion x = {.fields = fields, .limit = limit, .split = 1};

  expand(&x, raw);
  return x.n;
}

char *
expand_plain(const char *raw)
{
  char *field = NULL;
  struct expansion x = {.fields = &field, .limit = 1};

  expand(&x, raw);
  return field != NULL ? field : strdup("");
}

#endif
