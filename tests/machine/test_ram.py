"""RAM and its images."""

from hypothesis import given, settings
from hypothesis import strategies as st

from emukern.machine.ram import PAGE, Ram

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
