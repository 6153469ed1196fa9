"""The demo's report, put together from its store."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal

from data.reading.driven import DrivenPart, parts, sums
from data.records import DRIVING_FAULTS, Corner
from data.store import Store
from hitl import __version__
from hitl.demo.demo import DemoResult
from hitl.home import Home
from hitl.road.track import Track
from takeover_ui.report.contents import DrivenLine, EpisodePoint, EvaluationPoint, Report
from takeover_ui.report.contents import Outcome as ReportOutcome
from takeover_ui.report.page import write_report
from takeover_ui.view import Scene

AROUND_M = 35.0  # m of road shown before and behind the corner
SHOWN = 5  # lines of each kind
PACKAGES = ("torch", "gymnasium", "numpy", "rtgym")


def write_demo_report(path: Path, home: Home, track: Track, result: DemoResult, hz: float) -> None:
    """Write the one-file HTML report of a demo. Raises OSError when the file cannot be written."""
    corner, length = result.corner, track.line.length
    low, high = max(0.0, corner.from_m - AROUND_M), min(length, corner.to_m + AROUND_M)
    with Store.open(home.store_path, read_only=True) as store:
        checkpoints = {c.name: c.id for c in store.checkpoints()}

        def agent(checkpoint: str) -> list[DrivenPart]:
            return parts(
                store.conn,
                purposes=("evaluation",),
                from_m=low,
                to_m=high,
                checkpoint_id=checkpoints.get(checkpoint),
                limit=SHOWN,
            )

        before, after = agent(result.before.checkpoint), agent(result.after.checkpoint)
        human = parts(store.conn, purposes=("drive",), from_m=low, to_m=high, human=True, limit=SHOWN)
        episodes = [e for e in sums(store.conn) if e.purpose == "drive"]
        at = {c.id: c.env_steps for c in store.checkpoints()}
        evaluations = [
            EvaluationPoint(at[e.checkpoint_id], e.passes.get(corner.name, 0), e.episodes, e.return_mean)
            for e in store.evaluations(track=track.name)
            if e.checkpoint_id in at
        ]
    groups: list[tuple[Literal["before", "human", "after"], list[DrivenPart]]] = [
        ("before", before),
        ("human", human),
        ("after", after),
    ]
    lines = [
        DrivenLine(kind, p.points, p.progress, p.speed, failed=p.reason in DRIVING_FAULTS and kind != "human")
        for kind, group in groups
        for p in group
    ]
    curve, steps = [], 0
    for e in episodes:
        steps += e.length - e.human_steps
        curve.append(EpisodePoint(steps, e.total, e.human_steps / hz))
    report = Report(
        title=f"{result.corner.name}: from {result.before.passes} to {result.after.passes} of {len(result.after.results)}",
        scene=Scene(track.name, track.line.points, track.half_width, length, _shown_corners(track, result)),
        corner=corner,
        before=_outcome(result, "before"),
        after=_outcome(result, "after"),
        takeover_seconds=result.takeover_seconds,
        takeovers=result.takeovers,
        agent_steps=result.agent_steps,
        updates=result.updates,
        wall_seconds=result.wall_seconds,
        seed=result.seed,
        ceiling=result.before.summary()["return_mean"],
        lines=lines,
        episodes=curve,
        evaluations=sorted(evaluations, key=lambda e: e.agent_steps),
        failures=[e.progress for e in episodes if e.reason in DRIVING_FAULTS],
        versions=_versions(),
    )
    write_report(path, report)


def _shown_corners(track: Track, result: DemoResult) -> tuple[Corner, ...]:
    return track.corners if result.corner in track.corners else (*track.corners, result.corner)


def _outcome(result: DemoResult, which: str) -> ReportOutcome:
    outcome = result.before if which == "before" else result.after
    return ReportOutcome(
        episodes=len(outcome.results),
        corner_passes=outcome.passes,
        return_mean=float(outcome.summary()["return_mean"]),
        finished=sum(r.reason == "finish" for r in outcome.results),
        passed=tuple(r.passed[outcome.corner] for r in outcome.results),
        checkpoint=f"{int(outcome.checkpoint.partition('-')[0]):,} updates" if outcome.checkpoint else "",
    )


def _versions() -> dict[str, str]:
    found = {"hitl": __version__, "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
