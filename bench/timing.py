"""Medians."""

import os
import statistics
import subprocess
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Usage:
    """What a process and those it started took: seconds from start to end, seconds of CPU time, bytes of memory of the
    largest of them."""

    wall: float
    cpu: float
    memory: int


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


def usage(command, runs=1, *, may_fail=False, **options):
    """Medians of what whole processes take, each from its start to its exit with status 0."""
    found = []
    for _ in range(runs):
        nowhere = subprocess.DEVNULL
        start = time.perf_counter()
        child = subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, **options)
        _, status, used = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode and not may_fail:
            raise subprocess.CalledProcessError(child.returncode, command)
        found.append((wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024))
    return Usage(*(statistics.median(column) for column in zip(*found, strict=True)))
