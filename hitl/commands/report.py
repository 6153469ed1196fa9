"""`hitl report`: one HTML page about a session, a span of time, or the whole store."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from data.records import DRIVING_FAULTS
from hitl.arguments import Parser
from hitl.home import add_home, home_path

if TYPE_CHECKING:
    from data.reading.review import EpisodeSummary
    from data.records import Corner, Segment
    from data.store import Store
    from takeover_ui.report.contents import CornerRow, DrivenLine, EvaluationPoint, Outcome, Report
    from takeover_ui.view import Scene

_AROUND_M = 35.0
_LINES = 5


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="hitl report",
        description="Write one HTML page, which needs no network, about what was driven and learned.",
    )
    add_home(parser)
    parser.add_argument("--track", help="a shipped track's name or a file (default: the one driven most)")
    parser.add_argument("--corner", help="the corner to look at closely (default: the one with most failures)")
    parser.add_argument("--session", type=int, metavar="N", help="only this session")
    parser.add_argument("--since", metavar="DATE", help="2026-11-20, today, yesterday, or an age: 12h, 7d")
    parser.add_argument("--until", metavar="DATE", help="before this moment; the same forms")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: report.html in the home folder")
    args = parser.parse_args(argv)

    from data.errors import InputFileError
    from data.store import Store
    from hitl.commands.selection import parse_date
    from takeover_ui.report.page import write_report

    home = home_path(args)
    output = args.output or home.root / "report.html"
    with Store.open_existing(home.store_path) as store:
        report = collect(
            store,
            track=args.track,
            corner=args.corner,
            session=args.session,
            since=parse_date(args.since) if args.since else None,
            until=parse_date(args.until) if args.until else None,
        )
    try:
        write_report(output, report)
    except OSError as error:
        reason = error.strerror or error
        raise InputFileError(f"The report '{output.name}' cannot be written: {reason}.") from error
    print(f"{output.name} written to {output.absolute().parent}.")
    return 0


def collect(
    store: Store,
    *,
    track: str | None = None,
    corner: str | None = None,
    session: int | None = None,
    since: str | None = None,
    until: str | None = None,
) -> Report:
    """Return the report of a part of a store.

    Raises HitlError when the track, corner or session is not in the store, or nothing was driven in that time.
    """
    from data.errors import UsageError
    from data.reading import review
    from hitl import __version__
    from hitl.screens.stored_scene import stored_scene
    from takeover_ui.report.contents import EpisodePoint, Report

    scene = stored_scene(store, track)
    episodes = review.episodes(store.conn, scene.track, session=session, since=since, until=until)
    if not episodes:
        raise UsageError(
            f"No episode on '{scene.track}' in that part of the store: loosen --session, --since or --until."
        )
    failures = [e.progress for e in episodes if e.purpose != "lap" and e.human_steps == 0 and e.reason in DRIVING_FAULTS]
    shown = _corner(scene, corner, failures)
    segments = store.segments(track=scene.track, session=session, since=since, until=until)
    rule = store.rule()
    takeovers = [s for s in segments if s.kind == "takeover" and not rule.nothing_shown(s)]
    evaluations = _evaluations(store, episodes, shown)
    live, steps = [], 0
    for e in episodes:
        if e.purpose not in ("drive", "practice"):
            continue
        steps += e.length - e.human_steps
        if e.purpose == "drive":  # a try at one corner earns a fraction of an episode: it is no point of that curve
            live.append(EpisodePoint(steps, e.total, e.human_steps / e.hz))
    before, after, lines = _before_and_after(store, scene, shown, episodes)
    verdicts = Counter(s.verdict for s in segments)
    checkpoint = store.latest_checkpoint()
    what = f"Session {session}" if session is not None else "Takeovers and learning"
    return Report(
        title=f"{what} on ‘{scene.track}’",
        scene=scene,
        corner=shown,
        before=before,
        after=after,
        takeover_seconds=sum(s.seconds for s in takeovers),
        takeovers=len(takeovers),
        agent_steps=steps,
        updates=checkpoint.updates if checkpoint else 0,
        ceiling=_ceiling(episodes),
        lines=lines,
        episodes=live,
        evaluations=evaluations,
        failures=failures,
        corners=[_corner_row(c, episodes, takeovers) for c in scene.corners],
        judged={v: verdicts[v] for v in ("unreviewed", "good", "star", "bad")} if segments else {},
        figures=(
            ("episodes", f"{len(episodes):,}"),
            ("laps driven by the human", str(sum(s.kind == "lap" for s in segments)) if segments else ""),
            ("learned from", f"{sum(rule.judge(s).counts for s in segments):,} of {len(segments):,}" if segments else ""),
            ("from", episodes[0].started[:10]),
            ("to", episodes[-1].started[:10]),
        ),
        versions={"hitl": __version__},
    )


def _corner(scene: Scene, wanted: str | None, failures: list[float]) -> Corner | None:
    from data.errors import UsageError
    from data.suggest import did_you_mean

    if wanted is not None:
        found = next((c for c in scene.corners if c[0] == wanted), None)
        if found is None:
            known = ", ".join(c[0] for c in scene.corners) or "none"
            meant = did_you_mean(wanted, [c[0] for c in scene.corners])
            raise UsageError(f"'{scene.track}' has no corner '{wanted}'. Known corners: {known}.{meant}")
        return found
    return max(scene.corners, key=lambda c: sum(c[1] - 10 <= f <= c[2] + 10 for f in failures), default=None)


def _ceiling(episodes: list[EpisodeSummary]) -> float | None:
    """Return the mean return of the last episodes that the agent drove alone before it was first helped."""
    alone: list[float] = []
    for e in episodes:
        if e.purpose == "drive" and e.human_steps > 0:
            return sum(alone[-20:]) / len(alone[-20:]) if len(alone) >= 5 else None
        if e.purpose == "drive":
            alone.append(e.total)
    return None


def _evaluations(store: Store, episodes: list[EpisodeSummary], corner: Corner | None) -> list[EvaluationPoint]:
    """Return one point for each checkpoint that was evaluated, at the steps it had learned from."""
    from takeover_ui.report.contents import EvaluationPoint

    steps = {c.id: c.env_steps for c in store.checkpoints()}
    groups = _by_checkpoint(episodes)
    end = corner[2] if corner else 0.0
    points = [
        EvaluationPoint(
            steps[key], sum(e.progress >= end for e in group), len(group), sum(e.total for e in group) / len(group)
        )
        for key, group in groups.items()
        if key in steps
    ]
    return sorted(points, key=lambda p: p.agent_steps)


def _by_checkpoint(episodes: list[EpisodeSummary]) -> dict[int, list[EpisodeSummary]]:
    groups: dict[int, list[EpisodeSummary]] = {}
    for e in episodes:
        if e.purpose == "evaluation" and e.checkpoint_id is not None:
            groups.setdefault(e.checkpoint_id, []).append(e)
    return groups


def _before_and_after(
    store: Store, scene: Scene, corner: Corner | None, episodes: list[EpisodeSummary]
) -> tuple[Outcome | None, Outcome | None, list[DrivenLine]]:
    """Return an evaluation from before the first takeover (else the first one) and the last one, and the lines driven.

    The lines are those of both checkpoints and of the human through the corner.
    """
    from data.reading import driven
    from takeover_ui.report.contents import DrivenLine, Outcome

    groups = _by_checkpoint(episodes)
    if corner is None:
        return None, None, []
    names = {c.id: c.name for c in store.checkpoints()}
    low, high = max(0.0, corner[1] - _AROUND_M), min(scene.length, corner[2] + _AROUND_M)
    sessions = {e.id for e in episodes}
    lines: list[DrivenLine] = []

    def add(kind: str, checkpoint: int | None) -> None:
        purposes = ("drive", "practice", "lap") if kind == "human" else ("evaluation",)
        found = driven.parts(
            store.conn,
            purposes=purposes,
            from_m=low,
            to_m=high,
            human=kind == "human",
            checkpoint_id=checkpoint,
            limit=40,
        )
        for part in [p for p in found if p.episode_id in sessions][:_LINES]:
            failed = kind != "human" and part.reason in DRIVING_FAULTS
            lines.append(DrivenLine(kind, part.points, part.progress, part.speed, failed))  # type: ignore[arg-type]

    def outcome(checkpoint: int) -> Outcome:
        group = groups[checkpoint][-20:]
        passed = tuple(e.progress >= corner[2] for e in group)
        mean = sum(e.total for e in group) / len(group)
        finished = sum(e.reason == "finish" for e in group)
        return Outcome(len(group), sum(passed), mean, finished, passed, Path(names.get(checkpoint, "")).stem)

    order = list(groups)
    helped = next((e.id for e in episodes if e.purpose != "lap" and e.human_steps > 0), None)
    unhelped = [key for key in order[:-1] if helped is not None and groups[key][0].id < helped]
    first = unhelped[-1] if unhelped else order[0] if order else -1
    if len(order) > 1:
        add("before", first)
    add("human", None)
    if order:
        add("after", order[-1])
    before = outcome(first) if len(order) > 1 else None
    return before, outcome(order[-1]) if order else None, lines


def _corner_row(corner: Corner, episodes: list[EpisodeSummary], takeovers: list[Segment]) -> CornerRow:
    from takeover_ui.report.contents import CornerRow

    name, from_m, to_m = corner
    alone = [e for e in episodes if e.purpose != "lap" and e.human_steps == 0]
    here = [s for s in takeovers if s.corner == name]
    return CornerRow(
        name,
        from_m,
        to_m,
        reached=sum(e.progress >= from_m for e in alone),
        passed=sum(e.progress >= to_m for e in alone),
        takeovers=len(here),
        human_seconds=sum(s.seconds for s in here),
        cleared=sum(s.outcome == "cleared" for s in here),
    )
