"""kmalloc and its kin, strings that allocate, object caches."""

from __future__ import annotations

import errno

GFP, ZERO, ATOMIC = 0xCC0, 0x100, 0xA20


def test_kmalloc_gives_clear_memory_and_kfree_takes_it_back(m):
    address = m.call("kmalloc", 100, GFP)
    assert m.k.mem.read(address, 128) == bytes(128)
    assert m.call("ksize", address) == 128
    m.call("kfree", address)
    assert m.guest.leaks() == []
    assert m.call("__kmalloc", 100, GFP | ZERO) == address


def test_a_double_free_is_an_oops_with_both_owners(m):
    address = m.call("kmalloc", 20, GFP)
    m.call("kfree", address)
    assert "BUG kmalloc-32: Object already free" in m.oops("kfree", address)


def test_multiplication_does_not_overflow(m):
    assert m.call("kmalloc_array", 1 << 62, 8, GFP) == 0
    assert m.call("kcalloc", 5, 8, GFP) != 0


def test_krealloc_keeps_the_content(m):
    address = m.put(b"keep me\0")
    moved = m.call("krealloc", address, 500, GFP)
    assert m.text(moved) == b"keep me"


def test_kvmalloc_chooses_and_kvfree_knows(m):
    small, large = m.call("kvmalloc_node", 100, GFP, -1), m.call("kvmalloc_node", 1 << 20, GFP, -1)
    assert m.call("is_vmalloc_addr", small) == 0
    assert m.call("is_vmalloc_addr", large) == 1
    m.call("kvfree", small)
    m.call("kvfree", large)
    assert m.guest.leaks() == []


def test_pages_are_whole_and_aligned(m):
    address = m.call("__get_free_pages", GFP, 2)
    assert address % (4 * 4096) == 0
    m.call("free_pages", address, 2)
    assert m.guest.leaks() == []


def test_string_copies(m):
    s = m.put(b"hello\0")
    assert m.text(m.call("kstrdup", s, GFP)) == b"hello"
    assert m.text(m.call("kstrndup", s, 3, GFP)) == b"hel"
    assert m.text(m.call("kmemdup_nul", s, 4, GFP)) == b"hell"
    assert m.call("kstrdup", 0, GFP) == 0
    assert m.call("memdup_user", 0x1000, 8) == -errno.EFAULT


def test_failed_allocations_answer_null(m):
    m.k.heap.fail_nth = 1
    assert m.call("kmalloc", 10, GFP) == 0


def test_a_cache_knows_its_objects(m):
    name = m.put(b"things\0")
    cache = m.call("kmem_cache_create", name, 40, 0, 0, 0)
    other = m.call("kmem_cache_create", name, 40, 0, 0, 0)
    thing = m.call("kmem_cache_alloc", cache, GFP)
    m.call("kmem_cache_destroy", cache)
    assert "BUG things (Not tainted): Objects remaining in things on __kmem_cache_shutdown()" in m.log()
    assert "Wrong slab cache. things" in m.oops("kmem_cache_free", other, thing)
    m.call("kmem_cache_free", cache, thing)
    m.call("kmem_cache_destroy", cache)
    m.call("kmem_cache_destroy", other)
    assert m.guest.leaks() == []


def test_a_cache_runs_its_constructor(m):
    """strlen stands in for one: called with the object, its result ignored."""
    cache = m.call("kmem_cache_create", m.put(b"c\0"), 64, 64, 0, m.guest.address("strlen"))
    thing = m.call("kmem_cache_alloc", cache, GFP)
    assert thing % 64 == 0


def test_a_copy_beyond_a_heap_object_is_stopped(m):
    address = m.call("kmalloc", 16, GFP)
    m.call("__check_object_size", address, 16, 1)
    assert "usercopy: Kernel memory exposure attempt detected" in m.oops("__check_object_size", address, 17, 1)
