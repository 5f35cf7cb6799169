// modprobe [-q] [-r] [-a] [-n] [-D] [-v] [--] NAME [PARAM=VALUE...]: put a module and what it needs into the kernel.
// The host has the module tree: it tells what a name or an alias means, and sends the files. Words and statuses are kmod's.
#include "hypercall.h"

enum { QUIET = 'q', REMOVE = 'r', ALL = 'a', DRY = 'n', SHOW = 'D', VERBOSE = 'v' };

static const struct {
  const char *name;
  char letter;  // 's' for what changes nothing here
} long_options[] = {
  {"quiet", QUIET},     {"remove", REMOVE},        {"all", ALL},          {"dry-run", DRY},      {"show", DRY},
  {"show-depends", SHOW}, {"verbose", VERBOSE},    {"syslog", 's'},       {"use-blacklist", 's'}, {"ignore-install", 's'},
  {"ignore-remove", 's'},
};

static char given[128];
static char reply[HYPERCALL_PIECE];
static struct utsname kernel;

static _Noreturn void
misused(const char *option)
{
  dprintf(2, "modprobe: unrecognized option '%s'\n", option);
  exit(1);
}

// the first word behind the options
static char **
read_options(char **argv)
{
  for(; *argv != NULL && argv[0][0] == '-' && argv[0][1]; argv++){
    char letter = 0;

    if(strcmp(*argv, "--") == 0)
      return argv + 1;
    if(argv[0][1] != '-'){
      for(char *c = *argv + 1; *c; c++)
        if(strchr("qranDvsbi", *c) != NULL)
          given[(u8)*c] = 1;
        else
          misused(*argv);
      continue;
    }
    for(size_t i = 0; i < LENGTH(long_options); i++)
      if(strcmp(*argv + 2, long_options[i].name) == 0)
        letter = long_options[i].letter;
    if(letter == 0)
      misused(*argv);
    given[(u8)letter] = 1;
  }
  return argv;
}

static void
say(const char *what, const char *name, const char *reason)
{
  if(!given[QUIET])
    dprintf(2, what, name, reason);
}

// what is said about a loaded module in /sys/module/NAME/FILE; a module that is built in has no initstate
static char *
loaded(const char *name, const char *file)
{
  char path[256];
  size_t n;
  char *text;

  snprintf(path, sizeof(path), "/sys/module/%s/%s", name, file);
  if((text = read_file(path, &n)) == NULL || n == 0)
    return NULL;
  text[n - 1] = 0;
  return text;
}

// parameters of the command line as one string, in the host's words first
static char *
join(const char *options, char **params)
{
  size_t room = strlen(options) + 1;
  char *text;

  for(char **p = params; *p != NULL; p++)
    room += strlen(*p) + 3;
  text = malloc(room);
  strcpy(text, options);
  for(; *params != NULL; params++){
    char *value = strchr(*params, '='), *at = text + strlen(text);
    const char *gap = at > text ? " " : "";

    if(value != NULL && strchr(value, ' ') != NULL && value[1] != '"')
      snprintf(at, room - (at - text), "%s%.*s=\"%s\"", gap, (int)(value - *params), *params, value + 1);
    else
      snprintf(at, room - (at - text), "%s%s", gap, *params);
  }
  return text;
}

static const char *
insert_strerror(int number)
{
  if(number == ENOENT)
    return "Unknown symbol in module, or unknown parameter (see dmesg)";
  return strerror(number);
}

// one module; 0 unless it is needed and could not be loaded
static int
insert(struct record *answers, char **params, int skip)
{
  char *name = next_field(answers), *path = next_field(answers);
  long handle = next_number(answers), size = next_number(answers);
  char *kind = next_field(answers), *text = next_field(answers);

  if(skip)
    return 0;
  if(strcmp(kind, "target") == 0)
    text = join(text, params);
  if(given[SHOW] || given[VERBOSE])
    printf("insmod /lib/modules/%s/%s %s\n", kernel.release, path, text);
  if(given[SHOW] || given[DRY] || loaded(name, "initstate") != NULL)
    return 0;
  if(fetch_module(handle, size, text) == 0 || errno == EEXIST || strcmp(kind, "wanted") == 0)
    return 0;
  return errno;
}

static int
insert_all(struct record *answers, char **params)
{
  int failure = 0, status = 0;
  char *target = "";

  while(answers->at < answers->end){
    char *row = next_field(answers);

    if(strcmp(row, "target") == 0){
      target = next_field(answers);
      failure = 0;
    } else if(strcmp(row, "builtin") == 0){
      row = next_field(answers);
      if(given[SHOW])
        printf("builtin %s\n", row);
    } else if((failure |= insert(answers, params, failure)) != 0 && status == 0){
      say("modprobe: ERROR: could not insert '%s': %s\n", target, insert_strerror(failure));
      status = 1;
    }
  }
  return status;
}

// -1 when it is not there
static int
use_count(const char *name)
{
  char *text = loaded(name, "refcnt");

  if(loaded(name, "initstate") == NULL)
    return -1;
  return text != NULL ? atoi(text) : 0;
}

static int
remove(const char *name)
{
  int uses = use_count(name);

  if(uses < 0)
    return 0;
  if(uses > 0){
    say("modprobe: FATAL: Module %s is in use.\n", name, "");
    return 1;
  }
  if(given[VERBOSE])
    printf("rmmod %s\n", name);
  if(given[DRY] || delete_module(name, O_NONBLOCK) == 0)
    return 0;
  say("modprobe: ERROR: could not remove '%s': %s\n", name, strerror(errno));
  return 1;
}

static int
remove_all(struct record *answers)
{
  int status = 0;

  while(answers->at < answers->end && status == 0){
    char *row = next_field(answers), *name = next_field(answers);

    if(strcmp(row, "target") == 0)
      status = remove(name);
    else if(strcmp(row, "builtin") == 0){
      say("modprobe: FATAL: Module %s is builtin.\n", name, "");
      status = 1;
    } else if(use_count(name) == 0)
      remove(name);
  }
  return status;
}

// The host answers in no time. A modprobe that reads its indexes and modules from a disk takes its time, and there are
// races which on every real machine end as they do because of it: a module that its dependency asks for in the background
// as well is loaded by the one who is already at it.
static void
take_time(void)
{
  struct timespec time = {.tv_nsec = 50 * 1000 * 1000};

  nanosleep(&time, NULL);
}

static int
probe(const char *name, char **params)
{
  int length = snprintf(reply, sizeof(reply), "%s%c%s", given[REMOVE] ? "remove" : "insert", 0, name) + 1;
  struct record answers = {.at = reply};
  long n;

  touch(reply, sizeof(reply));
  if(length > (int)sizeof(reply) || (n = ask(HYPERCALL_MODPROBE, (long)reply, length, sizeof(reply))) < 0){
    if(given[REMOVE])
      say("modprobe: FATAL: Module %s not found.\n", name, "");
    else
      say("modprobe: FATAL: Module %s not found in directory /lib/modules/%s\n", name, kernel.release);
    return 1;
  }
  answers.end = reply + n;
  return given[REMOVE] ? remove_all(&answers) : insert_all(&answers, params);
}

int
main(int argc, char *argv[])
{
  char **names = read_options(argv + (argc > 0)), *none[] = {NULL};
  int status = 0;

  uname(&kernel);
  take_time();
  if(*names == NULL){
    dprintf(2, "modprobe: ERROR: missing parameters. See -h.\n");
    return 1;
  }
  if(!given[ALL] && !given[REMOVE])
    return probe(*names, names + 1);
  for(; *names != NULL; names++)
    status |= probe(*names, none);
  return status;
}
