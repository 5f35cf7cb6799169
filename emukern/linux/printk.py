"""The kernel log of a borrowed kernel, read straight from its memory (kernel/printk/printk_ringbuffer.c, since 5.10).

Two arrays hold a descriptor and an info for each record, a third ring the texts as blocks that begin with the record's
id. Ids and text positions only ever grow; their low bits are the index. A record can be read once it is final, which
one without a newline at its end becomes with the next record, as for readers of /dev/kmsg.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from emukern.errors import ImageError
from emukern.kernel.log import Record

if TYPE_CHECKING:
    from emukern.linux.btf import Btf

FINAL, REUSABLE = 2, 3  # states of a descriptor, in the two highest bits of its id
STATE_SHIFT = 62
IDS = (1 << STATE_SHIFT) - 1
POSITIONS = (1 << 64) - 1  # texts start just below the end of them, so that they soon wrap
DATALESS, EMPTY_LINE = 1, 3  # text positions that are none: any odd one, and that of an empty text
BLOCK_HEADER = 8
MOST_BITS = 24  # of a ring's size; more is no ring


class Reader(Protocol):
    """Guest memory by virtual address."""

    def read(self, address: int, n: int, /) -> bytes: ...
    def u64(self, address: int, /) -> int: ...


class Symbols(Protocol):
    """The kernel's own names."""

    def address(self, name: str, /) -> int | None: ...


@dataclass(frozen=True, slots=True)
class Layout:
    """Offsets in the ring's structures, and their sizes, in bytes; the same for every boot of an image."""

    ring: int
    count_bits: int
    descs: int
    infos: int
    head: int
    tail: int
    text_bits: int
    text: int
    desc: int
    state: int
    begin: int
    next: int
    info: int
    seq: int
    time: int
    length: int
    level: tuple[int, int, int]  # byte, first bit, width

    @classmethod
    def of(cls, btf: Btf) -> Layout:
        """As the kernel's types tell it. Raises ImageError for a kernel with another kind of log."""
        ring, desc, info = "struct printk_ringbuffer", "struct prb_desc", "struct printk_info"
        level = btf.field(info, "level")
        return cls(
            ring=btf.size(ring),
            count_bits=btf.offset(ring, "desc_ring.count_bits"),
            descs=btf.offset(ring, "desc_ring.descs"),
            infos=btf.offset(ring, "desc_ring.infos"),
            head=btf.offset(ring, "desc_ring.head_id"),
            tail=btf.offset(ring, "desc_ring.tail_id"),
            text_bits=btf.offset(ring, "text_data_ring.size_bits"),
            text=btf.offset(ring, "text_data_ring.data"),
            desc=btf.size(desc),
            state=btf.offset(desc, "state_var"),
            begin=btf.offset(desc, "text_blk_lpos.begin"),
            next=btf.offset(desc, "text_blk_lpos.next"),
            info=btf.size(info),
            seq=btf.offset(info, "seq"),
            time=btf.offset(info, "ts_nsec"),
            length=btf.offset(info, "text_len"),
            level=(level.offset, level.bit & 7, level.width or 8),
        )


@dataclass(frozen=True, slots=True)
class _State:
    """The ring's own fields at this moment."""

    count: int
    descs: int
    infos: int
    head: int
    tail: int
    text_size: int
    text: int


