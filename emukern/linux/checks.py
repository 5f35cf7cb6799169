"""What to look at twice: complaints of the kernel in its messages, and what a module left behind."""

from __future__ import annotations

import re
from typing import Any

from emukern.linux.outcome import Message

# The kernel's own words (arch/*/kernel/traps.c, mm/fault.c, kernel/panic.c, kernel/watchdog.c, lib/refcount.c …).
COMPLAINTS = {
    "oops": re.compile(
        r"(?:Internal error: )?Oops\b|(?:\[ *\d+\] )?kernel BUG at |BUG: (?:kernel|unable|scheduling|stack)"
        r"|Unable to handle kernel |general protection fault|Kernel panic - |divide error:|invalid opcode:"
    ),
    "stall": re.compile(r"(?:watchdog: )?BUG: (?:soft|workqueue) lockup|(?:rcu: )?INFO: (?:rcu_|task .* blocked for )"),
    "warning": re.compile(r"WARNING: .*\bCPU\b|UBSAN: |BUG: "),
    "corruption": re.compile(
        r"refcount_t: |list_(?:add|del) corruption|sysfs: cannot create duplicate|Slab cache still has objects"
        r"|BUG \S+ \(.*\): Objects remaining|kobject: .* tried to init an initialized object"
    ),
}


def complaints(messages: list[Message]) -> list[str]:
    """`kind: first line` of each message with which the kernel complains."""
    found = []
    for message in messages:
        line = message["text"].partition("\n")[0]
        kind = next((kind for kind, words in COMPLAINTS.items() if words.match(line)), None)
        if kind is not None:
            found.append(f"{kind}: {line}")
    return found


def died(messages: list[Message]) -> bool:
    """Whether some task died while these were written."""
    return any(found.startswith("oops: ") for found in complaints(messages))


def references(guest: Any) -> dict[str, int]:
    """Module → its reference count, read from the guest's memory: a program that asked would change the guest."""
    if hasattr(guest, "k"):
        return {name: module.refcnt for name, module in guest.k.modules.items()}
    mem, btf = guest.machine.mem, guest.btf
    try:
        at = {member: btf.offset("struct module", member) for member in ("list", "name", "refcnt")}
    except LookupError:
        return {}  # a kernel that cannot unload modules does not count
    head = guest.address("modules")
    found, entry = {}, mem.u64(head)
    while entry != head:
        module = entry - at["list"]
        found[mem.cstr(module + at["name"]).decode("latin-1")] = mem.u32(module + at["refcnt"])
        entry = mem.u64(entry)
    return found


class Belongings:
    """What a guest holds at one moment, to be compared with later."""

    def __init__(self, guest: Any) -> None:
        self.references = references(guest)
        leaks = guest.leaks() if hasattr(guest, "leaks") else ()  # only a heap of our own tells whose a block is
        self.blocks = {address: (size, who) for address, size, who in leaks}

    def left_in(self, guest: Any, name: str) -> list[str]:
        """What is there after the module `name` was removed that was not there before it came."""
        after = Belongings(guest)
        found = [f"left: {name} is still loaded"] if name in after.references else []
        if after.references.keys() == self.references.keys():  # else others have come, and hold what they need
            more = {other: count - self.references[other] for other, count in after.references.items()}
            found += [f"left: {count} references to {other}" for other, count in more.items() if count > 0]
        new = after.blocks.items() - self.blocks.items()
        found += sorted(f"leak: {size} bytes of {who}" for _, (size, who) in new if who.endswith(f"[{name}]"))
        return found
