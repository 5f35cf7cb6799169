// First-fit allocation on brk: a ring of free blocks in address order, joined when they touch.
#include "user.h"

struct block {
  struct block *next;
  size_t size;  // in units of sizeof(struct block), this header included
};

static struct block ring = {&ring, 0};
static struct block *last = &ring;

void
free(void *p)
{
  struct block *block, *at;

  if(p == NULL)
    return;
  block = (struct block *)p - 1;
  for(at = last; !(at < block && block < at->next); at = at->next)
    if(at >= at->next && (at < block || block < at->next))
      break;  // block lies beyond one end of the heap
  if(block + block->size == at->next){
    block->size += at->next->size;
    block->next = at->next->next;
  } else
    block->next = at->next;
  if(at + at->size == block){
    at->size += block->size;
    at->next = block->next;
  } else
    at->next = block;
  last = at;
}

// get more memory from the kernel, at least 16 KiB so that small programs ask once
static int
more(size_t units)
{
  struct block *block;

  if(units < 16384 / sizeof(struct block))
    units = 16384 / sizeof(struct block);
  if((block = sbrk(units * sizeof(struct block))) == (void *)-1)
    return -1;
  block->size = units;
  free(block + 1);
  return 0;
}

void *
malloc(size_t n)
{
  size_t units = (n + sizeof(struct block) - 1) / sizeof(struct block) + 1;
  struct block *before, *block;

  if(n > 1UL << 30){
    errno = ENOMEM;
    return NULL;
  }
  for(before = last;; before = block){
    block = before->next;
    if(block->size >= units)
      break;
    if(block == last && more(units) < 0)
      return NULL;
  }
  if(block->size == units)
    before->next = block->next;
  else {
    block->size -= units;
    block += block->size;
    block->size = units;
  }
  last = before;
  return block + 1;
}

void *
realloc(void *p, size_t n)
{
  size_t old = p != NULL ? (((struct block *)p)[-1].size - 1) * sizeof(struct block) : 0;
  void *new;

  if(n <= old)
    return p;
  if((new = malloc(n)) == NULL)
    return NULL;
  memcpy(new, p, old);
  free(p);
  return new;
}

char *
strdup(const char *s)
{
  char *copy = malloc(strlen(s) + 1);

  return copy != NULL ? strcpy(copy, s) : NULL;
}
