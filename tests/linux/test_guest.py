"""A distribution's kernel in the emulator: programs, calls, modules, snapshots; on each architecture."""

import pytest

from emukern.errors import Errno, GuestOops, ModuleError, UsageError

QUIET = "dummy"  # a module that says nothing and needs nothing


def blob(guest, name):
    return guest.tree.blob(guest.tree.paths[name])


def insert(guest, name, **options):
    """The module with everything it needs."""
    for step in guest.tree.plan(name)[name]:
        if step.path:
            handle = guest.insmod(guest.tree.blob(step.path), **options)
    return handle


def test_it_is_the_distributions_kernel(borrowed):
    assert borrowed.shell("uname -r").output == borrowed.release + "\n"
    assert borrowed.dmesg()[0].text.startswith(f"Linux version {borrowed.release} ")


def test_nothing_went_wrong_while_it_booted(borrowed):
    bad = ("WARNING:", "BUG:", "Oops", "stall", "unable to handle", "------------[ cut here")
    assert [record.text for record in borrowed.dmesg() if any(word in record.text for word in bad)] == []


def test_a_program_answers_with_its_output_and_status(borrowed):
    done = borrowed.shell("echo out; exit 3")
    assert (done.output, done.status) == ("out\n", 3)
    with pytest.raises(UsageError, match="cannot run /nowhere"):
        borrowed.execute(["/nowhere"])


def test_any_kernel_function_can_be_called(borrowed):
    text = borrowed.alloc(b"42\0")
    result = borrowed.alloc(8)
    assert borrowed.call("kstrtoint", text, 10, result) == 0
    assert borrowed.mem.u32(result) == 42
    with pytest.raises(UsageError, match="has a symbol no_such_function"):
        borrowed.call("no_such_function")


def test_names_have_types(borrowed):
    assert borrowed.kernel.init_task.comm.str_() == "swapper/0"
    assert borrowed.kernel.strlen("hello") == 5


def test_time_passes_without_being_waited_for(borrowed):
    before = borrowed.machine.clock.now
    borrowed.advance(600)
    assert borrowed.machine.clock.now - before >= 600e9


@pytest.mark.parametrize("via", ["loader", "kernel"])
def test_a_stock_module_comes_and_goes(borrowed, via):
    handle = borrowed.insmod(blob(borrowed, QUIET), via=via)
    assert handle.name == QUIET
    assert [name for name, _, _ in borrowed.lsmod()] == [QUIET]
    assert borrowed.shell(f"ls /sys/module/{QUIET}").status == 0
    borrowed.rmmod(QUIET)
    assert borrowed.lsmod() == []


@pytest.mark.parametrize("via", ["loader", "kernel"])
def test_a_module_with_dependencies_speaks(borrowed, via):
    seen = borrowed.last_record()
    insert(borrowed, "tun", via=via)
    said = [(r.level, r.text) for r in borrowed.dmesg() if r.seq > seen]
    assert said == [(6, "tun: Universal TUN/TAP device driver, 1.6")]


def test_the_kernels_own_refusals(borrowed):
    borrowed.insmod(blob(borrowed, QUIET))
    with pytest.raises(ModuleError) as again:
        borrowed.insmod(blob(borrowed, QUIET))
    assert again.value.errno == 17
    with pytest.raises(ModuleError) as missing:
        borrowed.rmmod("nobody")
    assert missing.value.errno == 2


def test_modprobe_works_at_the_shell(borrowed):
    assert borrowed.shell("modprobe tun").status == 0
    assert "tun" in [name for name, _, _ in borrowed.lsmod()]
    done = borrowed.shell("modprobe nobody")
    assert done.status == 1
    assert "modprobe: FATAL: Module nobody not found in directory" in done.output


def test_the_kernel_asks_for_modules_itself(borrowed):
    insert(borrowed, "libcrc32c")  # its init wants an implementation of crc32c
    assert any(name.startswith("crc32c") for name, _, _ in borrowed.lsmod())


def test_an_override_answers_whoever_calls(borrowed):
    calls = []

    @borrowed.override("kstrtoint")
    def kstrtoint(text, base, result):
        calls.append((text.str_(), base))
        return -22

    assert borrowed.call("kstrtoint", borrowed.alloc(b"7\0"), 10, 0) & 0xFFFF_FFFF == 2**32 - 22
    assert calls == [("7", 10)]
    kstrtoint.remove()
    assert borrowed.call("kstrtoint", borrowed.alloc(b"7\0"), 10, borrowed.alloc(8)) == 0


def test_an_override_understands_types_and_may_call(borrowed):
    """Whether the host called the function, or the kernel did in the middle of a system call."""
    seen = []

    @borrowed.override("schedule_timeout_uninterruptible")
    def schedule(timeout):
        seen.append((timeout, borrowed.kernel.strlen("four"), borrowed.kernel.init_task.comm.str_()))
        return 7

    borrowed.call("msleep", 20)
    assert [row[1:] for row in seen] == [(4, "swapper")] * len(seen)
    schedule.remove()

    @borrowed.override("do_sys_openat2")
    def do_sys_openat2(dfd, filename, how):
        seen.append((how.flags & 3, borrowed.kernel.strlen("kernel")))
        raise Errno(5)

    assert borrowed.shell("cat /proc/version").status == 1
    assert seen[-1] == (0, 6)


def test_the_last_override_counts_until_it_ends(borrowed):
    first = borrowed.override("get_random_u32")(lambda: 1)
    second = borrowed.override("get_random_u32")(lambda: 2)
    first.remove()
    assert borrowed.call("get_random_u32") == 2
    second.remove()
    assert borrowed.call("get_random_u32") not in (1, 2)


def test_an_override_that_fails_is_asked_again(borrowed):
    answers = [1, 0]
    with borrowed.override("get_random_u32")(lambda: 10 // answers.pop()):
        with pytest.raises(ZeroDivisionError):
            borrowed.call("get_random_u32")
        assert not borrowed.parked
        with pytest.raises(GuestOops, match="came back"):
            borrowed.park()


def test_an_override_answers_a_module(borrowed):
    refused = []
    stand_in = borrowed.override("__register_chrdev")(lambda *args: refused.append(args) or -16)
    with stand_in, pytest.raises(ModuleError) as error:
        insert(borrowed, "snd")
    assert error.value.errno == 5  # snd says EIO, whatever the reason
    assert len(refused) == 1


def test_a_moment_is_gone_back_to(borrowed):
    moment = borrowed.save()
    borrowed.insmod(blob(borrowed, QUIET))
    seen = len(borrowed.dmesg())
    borrowed.restore(moment)
    assert borrowed.lsmod() == []
    assert len(borrowed.dmesg()) <= seen


def test_code_that_dies_is_an_oops_and_the_guest_goes_on(borrowed):
    with pytest.raises(GuestOops) as oops:
        borrowed.call("strlen", 8)
    assert "strlen" in oops.value.report
    assert borrowed.shell("echo still here").output == "still here\n"


def test_code_that_never_ends_is_stopped(borrowed, monkeypatch):
    monkeypatch.setattr(borrowed, "call_blocks", 10_000_000)
    with pytest.raises(GuestOops, match="panic_smp_self_stop did not come back"):
        borrowed.call("panic_smp_self_stop")


def test_last_words_are_those_of_the_moment(borrowed):
    moment = borrowed.save()
    before = list(borrowed.machine.console.lines)
    borrowed.machine.console.write(b"of another time\r\n")
    borrowed.restore(moment)
    assert list(borrowed.machine.console.lines) == before
