"""The newest value passes from one process to another: whole, once, and never waited for."""

import multiprocessing
import pickle

import pytest

from takeover_ui.window.newest_value import Slot

pytestmark = pytest.mark.realtime


def test_a_slot_gives_the_newest_value_once_and_refuses_what_is_too_large() -> None:
    slot = Slot(multiprocessing.get_context("spawn"), 1024)
    assert slot.read() is None
    for k in range(7):
        assert slot.write(bytes([k]) * (k * 100 + 1))
    assert slot.read() == bytes([6]) * 601
    assert slot.read() is None
    assert not slot.write(b"x" * 1010)
    assert slot.write(b"")
    assert slot.read() == b""


def test_a_slot_that_was_written_over_while_it_was_looked_at_gives_no_value_twice() -> None:
    slot = Slot(multiprocessing.get_context("spawn"), 1024)
    for k in range(4):
        slot.write(bytes([k]))
    slot._count[0] = 1  # what the reader saw before the writer came round to the same buffer
    assert slot.read() == bytes([3])
    for seen in (2, 3, 4):
        slot._count[0] = seen
        assert slot.read() is None


def _write_for_long(slot: Slot, count: int) -> None:
    for k in range(count):
        slot.write(pickle.dumps((k, bytes([k % 251]) * (k % 3000))))


def test_a_slot_is_never_read_half_written() -> None:
    context = multiprocessing.get_context("spawn")
    slot, count = Slot(context, 4096), 60_000
    writer = context.Process(target=_write_for_long, args=(slot, count))
    writer.start()
    last, values = -1, 0
    while last < count - 1:
        data = slot.read()
        if data is None:
            assert writer.is_alive() or slot._count[0] == count
            continue
        number, body = pickle.loads(data)
        assert number > last
        assert body == bytes([number % 251]) * (number % 3000)
        last, values = number, values + 1
    writer.join()
    assert values > 10
