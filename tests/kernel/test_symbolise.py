"""Oops reports: what they name, and what they survive."""

import pytest

from emukern import arch as arches
from emukern.errors import GuestOops
from emukern.guest import boot
from emukern.kernel import symbolise
from emukern.machine.ram import PAGE
from emukern.trap import Fault
from tests.kernel.code import place


@pytest.fixture(scope="module", params=arches.NAMES)
def guest(request):
    return boot(request.param)


def test_an_address_is_named_by_its_function(guest):
    k = guest.k
    start = k.names["enter_user"].value
    name = symbolise.name(k, start)
    assert name.startswith("enter_user+0x0/0x")
    assert symbolise.name(k, start + 2, back=1).startswith("enter_user+0x2/0x")
    assert symbolise.name(k, 0x1234) == "0x1234"


def test_module_functions_are_named_with_their_module(guest):
    handle = guest.insmod("adder")
    assert symbolise.name(guest.k, handle.address("add")).endswith(" [adder]")
    guest.rmmod("adder")


def test_faults_are_told_apart(guest):
    k = guest.k
    stack = k.current.stack

    def text(address, write=False, execute=False):
        return symbolise.fault_text(k, Fault(address, write, execute, False))

    assert text(8, write=True) == "BUG: kernel NULL pointer dereference, address: 0000000000000008 (write access)"
    assert text(0x5000) == "BUG: unable to handle page fault for address: 0000000000005000 (read access)"
    assert text(0, execute=True) == "BUG: unable to execute at address: 0000000000000000"
    assert text(stack - 8).startswith(f"BUG: stack guard page was hit at {stack - 8:016x} (stack is {stack:016x}..")
    assert text(stack - PAGE - 8).startswith("BUG: unable to handle page fault")


BAD_STACKS = {  # sp = 0x1000, or in the direct map; then an undefined instruction
    "x86_64": ("bc00100000 0f0b", "48bc00000088ffffff88 48c7c400000088 48c1e410 0f0b"),
    "riscv64": ("37110000 ffffffff", "37010000 1301f1ff ffffffff"),
}


@pytest.mark.parametrize("which", [0, 1])
def test_a_bad_stack_pointer_is_said_and_costs_no_time(guest, which):
    with pytest.raises(GuestOops) as oops:
        guest.call(place(guest, bytes.fromhex(BAD_STACKS[guest.arch][which])))
    assert "(the stack pointer is bad)" in oops.value.report


def test_a_report_has_registers_code_and_callers(guest):
    with pytest.raises(GuestOops) as oops:
        guest.insmod("oops")
    report = oops.value.report
    for name in guest.k.arch.registers.names:
        assert f"{name}: " in report
    assert "=> oops_c+" in report
    assert [line.split("+")[0] for line in report.splitlines() if line.startswith(" oops_")] == [
        " oops_b",
        " oops_a",
        " oops_init",
    ]
    assert "Modules linked in: oops" in report
