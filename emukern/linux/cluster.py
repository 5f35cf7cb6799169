"""The same sweep on a Dask cluster: every node runs worker processes of its own, as a sweep on one machine does.

The kernel image and the modules must be at the same paths on every node. A node that is lost costs nothing but time.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from emukern.errors import UsageError
from emukern.linux.crew import work
from emukern.linux.trial import Item, Recipe

CHUNK = range(8, 33)  # items of one task: each starts a worker process, and is not interrupted when nobody waits for it
SHARES = 4  # tasks for each thread of the cluster, as far as CHUNK allows
TIMEOUT = 10  # seconds to find the scheduler, and for it to have a worker


def try_chunk(recipe: Recipe, items: list[Item]) -> list[tuple[Item, dict[str, Any], float]]:
    """What a node does."""
    return list(work(recipe, items))


def work_on(address: str, recipe: Recipe, items: list[Item]) -> Iterator[tuple[Item, dict[str, Any], float]]:
    """As `crew.work`, by the cluster whose scheduler is at `address`. Raises UsageError when there is none."""
    try:
        from distributed import Client, as_completed
    except ImportError:
        raise UsageError("--cluster needs Dask: pip install 'emukern[dask]'") from None
    try:
        client = Client(address, timeout=TIMEOUT, set_as_default=False)
    except (OSError, ValueError) as error:
        raise UsageError(f"no Dask scheduler answers at {address}: {str(error).splitlines()[0]}") from None
    wanted = set()
    try:
        threads = _threads(client, address)
        size = min(max(len(items) // (threads * SHARES), CHUNK.start), CHUNK.stop - 1)
        chunks = [items[at : at + size] for at in range(0, len(items), size)]
        wanted = {client.submit(try_chunk, recipe, chunk, pure=False) for chunk in chunks}
        for future in as_completed(wanted.copy(), loop=client.loop):
            yield from future.result()
            wanted.discard(future)
    finally:
        with suppress(OSError):
            client.cancel(list(wanted))
        client.close()


def _threads(client: Any, address: str) -> int:
    try:
        client.wait_for_workers(1, timeout=TIMEOUT)
    except TimeoutError:
        raise UsageError(f"the cluster at {address} has no workers") from None
    return max(1, sum(int(count) for count in client.nthreads().values()))
