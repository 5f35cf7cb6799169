"""include/linux/slab.h: kmalloc and its spellings in 6.1 and 6.12, object caches. The work is kernel/heap.py's.

Stock modules have kmalloc inlined down to `kmalloc_trace(kmalloc_caches[type][index], flags, size)`, or the like.
Both the cache and the size arrive, and the size says it all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.cdecl import abi
from emukern.flow import Call, continuation
from emukern.kapi.export import export, export_data
from emukern.kernel.blocking import might_sleep
from emukern.kernel.bug import KernelBug
from emukern.kernel.heap import ZERO_SIZE_PTR, size_class
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

DIRECT_RECLAIM, GFP_ZERO = 0x400, 0x100
WARNING = 4
TYPES, INDICES = 32, 16  # more rows and columns than kmalloc_caches has in any kernel
VMALLOC_FROM = 4096 << 3  # kvmalloc asks kmalloc for no more than this (PAGE_ALLOC_COSTLY_ORDER)


def allocate(k: Kernel, size: int, flags: int) -> int:
    """kmalloc for the code that called the export being answered."""
    if flags & DIRECT_RECLAIM:
        might_sleep(k, "kmalloc")
    return k.heap.alloc(size, zero=bool(flags & GFP_ZERO), by=k.caller)


@export(
    "void *kmalloc(size_t size, gfp_t flags)",
    aliases=("__kmalloc", "__kmalloc_noprof", "kmalloc_large", "kmalloc_large_noprof", "__kmalloc_large_noprof"),
)
def kmalloc(k: Kernel, size: int, flags: int) -> int:
    return allocate(k, size, flags)


@export("void *kzalloc(size_t size, gfp_t flags)")
def kzalloc(k: Kernel, size: int, flags: int) -> int:
    return allocate(k, size, flags | GFP_ZERO)


@export("void *__kmalloc_node(size_t size, gfp_t flags, int node)", aliases=("kmalloc_node", "kmalloc_large_node"))
def __kmalloc_node(k: Kernel, size: int, flags: int, node: int) -> int:
    return allocate(k, size, flags)


@export("void *__kmalloc_node_noprof(size_t size, void *buckets, gfp_t flags, int node)")
def __kmalloc_node_noprof(k: Kernel, size: int, buckets: Ptr, flags: int, node: int) -> int:
    return allocate(k, size, flags)


@export("void *__kmalloc_large_node_noprof(size_t size, gfp_t flags, int node)")
def __kmalloc_large_node_noprof(k: Kernel, size: int, flags: int, node: int) -> int:
    return allocate(k, size, flags)


@export("void *__kmalloc_node_track_caller(size_t size, gfp_t flags, int node, unsigned long caller)")
def __kmalloc_node_track_caller(k: Kernel, size: int, flags: int, node: int, caller: int) -> int:
    return allocate(k, size, flags)


@export("void *kmalloc_trace(struct kmem_cache *s, gfp_t flags, size_t size)", aliases=("__kmalloc_cache_noprof",))
def kmalloc_trace(k: Kernel, s: Ptr, flags: int, size: int) -> int:
    return allocate(k, size, flags)


@export("void *kmalloc_node_trace(struct kmem_cache *s, gfp_t flags, int node, size_t size)")
def kmalloc_node_trace(k: Kernel, s: Ptr, flags: int, node: int, size: int) -> int:
    return allocate(k, size, flags)


@export("void *__kmalloc_cache_node_noprof(struct kmem_cache *s, gfp_t flags, int node, size_t size)")
def __kmalloc_cache_node_noprof(k: Kernel, s: Ptr, flags: int, node: int, size: int) -> int:
    return allocate(k, size, flags)


@export("void *kcalloc(size_t n, size_t size, gfp_t flags)")
def kcalloc(k: Kernel, n: int, size: int, flags: int) -> int:
    """kmalloc refuses what overflows size_t, as it refuses anything so large."""
    return allocate(k, n * size, flags | GFP_ZERO)


@export("void *kmalloc_array(size_t n, size_t size, gfp_t flags)")
def kmalloc_array(k: Kernel, n: int, size: int, flags: int) -> int:
    return allocate(k, n * size, flags)


@export("void kfree(const void *object)", aliases=("kfree_sensitive", "kfree_const"))
def kfree(k: Kernel, object_: Ptr) -> None:
    """Freed objects are always cleared, as kfree_sensitive wants; kstrdup_const always copies, so kfree_const frees."""
    k.heap.free(object_.addr_, by=k.caller)


@export("void *krealloc(const void *object, size_t size, gfp_t flags)", aliases=("krealloc_noprof",))
def krealloc(k: Kernel, object_: Ptr, size: int, flags: int) -> int:
    return k.heap.realloc(object_.addr_, size, zero=bool(flags & GFP_ZERO), by=k.caller)


@export("size_t ksize(const void *object)", aliases=("__ksize",))
def ksize(k: Kernel, object_: Ptr) -> int:
    return k.heap.size_of(object_.addr_)


@export("size_t kmalloc_size_roundup(size_t size)")
def kmalloc_size_roundup(k: Kernel, size: int) -> int:
    return size_class(size) if size else 0


@export("void *kvmalloc_node(size_t size, gfp_t flags, int node)", aliases=("kvmalloc_node_noprof",))
def kvmalloc_node(k: Kernel, size: int, flags: int, node: int) -> int:
    return _either(k, size, flags)


@export("void *__kvmalloc_node_noprof(size_t size, void *buckets, gfp_t flags, int node)")
def __kvmalloc_node_noprof(k: Kernel, size: int, buckets: Ptr, flags: int, node: int) -> int:
    return _either(k, size, flags)


def _either(k: Kernel, size: int, flags: int) -> int:
    if size <= VMALLOC_FROM:
        return allocate(k, size, flags)
    return k.heap.valloc(size, by=k.caller)


@export("void kvfree(const void *address)", aliases=("kvfree_sensitive",))
def kvfree(k: Kernel, address: Ptr) -> None:
    if k.heap.is_vmalloc(address.addr_):
        k.heap.vfree(address.addr_, by=k.caller)
    else:
        k.heap.free(address.addr_, by=k.caller)


@export_data("kmalloc_caches", f"struct kmem_cache *[{TYPES * INDICES}]")
def kmalloc_caches(k: Kernel, rows: Ptr) -> None:
    """Nobody looks behind these pointers, but they must not be NULL, nor all the same."""
    for i in range(TYPES * INDICES):
        rows[i] = rows.addr_ + 8 * i


# Caches of objects of one kind.


def _create(k: Kernel, name: Ptr, size: int, align: int, flags: int, ctor: int) -> int:
    cache = Ptr(k.mem, k.heap.alloc(abi().record("struct kmem_cache").size, by=k.caller), "struct kmem_cache *")
    if cache:
        cache.name, cache.object_size, cache.size, cache.flags, cache.ctor = name, size, size, flags, ctor
        cache.align = max(align, 64 if flags & abi().constant("SLAB_HWCACHE_ALIGN") else 8)
        own = cache.address_of_("list")
        own.next = own.prev = own
    return cache.addr_


@export(
    "struct kmem_cache *kmem_cache_create(const char *name, unsigned int size, unsigned int align,"
    " slab_flags_t flags, void (*ctor)(void *object))"
)
def kmem_cache_create(k: Kernel, name: Ptr, size: int, align: int, flags: int, ctor: Ptr) -> int:
    return _create(k, name, size, align, flags, ctor.addr_)


@export(
    "struct kmem_cache *kmem_cache_create_usercopy(const char *name, unsigned int size, unsigned int align,"
    " slab_flags_t flags, unsigned int useroffset, unsigned int usersize, void (*ctor)(void *object))"
)
def kmem_cache_create_usercopy(
    k: Kernel, name: Ptr, size: int, align: int, flags: int, offset: int, usersize: int, ctor: Ptr
) -> int:
    return _create(k, name, size, align, flags, ctor.addr_)


@export(
    "struct kmem_cache *__kmem_cache_create_args(const char *name, unsigned int size, void *args, slab_flags_t flags)"
)
def __kmem_cache_create_args(k: Kernel, name: Ptr, size: int, args: Ptr, flags: int) -> int:
    """6.12. struct kmem_cache_args: align, useroffset, usersize, freeptr_offset, use_freeptr_offset, ctor."""
    return _create(k, name, size, k.mem.u32(args.addr_), flags, k.mem.u64(args.addr_ + 24))


@export(
    "void *kmem_cache_alloc(struct kmem_cache *cache, gfp_t flags)",
    aliases=("kmem_cache_alloc_noprof", "kmem_cache_zalloc"),
)
def kmem_cache_alloc(k: Kernel, cache: Ptr, flags: int) -> int | Call:
    if flags & DIRECT_RECLAIM:
        might_sleep(k, "kmem_cache_alloc")
    made = k.heap.alloc(cache.object_size, by=k.caller, align=cache.align, cache=cache.addr_)
    if made and cache.ctor:
        return Call(cache.ctor, made, then=constructed, made=made)
    return made


@continuation
def constructed(k: Kernel, rv: int, made: int) -> int:
    """The cache's constructor ran; what it returns means nothing."""
    return made


