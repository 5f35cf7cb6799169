"""The plugin, as somebody else's test run sees it."""

import importlib.metadata

import pytest
from corpus import CACHE

INSTALLED = any(e.value == "emukern.pytest_plugin" for e in importlib.metadata.entry_points(group="pytest11"))


@pytest.fixture
def run(pytester, monkeypatch):
    """Run pytest on the source of a test file with some arguments; answers pytester's result."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(CACHE))  # booted kernels are in it

    def run_it(source, *arguments):
        pytester.makepyfile(source)
        plugin = () if INSTALLED else ("-p", "emukern.pytest_plugin")
        return pytester.runpytest_subprocess("-p", "no:cacheprovider", *plugin, *arguments)

    return run_it


def test_a_guest_for_each_architecture(run):
    result = run(
        """
        def test_hello(guest, arch):
            guest.insmod("hello", who=arch)
            assert guest.dmesg()[-1].text == f"hello: Hello, {arch}!"
            assert guest.arch == arch
        """,
        "-v",
    )
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*test_hello?x86_64? PASSED*", "*test_hello?riscv64? PASSED*"])


def test_one_architecture_on_request(run):
    source = """
        def test_it(guest):
            pass

        def test_without():
            pass
        """
    result = run(source, "-v", "--emukern-arch", "riscv64")
    result.assert_outcomes(passed=2, deselected=1)
    result.stdout.fnmatch_lines(["*test_it?riscv64? PASSED*"])


def test_no_test_sees_what_another_one_did(run):
    result = run(
        """
        import pytest

        @pytest.mark.parametrize("time", range(3))
        def test_alone(guest, time):
            assert guest.lsmod() == []
            assert "trace" not in guest.shell("ls /tmp").output
            guest.insmod("hello")
            guest.shell("echo here > /tmp/trace")
        """
    )
    result.assert_outcomes(passed=6)


def test_a_failure_shows_the_log_and_the_last_exits(run):
    result = run(
        """
        def test_fails(guest):
            guest.insmod("hello", who="the report")
            assert guest.lsmod() == []
        """,
        "--emukern-arch=x86_64",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*emukern dmesg*", "*hello: Hello, the report!*", "*emukern trace*", "*: export _printk*"]
    )


def test_a_marker_boots_another_machine(run):
    result = run(
        """
        import pytest

        @pytest.mark.emukern(memory=64 << 20)
        def test_small(guest):
            assert guest.k.ram.size == 64 << 20

        def test_usual(guest):
            assert guest.k.ram.size == 128 << 20
        """
    )
    result.assert_outcomes(passed=4)


def test_options_for_a_folder(run, pytester):
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def emukern_options():
            return {"seed": 5}
        """
    )
    source = """
        from emukern import boot

        def test_seed(guest):
            line = "hexdump -C /dev/urandom | head -1"
            assert guest.shell(line).output == boot("x86_64", seed=5).shell(line).output
        """
    run(source, "--emukern-arch=x86_64").assert_outcomes(passed=1)


def test_a_test_may_choose_its_own_architectures(run):
    result = run(
        """
        import pytest

        @pytest.mark.parametrize("arch", ["riscv64"])
        def test_it(guest):
            assert guest.arch == "riscv64"
        """
    )
    result.assert_outcomes(passed=1)


# A distribution's kernel.

OTHER = {"x86_64": "riscv64", "riscv64": "x86_64"}


def test_all_guests_run_on_the_command_lines_kernel(run, arch, kernel_image):
    result = run(
        """
        import pytest

        def test_it(guest):
            assert guest.shell("uname -r").output == guest.release + "\\n"

        def test_alone(guest):
            guest.modprobe("dummy")
            guest.shell("echo here > /tmp/trace")

        def test_alone_again(guest):
            assert guest.lsmod() == []
            assert "trace" not in guest.shell("ls /tmp").output

        @pytest.mark.emukern(kernel=None)
        def test_our_own(guest):
            assert guest.k.ram.size == 128 << 20
        """,
        f"--emukern-kernel={kernel_image}",
        "-rs",
    )
    result.assert_outcomes(passed=5, skipped=3)
    result.stdout.fnmatch_lines([f"*there is no kernel for {OTHER[arch]}, only for {arch}*"])


def test_a_marker_chooses_the_kernel(run, arch, kernel_image):
    result = run(
        f"""
        import pytest

        IMAGE = {str(kernel_image)!r}

        @pytest.mark.emukern(kernel=IMAGE)
        def test_one(guest):
            assert guest.release in IMAGE

        @pytest.mark.emukern(kernel={{{arch!r}: IMAGE}}, cmdline="panic_on_warn=1")
        def test_by_architecture(guest):
            assert guest.kernel.panic_on_warn == 1

        def test_our_own(guest):
            assert guest.k.ram.size == 128 << 20
        """,
        f"--emukern-arch={arch}",
    )
    result.assert_outcomes(passed=3, deselected=3)


def test_what_a_test_has_overridden_is_over_with_it(run, arch, kernel_image):
    result = run(
        """
        def test_override(guest):
            guest.override("strlen")(lambda text: 42)
            assert guest.kernel.strlen("five") == 42

        def test_own(guest):
            assert guest.kernel.strlen("four") == 4
        """,
        f"--emukern-kernel={kernel_image}",
        f"--emukern-arch={arch}",
    )
    result.assert_outcomes(passed=2, deselected=2)


def test_a_guest_in_ruins_is_reported_and_replaced(run, arch, kernel_image):
    result = run(
        """
        def test_dies(guest):
            guest.shell("echo c > /proc/sysrq-trigger")

        def test_fails(guest):
            guest.modprobe("dummy")
            assert guest.lsmod() == []

        def test_lives(guest):
            assert guest.shell("echo alive").output == "alive\\n"
        """,
        f"--emukern-kernel={kernel_image}",
        f"--emukern-arch={arch}",
    )
    result.assert_outcomes(passed=1, failed=2, deselected=3)
    result.stdout.fnmatch_lines(
        [
            "*emukern dmesg*",
            "*Kernel panic - not syncing: sysrq triggered crash*",
            "*emukern guest*",
            f"Linux * for {arch}, * s after its start",
            "it runs, the CPU at *",
            "*modules: dummy*",
        ]
    )


def test_kernels_that_cannot_be(run, tmp_path, arch, kernel_image):
    source = """
        def test_it(guest):
            pass
        """
    text = tmp_path / "text"
    text.write_text("no kernel")
    run(source, f"--emukern-kernel={text}").stdout.fnmatch_lines(["*ImageError: *not a kernel image*"])
    twice = run(source, f"--emukern-kernel={kernel_image}", f"--emukern-kernel={kernel_image}")
    twice.stdout.fnmatch_lines([f"*are both for {arch}*"])