class Ring:
    """Reads the log through `mem`. Raises ImageError for a kernel without such a log."""

    def __init__(self, mem: Reader, btf: Btf | Layout, symbols: Symbols) -> None:
        self.mem = mem
        self.layout = btf if isinstance(btf, Layout) else Layout.of(btf)
        pointer = symbols.address("prb")
        if pointer is None:
            raise ImageError("the kernel has no log that emukern can read: it has no symbol prb")
        self._pointer = pointer

    def records(self, since: int = 0) -> list[Record]:
        """The records from number `since` on that are final and still there, oldest first.

        A record of several lines is one Record. Raises GuestFault before the kernel has its page tables.
        """
        state = self._state()
        total = min((state.head - state.tail & IDS) + 1, state.count)
        wanted = min(total, self._newer(state, since)) if since else total
        return [record for record in self._last(state, wanted) if record.seq >= since]

    def _state(self) -> _State:
        layout = self.layout
        raw = self.mem.read(self.mem.u64(self._pointer), layout.ring)

        def u32(at: int) -> int:
            return int(struct.unpack_from("<I", raw, at)[0])

        def u64(at: int) -> int:
            return int(struct.unpack_from("<Q", raw, at)[0])

        count_bits, text_bits = u32(layout.count_bits), u32(layout.text_bits)
        if max(count_bits, text_bits) > MOST_BITS:
            raise ImageError("the kernel's log is damaged")
        return _State(
            count=1 << count_bits,
            descs=u64(layout.descs),
            infos=u64(layout.infos),
            head=u64(layout.head) & IDS,
            tail=u64(layout.tail) & IDS,
            text_size=1 << text_bits,
            text=u64(layout.text),
        )

    def _newer(self, state: _State, since: int) -> int:
        """Records from number `since` to the newest; all of them while the newest is being made."""
        layout, index = self.layout, state.head & state.count - 1
        var = self.mem.u64(state.descs + index * layout.desc + layout.state)
        if var & IDS != state.head or not var >> STATE_SHIFT:
            return state.count
        newest = self.mem.u64(state.infos + index * layout.info + layout.seq)
        return max(0, newest - since + 1)

    def _last(self, state: _State, wanted: int) -> Iterator[Record]:
        """The newest `wanted` records up to the first that is not final."""
        if not wanted:
            return
        layout = self.layout
        first = state.head - wanted + 1 & IDS
        descs = self._slots(state.descs, layout.desc, first, wanted, state.count)
        infos = self._slots(state.infos, layout.info, first, wanted, state.count)
        texts = self.mem.read(state.text, state.text_size) if wanted > 8 else None
        for i in range(wanted):
            id_ = first + i & IDS
            var, begin, end = (
                struct.unpack_from("<Q", descs, i * layout.desc + at)[0]
                for at in (layout.state, layout.begin, layout.next)
            )
            if var & IDS != id_ or var >> STATE_SHIFT < FINAL:
                return
            info = infos[i * layout.info : (i + 1) * layout.info]
            text = self._text(state, texts, id_, begin, end, info) if var >> STATE_SHIFT == FINAL else None
            if text is not None:
                yield self._record(info, text)

    def _slots(self, base: int, size: int, first: int, wanted: int, count: int) -> bytes:
        """`wanted` elements of a round array of `count`, from number `first` on."""
        index = first & count - 1
        straight = min(wanted, count - index)
        found = self.mem.read(base + index * size, straight * size)
        return found if straight == wanted else found + self.mem.read(base, (wanted - straight) * size)

    def _text(self, state: _State, texts: bytes | None, id_: int, begin: int, end: int, info: bytes) -> bytes | None:
        """A record's text; None when it is lost."""
        if begin & DATALESS:
            return b"" if begin == EMPTY_LINE else None
        size = state.text_size
        length: int = struct.unpack_from("<H", info, self.layout.length)[0]
        at = begin & size - 1
        room = end - begin & POSITIONS
        if begin // size != (end - 1 & POSITIONS) // size:  # did not fit before the end: all of it is at the start
            at, room = 0, end & size - 1
        length = min(length, room - BLOCK_HEADER, size - at - BLOCK_HEADER)
        if length < 0:
            return None
        whole = BLOCK_HEADER + length
        block = self.mem.read(state.text + at, whole) if texts is None else texts[at : at + whole]
        return block[BLOCK_HEADER:] if struct.unpack_from("<Q", block)[0] & IDS == id_ else None

    def _record(self, info: bytes, text: bytes) -> Record:
        seq, time = (struct.unpack_from("<Q", info, at)[0] for at in (self.layout.seq, self.layout.time))
        byte, bit, width = self.layout.level
        level = info[byte] >> bit & (1 << width) - 1
        return Record(seq, level & 7, time, text.decode("utf-8", "surrogateescape"))
