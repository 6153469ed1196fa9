"""In a game that cannot be copied, drives without noise go back to weights that were seen to drive."""

from hypothesis import given
from hypothesis import strategies as st

from hitl.drivers.held_weights import DRIVES, FAILURES, LAP, WORSE, HeldWeights

NOISY, GREEDY = False, True


def after(*drives):
    """The rule after drives of the newest weights, each a share of the lap without (True) or with noise."""
    held = HeldWeights()
    for number, (greedy, share) in enumerate(drives):
        held.drove_newest(f"weights {number}", number, share, greedy)
    return held


def test_before_a_lap_was_driven_the_newest_drive():
    held = after((GREEDY, 0.5), (GREEDY, 0.8), (GREEDY, 0.1), (NOISY, 1.0))
    assert held.held is None
    assert not held.in_force


def test_weights_that_fall_are_seen_to_fall_once():
    held = after((GREEDY, 0.5), (GREEDY, 1.0), (NOISY, 0.3))
    assert not held.in_force, "noise alone is no fall"
    held.drove_newest("worse", 7, 0.4, GREEDY)
    assert (held.held, held.checkpoint_id, held.in_force) == ("weights 1", 1, True)
    for share in (1.0, 0.5) * DRIVES:
        held.drove_newest("newer", 8, share, NOISY)
        assert held.in_force
    for _ in range(DRIVES):
        held.drove_newest("newer", 9, 0.95, NOISY)
    assert not held.in_force, "with noise they come as far, and may try"
    held.drove_newest("newer", 9, 1.0, GREEDY)
    assert (held.held, held.checkpoint_id) == ("newer", 9)


def test_only_the_last_drives_with_noise_count():
    held = after((GREEDY, 1.0), (GREEDY, 0.0), *((NOISY, 1.0),) * DRIVES)
    assert not held.in_force
    held.drove_newest("newest", 9, 0.0, NOISY)
    assert held.in_force, "they fell again before they drove without noise"


def test_weights_that_no_longer_drive_are_held_no_more():
    held = after((GREEDY, 1.0), (GREEDY, 0.2))
    for _ in range(FAILURES - 1):
        held.drove_held(0.3)
        held.drove_held(1.0)
        assert held.in_force
    for _ in range(FAILURES):
        held.drove_held(0.3)
    assert not held.in_force
    assert held.held is None


def test_what_is_held_does_not_change_with_what_is_learned():
    weights = ["a lap"]
    held = HeldWeights()
    held.drove_newest(weights, 1, 1.0, GREEDY)
    weights[0] = "nothing"
    assert held.held == ["a lap"]


@given(st.lists(st.tuples(st.booleans(), st.floats(0.0, 1.0)), max_size=40))
def test_never_two_falls_in_a_row(drives):
    """The player sees no second drive without noise by weights that just fell, unless with noise they came as far."""
    held, fell, since = HeldWeights(), False, []
    for greedy, share in drives:
        if greedy and held.in_force:
            held.drove_held(1.0)
            continue
        if greedy and fell:
            assert min(since[-DRIVES:]) >= LAP - WORSE
        held.drove_newest("weights", 0, share, greedy)
        if greedy:
            fell, since = held.held is not None and share < LAP - WORSE, []
        else:
            since.append(share)


