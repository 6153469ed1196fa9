"""The short way to believe a frame lets nothing pass that the long way does not, and is the one that frames usually go."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hitl.games.trackmania.frames import LAYOUTS, Stream, certain, frame, plausible, unpack
from tests.support.stand_in_game import StandIn

ODD = (
    *(0.0, -0.0, 1.0, -1.0, 0.5, 0.51, 1.005, 1.02, 1.0005, -0.0005, 2.0, 999.0, -999.0, 1000.0, 1e-31, -1e-31, 1e-29),
    *(100.0, -100.0, 3e4, 2e5, -2e5, 1e30, 3e38, float("inf"), -float("inf"), float("nan")),
)


def sent(layout):
    """Frames of a car that drives, as the game sends them."""
    game = StandIn(layout=layout)
    game.input = (1.0, 0.0, 0.25)
    frames = []
    for _ in range(60):
        game._physics()
        frames.append(game.frame())
    for socket in (game._server, game._pad, game._session):
        socket.close()
    return frames


SENT = {layout: sent(layout)[::20] for layout in LAYOUTS}


@given(st.data())
def test_it_never_lets_pass_what_the_long_way_does_not(data):
    layout = data.draw(st.sampled_from(sorted(LAYOUTS)))
    values = list(struct.unpack(f"<{layout}f", data.draw(st.sampled_from(SENT[layout]))))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, layout - 1))
        values[at] = data.draw(st.sampled_from(ODD) | st.floats(width=32))
    raw = struct.pack(f"<{layout}f", *values)
    rows = unpack(raw, layout)
    assert not certain(struct.unpack(f"<{layout}f", raw)) or plausible(rows)[0]


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
@pytest.mark.parametrize("odd", ODD)
def test_one_odd_number_anywhere(layout, odd):
    values = struct.unpack(f"<{layout}f", SENT[layout][-1])
    rows = np.repeat(np.array([values]), layout, axis=0)
    np.fill_diagonal(rows, odd)
    rows = rows.astype(np.float32).astype(np.float64)
    short = np.array([certain(row) for row in rows.tolist()])
    assert not (short & ~plausible(rows)).any()


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_frames_usually_go_the_short_way_and_come_out_the_same(layout):
    frames = sent(layout)
    rows = unpack(b"".join(frames), layout)
    assert all(certain(row) for row in rows.tolist())
    stream = Stream(layout)
    one_by_one = [found for raw in frames for found in stream.feed(raw, 1.0)]
    assert one_by_one == Stream(layout).feed(b"".join(frames), 1.0) == [frame(row, 1.0) for row in rows.tolist()]
    assert stream.dropped == 0


@pytest.mark.parametrize("layout", sorted(LAYOUTS))
def test_a_good_frame_between_bad_ones_begins_the_count_anew(layout):
    good, bad = SENT[layout][0], b"\xff" * 4 * layout
    stream = Stream(layout)
    for raw in (bad, bad, bad, bad, good) * 3:
        stream.feed(raw, 1.0)
    assert (stream.problem, stream.dropped) == ("", 12)
