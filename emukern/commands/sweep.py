"""emukern sweep: insert and remove many modules, each in a fresh guest, and write down what becomes of each."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from emukern.commands import options as shared

if TYPE_CHECKING:
    from emukern.linux.sweep import Results, Summary
    from emukern.linux.trial import Recipe

ABOUT = "insert and remove many modules, each in a fresh guest, and write down what becomes of each"
SHOWN = 20  # of the modules that died, in the summary


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Its command line."""
    parser.add_argument("where", type=Path, metavar="DIR|LIST", help="a folder of modules, or a file of module paths")
    parser.add_argument("--kernel", type=Path, metavar="IMAGE", help="a distribution's kernel image (the tiny kernel)")
    parser.add_argument("--modules", type=Path, metavar="DIR", help="the module tree (beside the image or the modules)")
    parser.add_argument(
        "--json", type=Path, metavar="OUT", help="write one JSON object a line; what OUT holds is not done again"
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="worker processes (one for each CPU)")
    parser.add_argument("--cluster", metavar="tcp://…", help="work on the Dask cluster with this scheduler")
    shared.add_arch(parser, None, "the first module's")
    parser.add_argument("--memory", type=int, metavar="MIB", help="RAM of a guest in MiB")
    parser.add_argument("--limit", type=float, metavar="S", help="virtual seconds after which busy code hangs")
    parser.add_argument(
        "--patience", type=float, default=300, metavar="S", help="real seconds to wait for one module (300)"
    )


def run(options: argparse.Namespace) -> int:
    """The exit status is 0 when every module has a result, whatever that is."""
    from emukern.errors import UsageError
    from emukern.linux.sweep import Summary, items_of, tree_of

    if not options.where.exists():
        raise UsageError(f"{options.where} does not exist")
    if options.jobs is not None and options.jobs < 1:
        raise UsageError("--jobs must be at least 1")
    tree = options.modules or tree_of(options.where, options.kernel)
    if not tree.is_dir():
        raise UsageError(f"there is no module tree at {tree}")
    items = items_of(options.where, tree)
    recipe = recipe_of(options, tree, items[0].file).sealed()
    with results_in(options.json, recipe.machine, items) as results:
        spent = fill(results, recipe, options)
        show(Summary.of(results.in_order()), spent)
    return 0


def recipe_of(options: argparse.Namespace, tree: Path, first: str) -> Recipe:
    """The guest that the command line asks for. Raises UsageError."""
    from emukern.commands.run import arch_of
    from emukern.errors import UsageError
    from emukern.linux.trial import Recipe

    if options.kernel is not None and not options.kernel.is_file():
        raise UsageError(f"there is no kernel image at {options.kernel}")
    return Recipe(
        tree=str(tree.absolute()),
        kernel=str(options.kernel.absolute()) if options.kernel else None,
        arch=options.arch or arch_of(Path(first).read_bytes()),
        memory=options.memory * shared.MIB if options.memory else None,
        limit=options.limit,
    )


@contextmanager
def results_in(path: Path | None, machine: str, items: list[Any]) -> Iterator[Results]:
    """The results so far, in the file `path` or in one that nobody will see."""
    from tempfile import NamedTemporaryFile

    from emukern.linux.sweep import Results

    if path is not None:
        with closing(Results(path, machine, items)) as results:
            yield results
        return
    with NamedTemporaryFile(prefix="emukern-") as file, closing(Results(Path(file.name), machine, items)) as results:
        yield results


def fill(results: Results, recipe: Recipe, options: argparse.Namespace) -> list[float]:
    """Try what is missing; answers the seconds of each module tried now, the whole sweep's last."""
    missing, start = results.missing(), time.monotonic()
    spent = []
    try:
        bar_at = progress(len(results.wanted), len(results.done))
        with bar_at as bar, closing(workers(recipe, missing, options)) as work:
            for item, fields, seconds in work:
                results.add(fields)
                spent.append(seconds)
                bar.advance(item.path)
    except KeyboardInterrupt:
        done, whole = len(results.done), len(results.wanted)
        print(f"emukern: interrupted after {done} of {whole} modules; the same command goes on", file=sys.stderr)
        raise
    results.finish()
    return [*spent, time.monotonic() - start]


def workers(recipe: Recipe, missing: list[Any], options: argparse.Namespace) -> Any:
    """Whoever does the work: nobody, a cluster or processes here."""
    from emukern.linux.crew import work

    if not missing:
        return (_ for _ in ())
    if options.cluster:
        from emukern.linux.cluster import work_on

        return work_on(options.cluster, recipe, missing)
    jobs = options.jobs or len(os.sched_getaffinity(0))
    return work(recipe, missing, jobs, patience=options.patience)


class Bar(Protocol):
    """What shows how far it is."""

    def advance(self, path: str) -> None: ...


class Silent:
    """No terminal, no bar."""

    def advance(self, path: str) -> None:
        """Nothing."""


@contextmanager
def progress(total: int, done: int) -> Iterator[Bar]:
    """A bar at the bottom of a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield Silent()
        return
    from rich import progress as rich
    from rich.console import Console

    columns = (rich.BarColumn(), rich.MofNCompleteColumn(), rich.TimeRemainingColumn())
    name = rich.TextColumn("{task.description}")
    with rich.Progress(*columns, name, console=Console(stderr=True), transient=True) as shown:
        task = shown.add_task("", total=total, completed=done)

        class Shown:
            def advance(self, path: str) -> None:
                shown.update(task, advance=1, description=path.rpartition("/")[2])

        yield Shown()


def show(summary: Summary, spent: list[float]) -> None:
    """Print what came out."""
    for kind, count in summary.outcomes.items():
        words = ", ".join(f"{name} {n}" for name, n in summary.refusals.items()) if kind == "errno" else ""
        print(f"{kind:6}{count:7}  {words}".rstrip())
    print(f"{'total':6}{sum(summary.outcomes.values()):7}")
    if summary.remarks:
        print(f"the kernel complained, or something was left behind, in {summary.remarks} (see `checks`)")
    for path, kind, reason in summary.lost[:SHOWN]:
        print(f"{kind}: {path}: {reason}")
    if len(summary.lost) > SHOWN:
        print(f"… and {len(summary.lost) - SHOWN} more")
    *each, whole = spent
    if each:
        import statistics

        print(f"{len(each)} modules in {whole:.1f} s, median {statistics.median(each) * 1000:.0f} ms", file=sys.stderr)
