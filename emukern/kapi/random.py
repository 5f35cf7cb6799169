"""include/linux/random.h: one generator for the whole machine, seeded, so every run gets the same numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from emukern.kapi.export import export
from emukern.ptr import Ptr

if TYPE_CHECKING:
    from emukern.kernel.kernel import Kernel


@export("void get_random_bytes(void *to, size_t size)")
def get_random_bytes(k: Kernel, to: Ptr, size: int) -> None:
    k.mem.write(to, k.rng.randbytes(size))


@export("size_t get_random_bytes_arch(void *to, size_t size)")
def get_random_bytes_arch(k: Kernel, to: Ptr, size: int) -> int:
    k.mem.write(to, k.rng.randbytes(size))
    return size


@export("u8 get_random_u8(void)")
def get_random_u8(k: Kernel) -> int:
    return k.rng.getrandbits(8)


@export("u16 get_random_u16(void)")
def get_random_u16(k: Kernel) -> int:
    return k.rng.getrandbits(16)


@export("u32 get_random_u32(void)")
def get_random_u32(k: Kernel) -> int:
    return k.rng.getrandbits(32)


@export("u64 get_random_u64(void)", aliases=("get_random_long",))
def get_random_u64(k: Kernel) -> int:
    return k.rng.getrandbits(64)


@export("u32 __get_random_u32_below(u32 ceiling)")
def __get_random_u32_below(k: Kernel, ceiling: int) -> int:
    """Below `ceiling`; 0 stands for 2**32."""
    return k.rng.randrange(ceiling or 1 << 32)


@export("bool rng_is_initialized(void)")
def rng_is_initialized(k: Kernel) -> bool:
    return True


@export("int wait_for_random_bytes(void)")
def wait_for_random_bytes(k: Kernel) -> int:
    return 0


@export("void add_device_randomness(const void *data, size_t size)")
def add_device_randomness(k: Kernel, data: Ptr, size: int) -> None:
    """Entropy is not wanted: runs must repeat."""
