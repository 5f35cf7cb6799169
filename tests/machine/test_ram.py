"""RAM and its images."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emukern import arch as arches
from emukern.errors import SnapshotError
from emukern.guest import boot
from emukern.machine.ram import PAGE, PRIVATE, Ram, RamImage

SIZE = 64 * PAGE


def test_ram_starts_as_zeroes_and_views_agree():
    ram = Ram(0, SIZE)
    assert bytes(ram.bytes) == bytes(SIZE)
    ram.words[1] = 0x0102030405060708
    assert bytes(ram.bytes[8:16]) == bytes((8, 7, 6, 5, 4, 3, 2, 1))


def test_restore_brings_back_what_was_saved():
    ram = Ram(0, SIZE)
    ram.bytes[0:3] = b"one"
    first = ram.save()
    ram.bytes[0:3] = b"two"
    ram.bytes[5 * PAGE : 5 * PAGE + 4] = b"page"
    second = ram.save()
    ram.bytes[0:3] = b"six"
    ram.restore(second)
    assert bytes(ram.bytes[0:3]) == b"two"
    ram.restore(first)
    assert bytes(ram.bytes[0:3]) == b"one"
    assert bytes(ram.bytes[5 * PAGE : 5 * PAGE + 4]) == bytes(4)
    ram.restore(second)
    assert bytes(ram.bytes[5 * PAGE : 5 * PAGE + 4]) == b"page"


writes = st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(0, 255)), max_size=20)


@settings(max_examples=30, deadline=None)
@given(st.lists(writes, min_size=1, max_size=5), st.data())
def test_any_image_can_be_restored_at_any_time(rounds, data):
    ram, model, images = Ram(0, SIZE), bytearray(SIZE), []
    for changes in rounds:
        for at, value in changes:
            ram.bytes[at] = model[at] = value
        images.append((ram.save(), bytes(model)))
        image, content = data.draw(st.sampled_from(images))
        ram.restore(image)
        model[:] = content
        assert bytes(ram.bytes) == content
    ram.close()


def test_a_ram_made_of_somebody_elses_image_saves_what_it_is_then():
    first, second = Ram(0, SIZE), Ram(0, SIZE)
    first.bytes[0:3] = b"one"
    image = first.save()
    second.restore(image)
    second.bytes[3:6] = b"two"
    both = second.save()
    second.restore(image)
    assert bytes(second.bytes[0:6]) == b"one\0\0\0"
    first.restore(both)
    assert bytes(first.bytes[0:6]) == b"onetwo"


def test_an_image_of_another_size():
    with pytest.raises(SnapshotError, match="does not fit"):
        Ram(0, SIZE).restore(RamImage(2 * SIZE))


def test_touched_pages_are_those_written_since_the_image():
    ram = Ram(0, SIZE)
    ram.bytes[3 * PAGE] = 1
    image = ram.save()
    assert ram.touched() == []
    assert ram.bytes[3 * PAGE] + ram.bytes[7 * PAGE] == 1
    assert ram.touched() == []  # read is not written
    for page in (0, 1, 7, 62, 63):
        ram.bytes[page * PAGE + 5] = 0
    assert ram.touched() == [(0, 2 * PAGE), (7 * PAGE, 8 * PAGE), (62 * PAGE, 64 * PAGE)]
    ram.restore(image)
    assert ram.touched() == []
    assert ram.bytes[3 * PAGE] == 1


@pytest.mark.parametrize("arch", arches.NAMES)
def test_what_a_guest_writes_is_touched(arch):
    guest = boot(arch)
    ram, block = guest.k.ram, guest.alloc(64)
    ram.save()
    guest.call("memset", block, 7, 64)
    offset = guest.k.mem.phys(block) - ram.base
    assert ram.bytes[offset] == 7
    assert any(start <= offset < end for start, end in ram.touched())


@pytest.mark.parametrize("entry", [0, 1 << 5, 1 << 7 | 1 << 5, 1 << 6 | 1 << 5, 1])
def test_page_map_entries_of_untouched_pages(entry):
    assert not PRIVATE[entry]


@pytest.mark.parametrize("entry", [1 << 7, 1 << 6, 1 << 7 | 1, 1 << 6 | 1])
def test_page_map_entries_of_touched_pages_in_memory_and_swapped_out(entry):
    assert PRIVATE[entry]


def test_a_host_without_a_page_map(monkeypatch):
    def refused(*_args, **_more):
        raise PermissionError

    monkeypatch.setattr("builtins.open", refused)
    ram = Ram(0, SIZE)
    ram.bytes[0] = 1
    first = ram.save()
    ram.bytes[0] = ram.bytes[9 * PAGE] = 2
    assert ram.touched() == [(0, SIZE)]
    second = ram.save()
    ram.restore(first)
    assert (ram.bytes[0], ram.bytes[9 * PAGE]) == (1, 0)
    ram.bytes[9 * PAGE] = 3
    ram.restore(first)
    assert ram.bytes[9 * PAGE] == 0
    ram.restore(second)
    assert (ram.bytes[0], ram.bytes[9 * PAGE]) == (2, 2)


@pytest.mark.parametrize("few", [0, 5, 1000])
def test_restoring_few_ranges_and_many(monkeypatch, few):
    monkeypatch.setattr("emukern.machine.ram.FEW", few)
    ram = Ram(0, SIZE)
    ram.bytes[:] = bytes(range(256)) * (SIZE // 256)
    image, before = ram.save(), bytes(ram.bytes)
    for page in range(0, 64, 4):
        ram.bytes[page * PAGE] = 99
    ram.restore(image, ram.touched())
    assert bytes(ram.bytes) == before


def test_an_image_knows_its_holes_and_its_zeroes():
    image = RamImage(SIZE)
    assert list(image.runs(SIZE)) == list(image.extents(0, SIZE)) == []
    for page in (2, 3, 5, 40):
        image.write(b"x", page * PAGE)
    image.write(bytes(PAGE), 4 * PAGE)
    there = [number for start, end in image.extents(0, SIZE) for number in range(start // PAGE, end // PAGE)]
    assert there == [2, 3, 4, 5, 40]
    assert list(image.extents(3 * PAGE, 4 * PAGE)) == [(3 * PAGE, 4 * PAGE)]
    assert list(image.extents(6 * PAGE, 40 * PAGE)) == []
    assert list(image.runs(SIZE)) == [(2 * PAGE, 4 * PAGE), (5 * PAGE, 6 * PAGE), (40 * PAGE, 41 * PAGE)]


@given(st.sets(st.integers(0, 63)), st.integers(1, 70))
def test_runs_are_the_pages_that_are_not_zero(pages, longest):
    image = RamImage(SIZE)
    for page in pages:
        image.write(b"\0" * 4095 + b"x", page * PAGE)
    runs = list(image.runs(longest * PAGE))
    assert sorted(pages) == [page for start, end in runs for page in range(start // PAGE, end // PAGE)]
    assert all(0 < end - start <= longest * PAGE for start, end in runs)


def test_nothing_changed_is_the_same_image():
    ram = Ram(0, SIZE)
    ram.bytes[5] = 5
    image = ram.save()
    assert ram.save() is image
    ram.bytes[5] = 6
    assert ram.save() is not image
