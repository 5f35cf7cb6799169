"""The public keys on the kernel's trusted keyrings, read from its memory.

A keyring (struct key) holds keys in an associative array (lib/assoc_array.c): nodes of 16 slots, shortcuts to nodes,
and leaves. An asymmetric key's payload has the key itself and identifiers; the first is the certificate's serial
number with its issuer behind it (crypto/asymmetric_keys).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from emukern.errors import GuestFault
from emukern.linux.signature import Key, public_key

if TYPE_CHECKING:
    from emukern.linux.struct_module import Kernel

KEYRINGS = ("builtin_trusted_keys", "secondary_trusted_keys")
META, SHORTCUT, LEAF_FLAG = 1, 2, 2  # low bits of struct assoc_array_ptr; the last of a keyring's leaves
CRYPTO, IDS = 0, 2  # words of the payload (enum asymmetric_payload_bits)
SLOTS = 16
MOST = 1024  # keys and nodes
LARGEST = 1 << 14  # bytes of a key


def trusted(kernel: Kernel) -> dict[bytes, Key]:
    """Serial number and issuer → key; read once. Keys that cannot be read are left out."""
    if kernel.keys is None:
        kernel.keys = {}
        for name in KEYRINGS:
            try:
                ring = kernel.word(name)
                kernel.keys |= dict(_keys(kernel, ring)) if ring else {}
            except (GuestFault, LookupError):
                continue
    return kernel.keys


def _keys(kernel: Kernel, ring: int) -> Iterator[tuple[bytes, Key]]:
    mem, btf = kernel.guest.machine.mem, kernel.btf
    payload, crypto = btf.offset("key", "payload"), btf.struct("public_key").members
    for leaf in _leaves(kernel, mem.u64(ring + btf.offset("key", "keys") + btf.offset("assoc_array", "root"))):
        key = mem.u64(leaf + payload + 8 * CRYPTO)
        ids = mem.u64(leaf + payload + 8 * IDS)
        first = mem.u64(ids) if ids else 0
        size = mem.u32(key + crypto["keylen"].offset) if key else 0
        if first and 0 < size <= LARGEST:
            data = mem.read(mem.u64(key + crypto["key"].offset), size)
            kind = mem.cstr(mem.u64(key + crypto["pkey_algo"].offset), 64).decode("latin-1")
            found = public_key(kind, data)
            if found is not None:
                yield mem.read(first + btf.offset("asymmetric_key_id", "data"), mem.u16(first)), found


def _leaves(kernel: Kernel, root: int) -> Iterator[int]:
    """The keys in an associative array; keyrings among them are left out, as they have no such payload."""
    mem, btf = kernel.guest.machine.mem, kernel.btf
    slots, onward = btf.offset("assoc_array_node", "slots"), btf.offset("assoc_array_shortcut", "next_node")
    todo = [root]
    for _ in range(MOST):
        if not todo:
            return
        at = todo.pop()
        if not at & META:
            if at and not at & LEAF_FLAG:
                yield at
        elif at & SHORTCUT:
            todo.append(mem.u64((at & ~3) + onward))
        else:
            todo += [mem.u64((at & ~3) + slots + 8 * i) for i in range(SLOTS)]
