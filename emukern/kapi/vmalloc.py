"""include/linux/vmalloc.h: memory in whole pages, contiguous in virtual addresses. Fresh pages are always zero."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.kapi.export import export
from emukern.kernel.blocking import might_sleep
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel


@export(
    "void *vmalloc(unsigned long size)",
    aliases=("vzalloc", "vmalloc_noprof", "vzalloc_noprof", "vmalloc_user", "vmalloc_user_noprof", "vmalloc_32"),
)
def vmalloc(k: Kernel, size: int) -> int:
    might_sleep(k, "vmalloc")
    return k.heap.valloc(size, by=k.caller)


@export("void *vmalloc_node(unsigned long size, int node)", aliases=("vzalloc_node", "vmalloc_node_noprof"))
def vmalloc_node(k: Kernel, size: int, node: int) -> int:
    answer: int = vmalloc(k, size)
    return answer


@export("void *__vmalloc(unsigned long size, gfp_t flags)", aliases=("__vmalloc_noprof",))
def __vmalloc(k: Kernel, size: int, flags: int) -> int:
    return k.heap.valloc(size, by=k.caller)


@export("void vfree(const void *address)")
def vfree(k: Kernel, address: Ptr) -> None:
    k.heap.vfree(address.addr_, by=k.caller)


@export("bool is_vmalloc_addr(const void *address)")
def is_vmalloc_addr(k: Kernel, address: Ptr) -> bool:
    layout = k.arch.layout
    return 0 <= address.addr_ - layout.vmalloc < layout.vmalloc_size
