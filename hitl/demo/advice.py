"""What the recorded drives say to a player who fails at a corner: where they brake, and where those brake who get through."""

from __future__ import annotations

from statistics import median

from data.reading.attempts import APPROACH_M
from data.records import HUMAN, Corner
from data.store import Store
from hitl.road.corner_stats import visit
from takeover_ui.language import ENGLISH, Words

NEARLY_M = 3.0  # m between two braking points that are as good as the same


def braking_advice(
    store: Store, track: str, corner: Corner, session: int, words: Words = ENGLISH, env: str | None = None
) -> str:
    """Return a sentence that compares where a player brakes who failed with where humans brake who passed; "" without data.

    ``session``: the player's own; what the scripted driver drove in it is not theirs.
    """
    segments = store.segments(track=track, session=session, kind="takeover")
    own = {s.episode_id for s in segments if s.trigger != "scripted"}
    passed, failed = [], []
    for drive in store.placed(track, env=env):
        seen = visit(drive, corner, corner.from_m - APPROACH_M)
        if seen is None or seen.braking_m is None or seen.braking_driver != HUMAN:
            continue
        at = corner.from_m - seen.braking_m
        if seen.passed:
            passed.append(at)
        elif seen.episode_id in own:
            failed.append(at)
    if not passed or not own:
        return ""
    good = median(passed)
    if not failed:
        return words.say("brake_never", good=good)
    mine = median(failed)
    off = abs(mine - good)
    if off < NEARLY_M:
        return words.say("brake_same", mine=mine)
    return words.say("brake_late" if mine > good else "brake_early", good=good, mine=mine, off=off)
