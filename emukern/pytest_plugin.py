"""pytest fixtures: a booted guest for each test, put back from a snapshot in well under a millisecond.

    def test_hello(guest):                       # runs for each architecture
        guest.insmod("hello", who="you")
        assert guest.dmesg()[-1].text == "hello: Hello, you!"

`@pytest.mark.emukern(memory=64 << 20, lazy_symbols=True)` boots another machine for a test; a fixture `emukern_options`
of your own does so for a whole folder. A failure report shows the kernel log and the last exits of the guest.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from typing import TYPE_CHECKING, Any, cast

import pytest

from emukern.arch import NAMES

if TYPE_CHECKING:
    from emukern.guest import Guest

TRACED = 30  # exits shown in a failure report
GUEST = pytest.StashKey["Guest"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """--emukern-arch."""
    group = parser.getgroup("emukern")
    group.addoption(
        "--emukern-arch",
        action="append",
        choices=NAMES,
        default=[],
        help="run tests that take an architecture for this one only (may be given again; default: all)",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marker."""
    config.addinivalue_line("markers", "emukern(**options): boot options of emukern.boot for this test's guest")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what --emukern-arch leaves out."""
    chosen = config.getoption("--emukern-arch")
    if not chosen:
        return
    left_out = [item for item in items if _arch_of(item) in set(NAMES) - set(chosen)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]


def _arch_of(item: pytest.Item) -> Any:
    callspec = getattr(item, "callspec", None)
    return callspec.params.get("arch") if callspec else None


@pytest.fixture(scope="session", params=NAMES)
def arch(request: pytest.FixtureRequest) -> str:
    """The architecture the test runs for; it runs once for each."""
    return cast(str, request.param)


@pytest.fixture(scope="session")
def emukern_options() -> dict[str, Any]:
    """Options of emukern.boot for every guest; override it in a conftest.py."""
    return {}


class Machines:
    """Booted guests with the snapshot taken right after the boot, by architecture and options."""

    def __init__(self) -> None:
        self.booted: dict[object, tuple[Guest, Any]] = {}

    def fresh(self, arch: str, options: dict[str, Any]) -> Guest:
        """A guest as after its boot; the one that was given out before for the same options is gone."""
        from emukern.guest import boot

        key = (arch, tuple(sorted(options.items())))
        if key not in self.booted:
            guest = boot(arch, **options)
            self.booted[key] = guest, guest.save()
        guest, saved = self.booted[key]
        guest.restore(saved)
        return guest


@pytest.fixture(scope="session")
def _emukern_machines() -> Machines:
    return Machines()


@pytest.fixture
def guest(
    arch: str, emukern_options: dict[str, Any], _emukern_machines: Machines, request: pytest.FixtureRequest
) -> Iterator[Guest]:
    """A booted guest whose shell waits for input, as fresh as after the boot."""
    marker = request.node.get_closest_marker("emukern")
    machine = _emukern_machines.fresh(arch, emukern_options | (marker.kwargs if marker else {}))
    # A ring serves where a list is declared: only append and iteration are used.
    machine.k.trace = cast(Any, deque(maxlen=TRACED))
    request.node.stash[GUEST] = machine
    yield machine
    machine.k.trace = None


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Add the guest's last words to the report of a failure."""
    outcome = yield
    report = outcome.get_result()
    machine = item.stash.get(GUEST, None)
    if report.when != "call" or not report.failed or machine is None:
        return
    from emukern import trace

    log = [record.formatted for record in machine.dmesg()]
    report.sections.append(("emukern dmesg", "\n".join(log)))
    report.sections.append(("emukern trace", "\n".join(trace.lines(machine.k, TRACED))))
