"""A sweep's worker that does what its modules' names say: die, hang, grow, answer. Run as the real one is."""

import json
import os
import signal
import sys
import time

from emukern.linux.trial import Item, Recipe, result
from emukern.linux.worker import die_with


def answer(**fields):
    print(json.dumps(fields), flush=True)


def act(recipe, item):
    """What is in the name of the module."""
    name = item.path.rpartition("/")[2].removesuffix(".ko")
    marker = f"{recipe.tree}/{name}.tried"
    first = not os.path.exists(marker)
    if name.startswith("segv") or (name.startswith("once") and first):
        open(marker, "w").close()
        os.kill(os.getpid(), signal.SIGSEGV)
    elif name.startswith("exit"):
        sys.exit(3)
    elif name.startswith("hang"):
        time.sleep(60)
    elif name.startswith("grow"):
        globals()["ballast"] = bytearray(os.urandom(1 << 20) * 200)
        time.sleep(60)
    return name.startswith("last")


def main():
    die_with(int(sys.argv[1]))
    recipe = Recipe(**json.loads(sys.stdin.readline()))
    if recipe.memory == 1:
        answer(failed="no such machine", kind="UsageError")
        return
    if recipe.memory == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    answer(ready=True)
    for line in sys.stdin:
        item = Item(**json.loads(line))
        last = act(recipe, item)
        answer(result=result(str(os.getpid()), item.path), last=last)
        if last:
            return


if __name__ == "__main__":
    main()
