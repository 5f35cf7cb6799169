"""depmod's text files: modules.dep, modules.alias and modules.softdep, read and written.

modules.dep has a line `path: path path…` for each module, with everything the module needs, in the order in which to
remove it: the last one is to be inserted first. modules.alias has `alias PATTERN MODULE`, modules.softdep
`softdep MODULE pre: … post: …`. Lines that start with # are comments. See modules.dep(5) and modprobe.d(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

_BRACKETS = re.compile(r"(\[[^]]*\])")


def module_name(path: str) -> str:
    """The module's name: `kernel/lib/crc-itu-t.ko.xz` → `crc_itu_t`."""
    return path.rpartition("/")[2].partition(".ko")[0].replace("-", "_")


def normal_alias(alias: str) -> str:
    """An alias as it is compared: - and _ are the same, except in a pattern's [a-z]."""
    if "-" not in alias:
        return alias
    return "".join(part if part.startswith("[") else part.replace("-", "_") for part in _BRACKETS.split(alias))


def parse(text: str) -> dict[str, list[str]]:
    """Path → the paths of what it needs, as the file has them."""
    found = {}
    for line in text.splitlines():
        path, colon, needs = line.partition(":")
        if colon:
            found[path.strip()] = needs.split()
    return found


def parse_aliases(text: str) -> list[tuple[str, str]]:
    """(pattern, module name) of modules.alias and modules.symbols, in their order."""
    rows = (line.split(" ", 2) for line in text.splitlines())
    return [(row[1], row[2].strip().replace("-", "_")) for row in rows if len(row) == 3 and row[0] == "alias"]


def parse_softdeps(text: str) -> dict[str, tuple[list[str], list[str]]]:
    """Module name → what to insert before it and after it. Of several lines about a module only the first counts."""
    found: dict[str, tuple[list[str], list[str]]] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) > 1 and words[0] == "softdep":
            found.setdefault(words[1].replace("-", "_"), split_softdep(words[2:]))
    return found


def split_softdep(words: Iterable[str]) -> tuple[list[str], list[str]]:
    """The modules after `pre:` and after `post:`; those before either word do not count."""
    pre: list[str] = []
    post: list[str] = []
    into: list[str] = []
    for word in words:
        if word in ("pre:", "post:"):
            into = pre if word == "pre:" else post
        else:
            into.append(word)
    return pre, post


def insertion_order(needs: Mapping[str, Iterable[str]], path: str) -> list[str]:
    """What to insert, in order, `path` itself last; for direct and for full lists alike."""
    order: list[str] = []
    visiting: set[str] = set()

    def visit(one: str) -> None:
        if one in order:
            return
        if one in visiting:
            raise ValueError(f"modules depend on each other: {' '.join(sorted(visiting))}")
        visiting.add(one)
        for other in reversed(list(needs.get(one, ()))):
            visit(other)
        visiting.discard(one)
        order.append(one)

    visit(path)
    return order


def write(direct: Mapping[str, Sequence[str]]) -> str:
    """The text of modules.dep for modules in the order of modules.order, given what each needs itself.

    The paths on a line stand as depmod puts them: it ranks all modules once, users before what they use, always going
    on with the one that became free last. Modules that need each other are ranked last.
    """
    users = dict.fromkeys(direct, 0)
    for needs in direct.values():
        for one in needs:
            users[one] += 1
    free = [path for path, count in users.items() if not count]
    rank: dict[str, int] = {}
    while free:
        path = free.pop()
        rank[path] = len(rank)
        for one in direct[path]:
            users[one] -= 1
            if not users[one]:
                free.append(one)
    for path in direct:
        rank.setdefault(path, len(rank))
    everything: dict[str, set[str]] = {}
    for path in sorted(direct, key=rank.__getitem__, reverse=True):
        everything[path] = {two for one in direct[path] for two in (one, *everything.get(one, ())) if two != path}
    rows = ([f"{path}:", *sorted(needs, key=rank.__getitem__)] for path, needs in everything.items())
    text = {row[0]: " ".join(row) + "\n" for row in rows}
    return "".join(text[f"{path}:"] for path in direct)
