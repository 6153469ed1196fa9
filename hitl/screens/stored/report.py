"""The report of a store, or of a part of it: the same for the demo, for `hitl report`, and for a script."""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from statistics import fmean
from typing import Literal

from data.demos import finished_lap
from data.errors import UsageError
from data.reading.attempts import CornerAttempt, stored_attempts
from data.reading.drives import EpisodeSummary
from data.records import AGENT, HUMAN, VERDICTS, Corner, Segment
from data.store import Store
from data.tables.checkpoints import CheckpointRecord
from hitl import __version__
from hitl.road.corner_stats import RECENT
from hitl.road.corners import corner_called
from hitl.screens.before_after import before_and_after, evaluation_laps, score
from hitl.screens.lap_words import recorded_laps
from hitl.screens.stored.scene import stored_scene
from takeover_ui.language import Words
from takeover_ui.report.contents import CornerRow, DrivenLine, EpisodePoint, EvaluationPoint, Report, Score
from takeover_ui.report.texts import ENGLISH, share, track_named
from takeover_ui.view import Scene
from trainer.checkpoints.in_force import rule_of_run

AROUND_M = 35.0  # m of road shown before and after the corner
LINES = 5  # of each kind
CEILING_OF = 20  # newest episodes alone before the help, whose mean return is the ceiling
LATER = "9999"  # than any time that is written down
PACKAGES = ("torch", "gymnasium", "numpy", "rtgym")


def stored_report(
    store: Store,
    *,
    track: str | None = None,
    corner: str | None = None,
    session: int | None = None,
    since: str | None = None,
    until: str | None = None,
    figures: Sequence[tuple[str, str]] = (),
    words: Words = ENGLISH,
) -> Report:
    """Return the report of a part of a store, of all of it by default.

    ``corner``: the one that the report is about; by default the one with most takeovers, else with most failures.
    ``figures``: more figures, as (name of a text, value). ``words``: of the language that it is written in. Raises HitlError
    when the track, corner or session is not in the store, or nothing was driven in that time.
    """
    scene = stored_scene(store, track)
    games = [None] if session is not None else store.games(scene.track)
    found = ((game, store.episodes(scene.track, session=session, since=since, until=until, env=game)) for game in games)
    game, episodes = next((one for one in found if one[1]), (None, []))  # of several games on this track the one driven last
    if not episodes:
        raise UsageError(
            f"No episode on '{scene.track}' in that part of the store. Loosen --session, --since or --until."
        )
    segments = store.segments(track=scene.track, session=session, since=since, until=until)
    driven = {e.id for e in episodes}
    segments = [s for s in segments if game is None or s.episode_id in driven]
    rule, checkpoints = rule_of_run(store), {c.id: c for c in store.checkpoints()}
    takeovers, empty = rule.takeovers(segments)
    strange = store.strange_checkpoints()
    alone = [e for e in episodes if e.purpose != "lap" and not e.human_steps and not e.cut_off and e.checkpoint_id not in strange]
    failures = [e.farthest for e in alone if e.failed]
    shown = _corner(scene, corner, takeovers, failures)
    demos = {s.id for s in store.sessions(scene.track) if s.kind == "demo"}
    helped = next((k for k, e in enumerate(episodes) if e.helped), None)
    demo = next((k for k, e in enumerate(episodes) if e.session_id in demos), 0)
    place = {e.id: k for k, e in enumerate(episodes)}  # in time, which the numbers do not tell after an import
    measured = [e for e in evaluation_laps(episodes) if e.checkpoint_id in checkpoints]  # not those of an imported agent
    (before, _), (after, _) = evaluated = before_and_after(
        measured,
        None if helped is None else sum(place[e.id] < helped for e in measured),
        sum(place[e.id] < demo for e in measured),
    )
    scores = [score(checkpoints, laps, shown, which) for laps, which in evaluated]
    known = [s for s in takeovers if s.started <= _made(checkpoints, after)]
    told, elsewhere = _told(known, shown, after[0].id if all(scores) else None)
    unhelped = [e for e in alone if helped is None or place[e.id] < helped]
    laps, counts = sum(finished_lap(s) for s in segments), sum(rule.judge(s).counts for s in segments)
    # What shows nothing and has no verdict waits for none, and is not among the takeovers that are counted, either.
    verdicts = Counter(s.verdict if s.verdict in VERDICTS else "unreviewed" for s in segments if not rule.empty(s))
    attempts = stored_attempts(store.conn, episodes, scene.corners)
    return Report(
        title=_title(scene, shown, session, *scores, words=words),
        scene=scene,
        words=words,
        corner=shown,
        before=scores[0],
        after=scores[1],
        takeover_seconds=sum(s.seconds for s in takeovers),
        takeovers=len(takeovers),
        empty_takeovers=empty,
        told_takeovers=len(told),
        told_seconds=sum(s.seconds for s in told),
        helped_elsewhere=elsewhere,
        agent_steps=sum(_agent_steps(e) for e in episodes[helped or 0 :]),
        updates=_updates(store, checkpoints, None if helped is None else episodes[helped].checkpoint_id),
        ceiling=_ceiling(episodes[:helped], before),
        lines=_lines(store, scene, shown, episodes, before, after),
        episodes=_curve(episodes),
        evaluations=_evaluations(checkpoints, measured, shown),
        failures=failures,
        failures_before=None if helped is None else sum(e.failed for e in unhelped),
        alone=(len(unhelped), len(alone) - len(unhelped)),
        hz=episodes[-1].hz,
        corners=[_corner_row(c, attempts[c.name], takeovers) for c in scene.corners],
        verdicts={v: verdicts[v] for v in VERDICTS} if segments else {},
        figures=(
            ("figure_episodes", words.written(f"{len(episodes):,}")),
            ("figure_laps", str(laps) if segments else ""),
            ("figure_scripted", words.written(_scripted(takeovers))),
            ("figure_counts", share(words, counts, len(segments)) if segments else ""),
            ("figure_laps_before", _laps_said(before, scene, words)),
            ("figure_laps_now", _laps_said(after, scene, words)),
            ("figure_first", episodes[0].started[:10]),
            ("figure_last", episodes[-1].started[:10]),
            *figures,
        ),
        versions=package_versions(),
    )


