"""Recorded drives: what the player does, rather than the learner: takeovers that show nothing, that fail, laps that end early."""

from __future__ import annotations

from collections import Counter

import numpy as np

from data.demos import HANDED, STARTS_WITHIN_STEPS, finished_lap
from data.records import Segment
from data.words import number_of
from trainer.diagnosis.case import Answer, Case, Check, drives_check
from trainer.diagnosis.drives import Drives
from trainer.diagnosis.finding import Finding, Lacking, Sound

LEAST = 3
"""Takeovers or laps of one kind that are worth a word."""
MUCH = 0.3
"""Share of all from which they hold learning back."""


def _driven(drives: Drives, kind: str) -> list[Segment]:
    """Return the closed takeovers or laps of people on this track, oldest first."""
    return [s for s in drives.segments if s.kind == kind and s.closed and s.trigger != "scripted" and s.driver != "scripted"]


def _level(found: int, of: int) -> str:
    return "" if found >= MUCH * of else "note"


@drives_check("takeovers-show-nothing")
def show_nothing(drives: Drives, case: Case) -> Answer:
    """Takeovers that are over before they show anything: most often a key that is still held when a drive begins."""
    takeovers = _driven(drives, "takeover")
    if not takeovers:
        return Lacking("a takeover of yours")
    rule = drives.rule
    empty = [s for s in takeovers if rule.empty(s)]
    total = number_of(len(takeovers), "takeover")
    if len(empty) < LEAST:
        return Sound(f"{len(takeovers) - len(empty)} of your {total} show something")
    kinds = Counter(_nothing(s, drives) for s in empty)
    (most, count), *_ = kinds.most_common(1)
    others = "".join(f", {n} {what}" for what, n in kinds.most_common()[1:])
    return Finding(
        f"{count} of your {total} {most}{others}: the agent learns nothing from them.",
        (f"{len(empty)} of {total} show nothing: under {rule.takeover_min_s:g} s, under {rule.takeover_min_m:g} m, or begun "
         f"with the drive and over within {rule.takeover_held_s:g} s",),
        0.95,
        level=_level(len(empty), len(takeovers)),
        data={"empty": len(empty), "takeovers": len(takeovers)},
    )  # fmt: skip


def _nothing(segment: Segment, drives: Drives) -> str:
    """Return how a takeover that shows nothing went."""
    seconds = (segment.stop - segment.start) / segment.hz
    if segment.trigger not in HANDED and segment.start <= STARTS_WITHIN_STEPS and seconds < drives.rule.takeover_held_s:
        return f"lasted under a second at the {'start line' if drives.has_road else 'beginning of an episode'}"
    if seconds < drives.rule.takeover_min_s:
        return f"lasted under {drives.rule.takeover_min_s:g} seconds"
    return f"moved the car less than {drives.rule.takeover_min_m:g} metres"


@drives_check("takeovers-fail")
def fail(drives: Drives, case: Case) -> Answer:
    """Takeovers at a corner that end off the road: they show the agent the way in, and not the way out."""
    takeovers = [s for s in _driven(drives, "takeover") if s.corner and s.outcome != "unclear"]
    if len(takeovers) < LEAST:
        return Lacking("three takeovers of yours at a corner")
    found, sound = [], []
    for corner in dict.fromkeys(s.corner for s in takeovers):
        here = [s for s in takeovers if s.corner == corner][-40:]
        failed = [s for s in here if s.outcome == "failed"]
        text = f"{len(failed)} of your newest {number_of(len(here), 'takeover')} at {corner} ended off the road"
        if len(failed) < LEAST or 2 * len(failed) <= len(here):
            sound.append(Sound(text))
            continue
        found.append(Finding(
            f"{text} or at a standstill: the agent has seen how you go in, but not how to get out.",
            (text, f"they lasted {np.median([s.seconds for s in failed]):.1f} s (median)",),
            0.9,
            change=f'Take over earlier and slower; `hitl play --practice "{corner}"` begins again and again just before it.',
            data={"corner": corner, "failed": len(failed), "takeovers": len(here)},
        ))  # fmt: skip
    return found or sound


@drives_check("laps-unfinished")
def unfinished(drives: Drives, case: Case) -> Answer:
    """Laps of the player's that were not finished, and so are not learned from."""
    laps = [s for s in _driven(drives, "lap") if s.purpose == "lap"]
    if not laps:
        return Lacking("a lap of yours")
    ended_early = [s for s in laps if not finished_lap(s)]
    lost = [s for s in ended_early if not drives.rule.judge(s).counts]  # for whatever reason: a wrecked start, judged bad
    text = f"{len(laps) - len(ended_early)} of your {number_of(len(laps), 'lap')} reached the finish"
    if len(lost) < LEAST or 2 * len(lost) <= len(laps):
        return Sound(text)
    sentence = f"{len(lost)} of your {number_of(len(laps), 'lap')} did not reach the finish, and are not learned from."
    return Finding(sentence, (text,), 0.95, data={"unfinished": len(lost), "laps": len(laps)})


CHECKS: tuple[Check, ...] = (show_nothing, fail, unfinished)
