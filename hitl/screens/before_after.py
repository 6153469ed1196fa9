"""Which evaluations a report compares: how the agent drove alone before the help, and how it does now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from statistics import fmean

from data.reading.drives import EpisodeSummary
from data.records import Corner
from data.tables.checkpoints import CheckpointRecord
from takeover_ui.report.contents import Score

EPISODES = 20  # newest ones of an evaluation that are shown
BROKEN_OFF = ("stopped", "killed")  # why a lap ends with which its evaluation ends early

Side = tuple[list[EpisodeSummary], str]
"""The laps of one evaluation, oldest first, and which one it is: the name of a text of the report."""


def evaluation_laps(episodes: Iterable[EpisodeSummary]) -> list[EpisodeSummary]:
    """Return the laps of evaluations that were driven to their end.

    Who skips the rest of an evaluation has seen how it goes: the laps until then are no fair sample, and of one lap a share says
    nothing. So they do not count.
    """
    whole: list[EpisodeSummary] = []
    laps: list[EpisodeSummary] = []  # of the evaluation that is looked at, in its session
    by_session: dict[int, list[EpisodeSummary]] = {}
    measured = list(episodes)
    for e in measured:
        if e.purpose == "evaluation" and e.checkpoint_id is not None:
            by_session.setdefault(e.session_id, []).append(e)
    for driven in by_session.values():
        for e in driven:
            if laps and not _same_evaluation(laps[-1], e):
                whole, laps = whole + laps, []
            laps = [] if e.reason in BROKEN_OFF else [*laps, e]
        whole, laps = whole + laps, []
    found = {(e.session_id, e.id) for e in whole if not e.cut_off}
    return [e for e in measured if (e.session_id, e.id) in found]


def _same_evaluation(lap: EpisodeSummary, following: EpisodeSummary) -> bool:
    """Tell whether a lap follows another one in the same evaluation: its checkpoint drives from the next start."""
    if lap.checkpoint_id != following.checkpoint_id or lap.seed is None or following.seed is None:
        return False
    return following.seed == lap.seed + 1


def before_and_after(
    laps: list[EpisodeSummary], first_help: int | None, first_drive: int
) -> tuple[Side, Side]:
    """Return the two evaluations that are compared; ``laps``: of all that were driven to their end, oldest first.

    ``first_help``: how many of them came before the first episode with help. Before is the last evaluation without help, after
    the most recent one with it. A demo in which no one took over has its first drive (``first_drive`` of them before it; 0: there
    was no demo) in place of the help. What was not measured since then, or before the help, is not there. Where there was no
    help, they are the first checkpoint that was evaluated and the most recent.
    """
    moment = "takeover" if first_help is not None else "demo"
    began = first_help if first_help is not None else first_drive
    earlier, later = laps[:began], laps[began:]
    recent = "rule_recent"
    if earlier:
        after = _newest(later) if later else []
        return (_newest(earlier), f"rule_last_{moment}"), (after, recent)
    after = _newest(laps)
    if first_help is not None:  # all that was measured has learned from it
        return ([], f"rule_last_{moment}"), (after, recent)
    first = [e for e in laps if e.checkpoint_id == laps[0].checkpoint_id]
    before = first[-EPISODES:] if after and first[0].checkpoint_id != after[0].checkpoint_id else []
    return (before, "rule_first"), (after, recent)


def _newest(laps: list[EpisodeSummary]) -> list[EpisodeSummary]:
    """Return the newest laps of the checkpoint that was evaluated last."""
    return [e for e in laps if e.checkpoint_id == laps[-1].checkpoint_id][-EPISODES:]


def score(
    checkpoints: Mapping[int, CheckpointRecord], laps: list[EpisodeSummary], corner: Corner | None, rule: str
) -> Score | None:
    """Return how the laps of one evaluation went; None where there are none, or no corner to judge them by."""
    if corner is None or not laps:
        return None
    checkpoint = checkpoints.get(laps[0].checkpoint_id or 0)
    return Score(
        passed=tuple(e.farthest >= corner.to_m for e in laps),
        return_mean=fmean(e.total for e in laps),
        finished=sum(e.reason == "finish" for e in laps),
        updates=checkpoint.updates if checkpoint is not None else None,
        rule=rule,
        best_lap=min((e.lap_s for e in laps if e.lap_s is not None), default=None),
    )
