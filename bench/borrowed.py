"""A distribution's kernel: its first boot, later starts, one module, many modules; and QEMU doing the same."""

import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bench import qemu
from bench.timing import usage
from emukern.errors import EmukernError, ModuleError
from emukern.linux.boot import boot

MODULE = "dummy"
SESSION, SWEPT = 40, 60  # so many modules, spread over the tree
RECORDED = {"x86_64": 2046, "riscv64": 1579}  # modules that a sweep is extrapolated to
CPUS = 2
MIB = 1 << 20


class Borrowed:
    """Measures with one kernel image, with a cache of its own; to be used in a `with` statement."""

    def __init__(self, arch, runs, kernel):
        self.arch, self.runs = arch, runs
        self.image = Path(kernel or qemu.find_kernel(arch)).absolute()
        self._folder = tempfile.TemporaryDirectory()
        self.environment = os.environ | {"XDG_CACHE_HOME": self._folder.name}

    def __enter__(self):
        self._before = os.environ.get("XDG_CACHE_HOME")
        os.environ["XDG_CACHE_HOME"] = self._folder.name
        return self

    def __exit__(self, *_):
        if self._before is None:
            del os.environ["XDG_CACHE_HOME"]
        else:
            os.environ["XDG_CACHE_HOME"] = self._before
        self._folder.cleanup()

    def _emukern(self, *words, **options):
        command = [sys.executable, "-m", "emukern", *words, "--kernel", str(self.image)]
        return usage(command, env=self.environment, **options)

    # Whole processes.

    def first_boot(self):
        """Boot to the shell and power off, with nothing in the cache."""
        return self._emukern("boot", "-c", "true", "--no-cache")

    def start(self):
        """The same from the cache."""
        self._emukern("boot", "-c", "true")
        return self._emukern("boot", "-c", "true", runs=self.runs)

    def guest(self):
        """A process that starts a guest from the cache and nothing else, and one that starts none."""
        code = f"from emukern.linux.boot import boot; boot({str(self.image)!r})"
        return [usage([sys.executable, "-c", one], self.runs, env=self.environment) for one in (code, "import unicorn")]

    def module(self):
        """Insert a module and remove it."""
        self._emukern("run", MODULE)
        return self._emukern("run", MODULE, runs=self.runs)

    def qemu(self):
        """Boot the same kernel in QEMU and power off; and with the same module in between. Raises `qemu.Absent`."""
        blob = self.tree.blob(self.tree.paths[MODULE])
        runs = max(1, self.runs // 4)
        script = f"insmod /{MODULE}.ko; rmmod {MODULE}; poweroff"
        return (
            qemu.usage_of(self.arch, runs, self.image, "poweroff", {}),
            qemu.usage_of(self.arch, runs, self.image, script, {f"{MODULE}.ko": blob}),
        )

    def sweep(self):
        """A sweep over a sample in one worker process, and the number of modules."""
        names = self._sample(SWEPT)
        with tempfile.TemporaryDirectory() as folder:
            paths = Path(folder) / "modules"
            paths.write_text("".join(f"{self.tree.root / self.tree.paths[name]}\n" for name in names))
            used = self._emukern("sweep", str(paths), "--jobs", "1", "--json", f"{folder}/out", may_fail=True)
        return used, len(names)

    # A session.

    @property
    def tree(self):
        """The kernel's modules."""
        return self.session.tree

    def open(self):
        """Start the session that the rest is measured in."""
        self.session = boot(self.image)
        self.moment = self.session.save()

    def restore(self):
        """CPU seconds for going back after some work."""
        times = []
        for _ in range(self.runs):
            self.session.insmod(self.tree.blob(self.tree.paths[MODULE]))
            start = time.process_time()
            self.session.restore(self.moment)
            times.append(time.process_time() - start)
        return statistics.median(times)

    def inside(self):
        """Median CPU seconds for insmod and rmmod of a module whose dependencies are there, and of how many."""
        times = [took for took in map(self._insmod, self._sample(SESSION)) if took is not None]
        return statistics.median(times), len(times)

    def _sample(self, count):
        names = sorted(self.tree.paths)
        return names[:: len(names) // count][:count]

    def _insmod(self, name):
        """CPU seconds, or None for a module that refuses to work here."""
        guest = self.session
        guest.restore(self.moment)
        try:
            *needed, itself = [guest.tree.blob(step.path) for step in guest.tree.plan(name)[name] if step.path]
            for blob in needed:
                guest.insmod(blob)
            start = time.process_time()
            handle = guest.insmod(itself)
            guest.rmmod(handle.name)
        except (ModuleError, EmukernError):
            return None
        return time.process_time() - start