def _laps_said(laps: list[EpisodeSummary], scene: Scene, words: Words) -> str:
    """Return how many laps of an evaluation were finished and how fast; "" where none was."""
    found = recorded_laps(laps, scene.corners)
    if not found.finish.k:
        return ""
    counted = {"finished": found.finish.k, "n": found.finish.n}
    if found.median is None or found.p95 is None:
        return words.say("laps_said", **counted)
    return words.say("laps_said_times", **counted, median=found.median.value, p95=found.p95.value, best=found.best)


def _made(checkpoints: Mapping[int, CheckpointRecord], evaluation: list[EpisodeSummary]) -> str:
    """Return when the checkpoint of an evaluation was made: it knows nothing of the help that came later."""
    made = checkpoints.get(evaluation[0].checkpoint_id or 0) if evaluation else None
    return made.created if made is not None else LATER


def _told(takeovers: Sequence[Segment], corner: Corner | None, evaluated: int | None) -> tuple[list[Segment], bool]:
    """Return the takeovers that the report's first sentence is about, and whether there were others until then.

    They are those at the report's corner, as in its table, before the episode with which the evaluation began (None: all).
    """
    until = [s for s in takeovers if evaluated is None or s.episode_id < evaluated]
    there = [s for s in until if corner is None or s.corner == corner.name]
    return there, len(there) < len(until)


def _scripted(takeovers: Sequence[Segment]) -> str:
    """Return how many takeovers no person drove, and for how long; "" for none."""
    seconds = [s.seconds for s in takeovers if s.trigger == "scripted"]
    return f"{len(seconds)} ({sum(seconds):.1f} s)" if seconds else ""


def _corner(scene: Scene, wanted: str | None, takeovers: list[Segment], failures: list[float]) -> Corner | None:
    if wanted is not None:
        return corner_called(wanted, scene.corners, scene.track)

    def weight(corner: Corner) -> tuple[int, int]:
        name, from_m, to_m = corner
        return sum(s.corner == name for s in takeovers), sum(from_m - 10 <= f <= to_m + 10 for f in failures)

    return max(scene.corners, key=weight, default=None)


