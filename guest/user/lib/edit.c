// The shell's line editor: the terminal is raw while a line is typed and as it was while a command runs.
#include "shell.h"

#if __SIZEOF_POINTER__ == 8

#define CONTROL(letter) ((letter) - '@')
#define DELETE 0x7f

// keys that arrive as escape sequences
enum { KEY_NONE = 256, KEY_UP, KEY_DOWN, KEY_LEFT, KEY_RIGHT, KEY_HOME, KEY_END, KEY_DELETE, KEY_EOF };

static struct {
  const char *prompt;
  char text[2048];
  int length, cursor;
  int columns;
  int history_at;  // the entry shown; history_count is the new line
} line;

static char *history[128];
static int history_count;
static char *draft;  // the new line, while an old one is shown

void
add_history(const char *text)
{
  if(*text == 0 || (history_count > 0 && strcmp(history[history_count - 1], text) == 0))
    return;
  if(history_count == LENGTH(history)){
    free(history[0]);
    memmove(history, history + 1, --history_count * sizeof(history[0]));
  }
  history[history_count++] = strdup(text);
}

void
print_history(void)
{
  for(int i = 0; i < history_count; i++)
    printf("%4d  %s\n", i + 1, history[i]);
}

static int
read_byte(void)
{
  u8 c;

  return read(0, &c, 1) == 1 ? c : KEY_EOF;
}

// ESC [ A, ESC O H, ESC [ 3 ~ ...
static int
read_escape(void)
{
  int c = read_byte(), number = 0;

  if(c != '[' && c != 'O')
    return KEY_NONE;
  for(c = read_byte(); isdigit(c) || c == ';'; c = read_byte())
    if(c != ';')
      number = 10 * number + c - '0';
  switch(c){
  case 'A':
    return KEY_UP;
  case 'B':
    return KEY_DOWN;
  case 'C':
    return KEY_RIGHT;
  case 'D':
    return KEY_LEFT;
  case 'H':
    return KEY_HOME;
  case 'F':
    return KEY_END;
  case '~':
    if(number == 3)
      return KEY_DELETE;
    if(number == 1 || number == 7)
      return KEY_HOME;
    if(number == 4 || number == 8)
      return KEY_END;
  }
  return c == KEY_EOF ? KEY_EOF : KEY_NONE;
}

// draw the line again; one longer than the screen scrolls sideways so that it stays one row
static void
refresh(void)
{
  int room = line.columns - (int)strlen(line.prompt) - 1, first = 0, shown;
  char row[sizeof(line.text) + PATH_MAX + 64];
  int n;

  if(room < 8)
    room = 8;
  if(line.cursor > room)
    first = line.cursor - room;
  shown = line.length - first < room ? line.length - first : room;
  n = snprintf(row, sizeof(row), "\r%s%.*s\033[K", line.prompt, shown, line.text + first);
  if(line.cursor - first < shown)
    n += snprintf(row + n, sizeof(row) - n, "\033[%dD", shown - (line.cursor - first));
  write_all(1, row, n);
}

static void
insert(const char *what, int n)
{
  int fits = strlen(line.prompt) + line.length + n < (size_t)line.columns;

  if(line.length + n >= (int)sizeof(line.text))
    return;
  memmove(line.text + line.cursor + n, line.text + line.cursor, line.length - line.cursor + 1);
  memcpy(line.text + line.cursor, what, n);
  line.length += n;
  line.cursor += n;
  if(line.cursor == line.length && fits)
    write_all(1, what, n);  // typing at the end needs no redrawing
  else
    refresh();
}

static void
erase(int from, int to)
{
  memmove(line.text + from, line.text + to, line.length - to + 1);
  line.length -= to - from;
  line.cursor = from;
  refresh();
}

static void
show(const char *text)
{
  snprintf(line.text, sizeof(line.text), "%s", text);
  line.length = line.cursor = strlen(line.text);
  refresh();
}

static void
move_in_history(int to)
{
  if(to < 0 || to > history_count)
    return;
  if(line.history_at == history_count){
    free(draft);
    draft = strdup(line.text);
  }
  line.history_at = to;
  show(to == history_count ? draft : history[to]);
}

static int
word_start(void)
{
  int at = line.cursor;

  while(at > 0 && isspace(line.text[at - 1]))
    at--;
  while(at > 0 && !isspace(line.text[at - 1]))
    at--;
  return at;
}

// programs in PATH and the shell's own commands
static int
complete_command(const char *start, char **found, int limit)
{
  const char *path = getenv("PATH"), *end;
  char pattern[512];
  int n = 0;

  for(const struct builtin *b = builtins; b->name != NULL && n < limit; b++)
    if(strncmp(b->name, start, strlen(start)) == 0)
      found[n++] = strdup(b->name);
  for(; path != NULL && *path; path = *end ? end + 1 : end){
    int first = n;

    if((end = strchr(path, ':')) == NULL)
      end = path + strlen(path);
    snprintf(pattern, sizeof(pattern), "%.*s/%s*", (int)(end - path), path, start);
    n += glob(pattern, found + n, limit - n);
    for(int i = first; i < n; i++)
      strcpy(found[i], basename(found[i]));
  }
  return n;
}

