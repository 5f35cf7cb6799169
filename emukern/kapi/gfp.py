"""include/linux/gfp.h: whole pages of the direct map, in powers of two. Fresh pages are always zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.kapi.export import export

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel

PAGE = 4096


@export("unsigned long __get_free_pages(gfp_t flags, unsigned int order)", aliases=("get_free_pages_noprof",))
def __get_free_pages(k: Kernel, flags: int, order: int) -> int:
    return k.heap.alloc(PAGE << order, by=k.caller, align=PAGE << order) if order <= 10 else 0


@export("unsigned long get_zeroed_page(gfp_t flags)", aliases=("get_zeroed_page_noprof",))
def get_zeroed_page(k: Kernel, flags: int) -> int:
    answer: int = __get_free_pages(k, flags, 0)
    return answer


@export("void free_pages(unsigned long address, unsigned int order)")
def free_pages(k: Kernel, address: int, order: int) -> None:
    k.heap.free(address, by=k.caller)


@export("void *alloc_pages_exact(size_t size, gfp_t flags)", aliases=("alloc_pages_exact_noprof",))
def alloc_pages_exact(k: Kernel, size: int, flags: int) -> int:
    return k.heap.alloc(max(size, PAGE), by=k.caller, align=PAGE)


@export("void free_pages_exact(void *address, size_t size)")
def free_pages_exact(k: Kernel, address: int, size: int) -> None:
    k.heap.free(int(address), by=k.caller)
