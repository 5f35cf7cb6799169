"""pytest fixtures: a booted guest for each test, put back from a snapshot in well under a millisecond.

    def test_hello(guest):                       # runs for each architecture
        guest.insmod("hello", who="you")
        assert guest.dmesg()[-1].text == "hello: Hello, you!"

`@pytest.mark.emukern(memory=64 << 20, lazy_symbols=True)` boots another machine for a test; a fixture `emukern_options`
of your own does so for a whole folder. `kernel=IMAGE` among them, or --emukern-kernel IMAGE for all tests, makes it a
distribution's kernel. A failure report shows the kernel log, and the last exits of the guest or where it was.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

import pytest

from emukern.arch import NAMES

if TYPE_CHECKING:
    from emukern.guest import Guest
    from emukern.linux.guest import LinuxGuest

TRACED = 30  # exits shown in a failure report
GUEST = pytest.StashKey["Guest | LinuxGuest"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """--emukern-arch and --emukern-kernel."""
    group = parser.getgroup("emukern")
    group.addoption(
        "--emukern-arch",
        action="append",
        choices=NAMES,
        default=[],
        help="run tests that take an architecture for this one only (may be given again; default: all)",
    )
    group.addoption(
        "--emukern-kernel",
        action="append",
        metavar="IMAGE",
        default=[],
        help="run guests on this distribution's kernel (may be given again, for the other architecture)",
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


def image_arch(image: Any) -> str:
    """The architecture that a kernel image is for. Raises ImageError."""
    from emukern.linux.boot import identify

    return identify(image).arch


@pytest.fixture(scope="session")
def _emukern_kernels(request: pytest.FixtureRequest) -> dict[str, str]:
    """The command line's kernel for each architecture."""
    kernels: dict[str, str] = {}
    for image in request.config.getoption("--emukern-kernel"):
        arch = image_arch(image)
        if arch in kernels:
            raise pytest.UsageError(f"--emukern-kernel: {kernels[arch]} and {image} are both for {arch}")
        kernels[arch] = image
    return kernels


class Machines:
    """Booted guests with the snapshot taken right after the boot, by architecture and options."""

    def __init__(self) -> None:
        self.booted: dict[object, tuple[Any, Any]] = {}

    def fresh(self, arch: str, options: dict[str, Any]) -> Guest | LinuxGuest:
        """A guest as after its boot; the one that was given out before for the same options is gone."""
        from emukern import boot

        key = (arch, tuple(sorted((name, str(value)) for name, value in options.items())))
        if key not in self.booted:
            guest = boot(arch, **options)
            self.booted[key] = guest, guest.save()
        machine, saved = self.booted[key]
        machine.restore(saved)
        return cast("Guest | LinuxGuest", machine)


@pytest.fixture(scope="session")
def _emukern_machines() -> Machines:
    return Machines()


def _with_kernel(arch: str, options: dict[str, Any], kernels: Mapping[str, str]) -> dict[str, Any]:
    """The options with the one kernel for this architecture, if any; where there are only others, the test is skipped.

    `kernel` in them is an image, or one for each architecture; None insists on emukern's own.
    """
    chosen = options.get("kernel", kernels)
    rest = {name: value for name, value in options.items() if name != "kernel"}
    if chosen is None or chosen == {}:
        return rest
    by_arch = chosen if isinstance(chosen, Mapping) else {image_arch(chosen): chosen}
    if arch not in by_arch:
        pytest.skip(f"there is no kernel for {arch}, only for {', '.join(by_arch)}")
    return rest | {"kernel": by_arch[arch]}


@pytest.fixture
def guest(
    arch: str,
    emukern_options: dict[str, Any],
    _emukern_machines: Machines,
    _emukern_kernels: dict[str, str],
    request: pytest.FixtureRequest,
) -> Iterator[Guest | LinuxGuest]:
    """A booted guest whose shell waits for input, as fresh as after the boot."""
    marker = request.node.get_closest_marker("emukern")
    options = _with_kernel(arch, emukern_options | (marker.kwargs if marker else {}), _emukern_kernels)
    machine: Any = _emukern_machines.fresh(arch, options)
    request.node.stash[GUEST] = machine
    if "kernel" in options:
        yield machine
        machine.overrides.clear()
        return
    # A ring serves where a list is declared: only append and iteration are used.
    machine.k.trace = cast(Any, deque(maxlen=TRACED))
    yield machine
    machine.k.trace = None


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, Any, None]:
    """Add the guest's last words to the report of a failure."""
    outcome = yield
    report = outcome.get_result()
    machine: Any = item.stash.get(GUEST, None)
    if report.when != "call" or not report.failed or machine is None:
        return
    from emukern.errors import EmukernError

    with suppress(EmukernError):  # of a guest in ruins
        log = [record.formatted for record in machine.dmesg()]
        report.sections.append(("emukern dmesg", "\n".join(log)))
    if hasattr(machine, "k"):
        from emukern import trace

        report.sections.append(("emukern trace", "\n".join(trace.lines(machine.k, TRACED))))
    else:
        report.sections.append(("emukern guest", "\n".join(_state(machine))))


def _state(guest: LinuxGuest) -> Iterator[str]:
    """Where a distribution's kernel was when the test failed."""
    machine = guest.machine
    where = guest.facts.symbols.at(machine.cpu.pc)
    place = f"{where[0]}+{where[1]:#x}" if where else f"{machine.cpu.pc:#x}"
    yield f"Linux {guest.release} for {guest.arch}, {machine.clock.now / 1e9:.6f} s after its start"
    if guest.parked:
        from emukern.errors import EmukernError

        yield "it waits for the host"
        with suppress(EmukernError):
            yield f"modules: {' '.join(name for name, _, _ in guest.lsmod()) or 'none'}"
        return
    yield f"it runs, the CPU at {place}"
    yield "the last it has said on its console:"
    yield from machine.console.lines
