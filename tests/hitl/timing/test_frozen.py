"""A session keeps the garbage collector off what it drives with, and leaves what others have put out of its sight there."""

import gc

from hitl.timing.clocks import punctual


def test_what_was_frozen_before_a_session_stays_frozen():
    gc.freeze()
    before = 0.9 * gc.get_freeze_count()  # some of it may end meanwhile, in a thread of another test; let go, there is none
    assert before > 0
    with punctual():
        assert gc.get_freeze_count() >= before
    assert gc.get_freeze_count() >= before
    assert gc.isenabled()