@export("void *kmem_cache_alloc_node(struct kmem_cache *cache, gfp_t flags, int node)")
def kmem_cache_alloc_node(k: Kernel, cache: Ptr, flags: int, node: int) -> int | Call:
    answer: int | Call = kmem_cache_alloc(k, cache, flags)
    return answer


@export("void kmem_cache_free(struct kmem_cache *cache, void *object)")
def kmem_cache_free(k: Kernel, cache: Ptr, object_: Ptr) -> None:
    block = k.heap.blocks.get(object_.addr_)
    if block is not None and block.cache != cache.addr_:
        name = cache.name.str_()
        raise KernelBug(f"cache_from_obj: Wrong slab cache. {name} but object {object_.addr_:016x} is of another")
    k.heap.free(object_.addr_, by=k.caller)


@export("void kmem_cache_destroy(struct kmem_cache *cache)")
def kmem_cache_destroy(k: Kernel, cache: Ptr) -> None:
    """With objects still alive the cache stays, and Linux's complaint is made."""
    if not cache:
        return
    left = k.heap.live_in(cache.addr_)
    if not left:
        k.heap.free(cache.addr_, by=k.caller)
        return
    name = cache.name.str_()
    k.log.emit(3, f"BUG {name} (Not tainted): Objects remaining in {name} on __kmem_cache_shutdown()")
    for address in left:
        k.log.emit(3, f"Object 0x{address:016x} allocated by {k.heap.blocks[address].by}")
    k.log.emit(WARNING, f"kmem_cache_destroy {name}: Slab cache still has objects when called from {k.caller}")


@export("int kmem_cache_shrink(struct kmem_cache *cache)")
def kmem_cache_shrink(k: Kernel, cache: Ptr) -> int:
    """Empty slabs go back at once anyway."""
    return 0


@export("unsigned int kmem_cache_size(struct kmem_cache *cache)")
def kmem_cache_size(k: Kernel, cache: Ptr) -> int:
    size: int = cache.object_size
    return size


assert ZERO_SIZE_PTR == 16  # compiled into modules (ZERO_OR_NULL_PTR)