def _title(
    scene: Scene, corner: Corner | None, session: int | None, before: Score | None, after: Score | None, *, words: Words
) -> str:
    if corner and before and after:
        return words.say("title_from", corner=corner.name, before=before.said(words), after=after.said(words))
    track = track_named(words, scene.track)
    return words.say("title_all", track=track) if session is None else words.say("title_session", number=session, track=track)


def _agent_steps(episode: EpisodeSummary) -> int:
    return episode.length - episode.human_steps if episode.purpose in ("drive", "practice") else 0


def _updates(store: Store, checkpoints: Mapping[int, CheckpointRecord], first_helped: int | None) -> int:
    """Return the trainer's updates since the checkpoint of the first takeover; all of them where there was none."""
    latest, first = store.latest_checkpoint(), checkpoints.get(first_helped or 0)
    return latest.updates - (first.updates if first is not None else 0) if latest else 0


def _ceiling(alone: list[EpisodeSummary], before: list[EpisodeSummary]) -> float | None:
    """Return the mean return of the last episodes that the agent drove alone before the first help, else of an evaluation."""
    totals = [e.total for e in alone if e.purpose == "drive"][-CEILING_OF:]
    totals = totals if len(totals) >= 5 else [e.total for e in before]
    return fmean(totals) if totals else None


def _curve(episodes: list[EpisodeSummary]) -> list[EpisodePoint]:
    """Return the drives as points. A try at one corner is not a point (it earns a part of an episode), but its steps count."""
    points, steps = [], 0
    for e in episodes:
        steps += _agent_steps(e)
        if e.purpose == "drive":
            points.append(EpisodePoint(steps, e.total, e.human_steps / e.hz))
    return points


def _evaluations(
    checkpoints: Mapping[int, CheckpointRecord], laps: list[EpisodeSummary], corner: Corner | None
) -> list[EvaluationPoint]:
    """Return one point for each checkpoint that was evaluated, at the steps it had learned from."""
    groups: dict[int, list[EpisodeSummary]] = {}
    for e in laps:
        checkpoint = checkpoints.get(e.checkpoint_id or 0)
        if checkpoint is not None:
            groups.setdefault(checkpoint.id, []).append(e)
    end = corner.to_m if corner else 0.0
    points = [
        EvaluationPoint(checkpoints[key].env_steps, sum(e.farthest >= end for e in g), len(g), fmean(e.total for e in g))
        for key, g in groups.items()
    ]
    return sorted(points, key=lambda p: p.agent_steps)


def _lines(
    store: Store,
    scene: Scene,
    corner: Corner | None,
    episodes: list[EpisodeSummary],
    before: list[EpisodeSummary],
    after: list[EpisodeSummary],
) -> list[DrivenLine]:
    """Return what the human and the two evaluated checkpoints drove through the corner."""
    if corner is None:
        return []
    low, high = max(0.0, corner.from_m - AROUND_M), min(scene.length, corner.to_m + AROUND_M)
    driven = [e for e in episodes if e.purpose != "evaluation"]
    kinds: tuple[tuple[Literal["before", "human", "after"], list[EpisodeSummary]], ...]
    kinds = ("before", before), ("human", driven), ("after", after)
    lines: list[DrivenLine] = []
    for kind, group in kinds:
        for drive in store.lines(reversed(group), low, high, HUMAN if kind == "human" else AGENT, LINES):
            failed = kind != "human" and drive.episode.failed
            lines.append(DrivenLine(kind, drive.points, drive.progress, drive.speed, failed=failed))
    return lines


def _corner_row(corner: Corner, attempts: Sequence[CornerAttempt], takeovers: list[Segment]) -> CornerRow:
    alone = [a.passed for a in attempts if a.by == "agent"]
    here = [s for s in takeovers if s.corner == corner.name]
    return CornerRow(
        *corner,
        attempts=len(alone),
        passed=sum(alone),
        takeovers=len(here),
        human_seconds=sum(s.seconds for s in here),
        cleared=sum(s.outcome == "cleared" for s in here),
        newest=(sum(alone[-RECENT:]), len(alone[-RECENT:])),
    )


def package_versions() -> dict[str, str]:
    """Return the versions of hitl, Python and the packages that matter."""
    found = {"hitl": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
