// insmod [-f] FILE [PARAM=VALUE...]: put a module into the kernel. The exit status is Linux's errno.
#include "user.h"

// four errnos mean something else when they come from the module loader (kmod's words)
static const char *
module_strerror(int number)
{
  switch(number){
  case ENOEXEC:
    return "Invalid module format";
  case ENOENT:
    return "Unknown symbol in module";
  case ESRCH:
    return "Module has wrong symbol version";
  case EINVAL:
    return "Invalid parameters";
  }
  return strerror(number);
}

// one string for the kernel; the shell took the quotes off a value with spaces, so put them back
static char *
join_params(char *argv[])
{
  size_t room = 1;
  char *params, *at, *value;

  for(char **arg = argv; *arg != NULL; arg++)
    room += strlen(*arg) + 3;
  params = at = malloc(room);
  *at = 0;
  for(; *argv != NULL; argv++){
    if(at > params)
      *at++ = ' ';
    value = strchr(*argv, '=');
    if(value != NULL && strchr(value, ' ') != NULL && value[1] != '"')
      at += snprintf(at, room - (at - params), "%.*s=\"%s\"", (int)(value - *argv), *argv, value + 1);
    else
      at += snprintf(at, room - (at - params), "%s", *argv);
  }
  return params;
}

// the kernel unpacks xz, gzip and zstd itself when told to
static int
is_compressed(const u8 *magic)
{
  return memcmp(magic, "\xfd" "7zXZ", 5) == 0 || memcmp(magic, "\x1f\x8b", 2) == 0 ||
         memcmp(magic, "\x28\xb5\x2f\xfd", 4) == 0;
}

static int
insert(int fd, const char *file, const char *params, int flags)
{
  u8 magic[6] = {0};
  char *image;
  size_t n;

  if(read(fd, magic, sizeof(magic)) < 0)  // a directory says so here
    return -1;
  if(is_compressed(magic))
    flags |= MODULE_INIT_COMPRESSED_FILE;
  if(finit_module(fd, params, flags) == 0)
    return 0;
  if(errno != ENOSYS || (image = read_file(file, &n)) == NULL)
    return -1;
  return init_module(image, n, params);
}

int
main(int argc, char *argv[])
{
  int flags = 0, fd;
  char *file;

  if(argc > 1 && strcmp(argv[1], "-f") == 0){
    flags = MODULE_INIT_IGNORE_MODVERSIONS | MODULE_INIT_IGNORE_VERMAGIC;
    argv++;
  }
  if((file = argc > 0 ? argv[1] : NULL) == NULL){
    dprintf(2, "insmod: ERROR: missing filename.\n");
    return 1;
  }
  if((fd = open(file, O_RDONLY | O_CLOEXEC)) < 0){
    dprintf(2, "insmod: ERROR: could not load module %s: %s\n", file, strerror(errno));
    return errno;
  }
  if(insert(fd, file, join_params(argv + 2), flags) < 0){
    dprintf(2, "insmod: ERROR: could not insert module %s: %s\n", file, module_strerror(errno));
    return errno;
  }
  return 0;
}
