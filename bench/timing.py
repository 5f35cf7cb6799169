"""Medians."""

import statistics
import subprocess
import time


def median(action, runs, *, before=None):
    """Median seconds of `action()`; `before()` is called outside the measured time each run."""
    times = []
    for _ in range(runs):
        if before is not None:
            before()
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def process(command, runs, **options):
    """Median seconds of a whole process, from its start to its exit with status 0."""

    nowhere = subprocess.DEVNULL

    def run():
        subprocess.run(command, check=True, stdin=nowhere, stdout=nowhere, stderr=nowhere, **options)

    run()  # files are in the page cache from here on
    return median(run, runs)