static int
common_length(char **found, int n)
{
  int same = strlen(found[0]);

  for(int i = 1; i < n; i++)
    for(int at = 0; at < same; at++)
      if(found[i][at] != found[0][at])
        same = at;
  return same;
}

// TAB: finish the word as far as it is certain, and list the choices when that is not at all
static void
complete(void)
{
  static char *found[256];
  char start[512], pattern[514];
  int from = line.cursor, before, n, same;
  struct stat st;

  while(from > 0 && strchr(" ;|&<>", line.text[from - 1]) == NULL)
    from--;
  for(before = from; before > 0 && line.text[before - 1] == ' '; before--)
    ;
  snprintf(start, sizeof(start), "%.*s", line.cursor - from, line.text + from);
  if(strchr(start, '/') == NULL && (before == 0 || strchr(";|&", line.text[before - 1]) != NULL))
    n = complete_command(start, found, LENGTH(found));
  else {
    snprintf(pattern, sizeof(pattern), "%s*", start);
    n = glob(pattern, found, LENGTH(found));
  }
  if(n == 0)
    return;
  same = common_length(found, n) - (int)strlen(start);
  if(same > 0)
    insert(found[0] + strlen(start), same);
  if(n == 1)
    insert(stat(found[0], &st) == 0 && (st.st_mode & S_IFMT) == S_IFDIR ? "/" : " ", 1);
  else if(same <= 0){
    for(int i = 0; i < n; i++)
      printf("%s%s", i == 0 ? "\n" : "  ", basename(found[i]));
    printf("\n");
    refresh();
  }
  while(n > 0)
    free(found[--n]);
}

static void
move_cursor(int to)
{
  if(0 <= to && to <= line.length){
    line.cursor = to;
    refresh();
  }
}

static void
edit(int key)
{
  char c = key;

  if(key == KEY_UP || key == CONTROL('P'))
    move_in_history(line.history_at - 1);
  else if(key == KEY_DOWN || key == CONTROL('N'))
    move_in_history(line.history_at + 1);
  else if(key == KEY_LEFT || key == CONTROL('B'))
    move_cursor(line.cursor - 1);
  else if(key == KEY_RIGHT || key == CONTROL('F'))
    move_cursor(line.cursor + 1);
  else if(key == KEY_HOME || key == CONTROL('A'))
    move_cursor(0);
  else if(key == KEY_END || key == CONTROL('E'))
    move_cursor(line.length);
  else if((key == DELETE || key == CONTROL('H')) && line.cursor > 0)
    erase(line.cursor - 1, line.cursor);
  else if((key == KEY_DELETE || key == CONTROL('D')) && line.cursor < line.length)
    erase(line.cursor, line.cursor + 1);
  else if(key == CONTROL('U'))
    erase(0, line.cursor);
  else if(key == CONTROL('K'))
    erase(line.cursor, line.length);
  else if(key == CONTROL('W'))
    erase(word_start(), line.cursor);
  else if(key == CONTROL('L')){
    write_all(1, "\033[H\033[2J", 7);
    refresh();
  } else if(key == '\t')
    complete();
  else if(' ' <= key && key < 256 && key != DELETE)
    insert(&c, 1);
}

static char *
read_keys(void)
{
  for(;;){
    int key = read_byte();

    if(key == 033)
      key = read_escape();
    if(key == '\r' || key == '\n'){
      write_all(1, "\n", 1);
      return strdup(line.text);
    }
    if(key == CONTROL('C')){
      write_all(1, "^C\n", 3);
      return strdup("");
    }
    if(key == KEY_EOF || (key == CONTROL('D') && line.length == 0)){
      write_all(1, "\n", 1);
      return NULL;
    }
    edit(key);
  }
}

char *
edit_line(const char *prompt)
{
  struct termios before, raw;
  struct winsize size = {0};
  char *text;

  ioctl(0, TIOCGWINSZ, &size);
  line.columns = size.ws_col > 0 ? size.ws_col : 80;
  line.prompt = prompt;
  line.text[0] = 0;
  line.length = line.cursor = 0;
  line.history_at = history_count;
  ioctl(0, TCGETS, &before);
  raw = before;
  raw.c_iflag &= ~IXON;
  raw.c_lflag &= ~(ICANON | ECHO | ISIG | IEXTEN);
  raw.c_cc[VMIN] = 1;
  raw.c_cc[VTIME] = 0;
  ioctl(0, TCSETSW, &raw);
  write_all(1, prompt, strlen(prompt));
  text = read_keys();
  ioctl(0, TCSETSW, &before);
  return text;
}

#endif
