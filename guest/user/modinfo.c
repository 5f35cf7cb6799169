// modinfo [-F FIELD] MODULE...: what a module says about itself in its .modinfo section, as kmod prints it.
// MODULE is a file, or the name of one in /lib/modules/RELEASE.
#include "user.h"

struct elf {  // Elf64_Ehdr
  u8 magic[16];
  u16 type, machine;
  u32 version;
  ulong entry, phoff, shoff;
  u32 flags;
  u16 ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct section {  // Elf64_Shdr
  u32 name, type;
  ulong flags, addr, offset, size;
  u32 link, info;
  ulong align, entsize;
};

struct param {
  struct param *next;
  const char *name, *about, *type;
  int length;  // of the name, which ends at a colon
};

static const char *field;

// the section's bytes, or NULL when the file is no such thing; every offset is checked against the file
static char *
find_section(char *image, size_t n, const char *name, size_t *length)
{
  struct elf *elf = (struct elf *)image;
  struct section *sections, *names;

  if(n < sizeof(*elf) || memcmp(image, "\177ELF\2", 5) != 0 || elf->shentsize != sizeof(*sections))
    return NULL;
  if(elf->shoff > n || elf->shnum * sizeof(*sections) > n - elf->shoff || elf->shstrndx >= elf->shnum)
    return NULL;
  sections = (struct section *)(image + elf->shoff);
  names = &sections[elf->shstrndx];
  for(int i = 1; i < elf->shnum; i++){
    struct section *s = &sections[i];

    if(s->offset > n || s->size > n - s->offset || names->offset > n || s->name >= n - names->offset)
      continue;
    if(strncmp(image + names->offset + s->name, name, n - names->offset - s->name) == 0){
      *length = s->size;
      return image + s->offset;
    }
  }
  return NULL;
}

// "parm=name:about" and "parmtype=name:type" make one entry; the newest comes first, as kmod has it
static void
add_param(struct param **params, const char *value, int is_type)
{
  const char *colon = strchr(value, ':');
  struct param *param;
  int length;

  if(colon == NULL)
    return;
  length = colon - value;
  for(param = *params; param != NULL; param = param->next)
    if(param->length == length && memcmp(param->name, value, length) == 0)
      break;
  if(param == NULL){
    param = malloc(sizeof(*param));
    *param = (struct param){.next = *params, .name = value, .length = length};
    *params = param;
  }
  *(is_type ? &param->type : &param->about) = colon + 1;
}

static void
show_params(struct param *param)
{
  const char *title = field != NULL ? "" : "parm:           ";

  for(; param != NULL; param = param->next){
    printf("%s%.*s:", title, param->length, param->name);
    if(param->about == NULL)
      printf(field != NULL ? " (%s)\n" : "%s\n", param->type);
    else if(param->type != NULL)
      printf("%s (%s)\n", param->about, param->type);
    else
      printf("%s\n", param->about);
  }
}

// the section is "key=value" strings, each with its 0
static void
show_info(char *info, size_t length)
{
  struct param *params = NULL;
  char *end = info + length, *value;

  for(char *key = info; key < end; key = value + strlen(value) + 1){
    if((value = strchr(key, '=')) == NULL){
      value = key;
      continue;
    }
    *value++ = 0;
    if(strcmp(key, "parm") == 0 || strcmp(key, "parmtype") == 0)
      add_param(&params, value, key[4] != 0);
    else if(field == NULL)
      printf("%s:%*s%s\n", key, 15 - (int)strlen(key), "", value);
    else if(strcmp(key, field) == 0)
      printf("%s\n", value);
  }
  if(field == NULL || strcmp(field, "parm") == 0)
    show_params(params);
}

// a bare name stands for the installed file
static char *
find_module(const char *name)
{
  struct utsname kernel;
  struct stat st;
  char path[PATH_MAX], cwd[PATH_MAX];

  if(stat(name, &st) == 0 && strstr(name, ".ko") != NULL)
    return *name == '/' || getcwd(cwd, sizeof(cwd)) == NULL ? strdup(name) : path_join(cwd, name);
  uname(&kernel);
  snprintf(path, sizeof(path), "/lib/modules/%s/%s.ko", kernel.release, name);
  return stat(path, &st) == 0 ? strdup(path) : NULL;
}

static int
modinfo(const char *name)
{
  char *path = find_module(name), *image, *info;
  size_t n, length;

  if(path == NULL){
    dprintf(2, "modinfo: ERROR: Module %s not found.\n", name);
    return 1;
  }
  if(field == NULL || strcmp(field, "filename") == 0)
    printf("%s%s\n", field == NULL ? "filename:       " : "", path);
  if((image = read_file(path, &n)) == NULL || (info = find_section(image, n, ".modinfo", &length)) == NULL){
    dprintf(2, "modinfo: ERROR: could not get modinfo from '%s': %s\n", name,
            strerror(image == NULL ? errno : ENOEXEC));
    return 1;
  }
  if(length > 0 && info[length - 1] == 0)
    show_info(info, length);
  return 0;
}

int
main(int argc, char *argv[])
{
  int first = 1, status = 0;

  if(argc > 2 && strcmp(argv[1], "-F") == 0){
    field = argv[2];
    first = 3;
  }
  if(first >= argc){
    dprintf(2, "modinfo: ERROR: missing module or filename.\n");
    return 1;
  }
  for(int i = first; i < argc; i++)
    status |= modinfo(argv[i]);
  return status;
}
