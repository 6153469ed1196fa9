"""What the pages show, read from an open store."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from data.errors import HitlError, UsageError
from data.reading.news import page_mark
from data.reading.segment_review import StoreReview
from data.records import ROADLESS, Segment, driver_kind
from data.store import Store
from hitl.commands.selection import local_time
from hitl.home import Home
from hitl.remote.elsewhere import far_trainer, is_at_work, trains_elsewhere
from hitl.screens.stored.report import stored_report
from hitl.screens.stored.scene import stored_scene
from hitl.settings import language_of
from takeover_ui.geometry import Ribbon, ribbon
from takeover_ui.language import Words
from takeover_ui.pages.clip import clip
from takeover_ui.pages.contents import (
    HomePage,
    PageHead,
    SessionRow,
    TakeoverCard,
    TakeoverPage,
    TakeoversPage,
    Trainer,
)
from takeover_ui.pages.texts import ENGLISH, LANGUAGES
from takeover_ui.reasons import why_not
from takeover_ui.report import charts
from takeover_ui.report.contents import Report
from takeover_ui.review.compare import figures, in_words
from takeover_ui.view import Scene
from trainer.checkpoints.in_force import rule_of_run
from trainer.daemon import control
from trainer.daemon.heartbeat import SILENT_S, Heartbeat, read_heartbeat

NEWEST = 6  # takeovers on the first page
A_PAGE = 12  # takeovers on a page of their list
SESSIONS = 10
DRIVES = 500  # in the chart of returns
_ROAD_M = 1.0  # between the points of the road that a clip shows


def words_of(store_path: Path) -> Words:
    """Return the texts in the language of a home's player."""
    return LANGUAGES[language_of(Home(store_path.parent))]


def trainer_of(store_path: Path, words: Words = ENGLISH) -> Trainer:
    """Return how the trainer of a home is doing."""
    beat = read_heartbeat(store_path.parent)
    if trains_elsewhere(Home(store_path.parent)):
        far = is_at_work(far_trainer(store_path.parent))
        return Trainer("working" if far else "far", words["trainer_far_said"])
    if not control.running(store_path):
        if beat is not None and beat.state == "failed":
            return Trainer("failed", words["trainer_goes_on"], warnings=(beat.problem,))
        return Trainer("quiet", words["trainer_start"])
    if beat is None or beat.state == "starting":
        return Trainer("working", words["trainer_starting"])
    age = beat.checkpoint_age_s
    silent = beat.age_s >= SILENT_S
    return Trainer(
        "working",
        words.say("trainer_silent", seconds=beat.age_s) if silent else words.say("trainer_doing", doing=beat.doing),
        (
            (words["beat_updates"], words.written(f"{beat.updates:,}")),
            *(() if silent else _pace(beat, words)),
            (words["beat_takeovers"], f"{beat.takeover_seconds:.0f} s"),
            (words["beat_checkpoint"], words["beat_none"] if age is None else words.say("beat_ago", age=_ago(age))),
        ),
        [said for said in (beat.finding, beat.held_back, beat.problem) if said],
    )


def _pace(beat: Heartbeat, words: Words) -> tuple[tuple[str, str], ...]:
    """Return what is true only while it is heard of."""
    behind = words.say("beat_steps", n=beat.steps_behind)
    return (words["beat_speed"], f"{beat.updates_per_second:.0f}"), (words["beat_behind"], behind)


def _ago(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.0f} h"


def head_of(store: Store, track: str | None, words: Words = ENGLISH) -> PageHead:
    """Return where a page about a track is; None is the one driven last. Raises UsageError for one that is not in the store."""
    tracks = store.tracks()
    if track is not None and track not in tracks:
        raise UsageError(words["no_track"])
    chosen = track if track is not None else tracks[0] if tracks else ""
    drawn = not chosen or _scene(store, chosen) is not None
    return PageHead(chosen, tracks, page_mark(store.conn), trainer_of(store.path, words), drawn)


def must_have_report(store: Store, track: str | None, words: Words = ENGLISH) -> None:
    """Raise UsageError where a track, or the one driven last, is of a game that has no road."""
    sessions = store.driven_sessions(track) if track is not None else store.driven_sessions()
    if sessions and sessions[0].env.startswith(ROADLESS) and _scene(store, sessions[0].track) is None:
        raise UsageError(words.say("no_report", track=sessions[0].track))


def home_page(store: Store, track: str | None = None, words: Words = ENGLISH) -> HomePage:
    """Return the first page."""
    head = head_of(store, track, words)
    if not head.track:
        return HomePage(head, words["nothing_yet"])
    sessions, more = _sessions(store)
    report = _report(store, head.track, words)
    takeovers = _takeovers(store, head.track)
    counted, empty = store.rule().takeovers(takeovers)
    episodes = store.episodes(head.track)
    return HomePage(
        head,
        lead=_lead(report, counted, words),
        tiles=_tiles(report, len(episodes), counted, empty, words),
        charts=[] if report is None else _curves(report),
        corners=() if report is None else report.corners,
        takeovers=_cards(store, head.track, takeovers[: -NEWEST - 1 : -1], words),
        sessions=sessions,
        more_sessions=more,
    )


def takeovers_page(store: Store, asked: Mapping[str, str], words: Words = ENGLISH) -> TakeoversPage:
    """Return a page of the list of takeovers; ``asked`` may hold ``track``, ``corner``, ``session`` and ``page``."""
    head = head_of(store, asked.get("track"), words)
    session = number(asked["session"], words) if "session" in asked else None
    found = _takeovers(store, head.track, corner=asked.get("corner"), session=session)
    pages = max(1, math.ceil(len(found) / A_PAGE))
    shown = min(max(1, number(asked.get("page", "1"), words)), pages)
    newest = found[::-1][(shown - 1) * A_PAGE : shown * A_PAGE]
    return TakeoversPage(
        head,
        _cards(store, head.track, newest, words),
        total=len(found),
        number=shown,
        pages=pages,
        chosen=[(name, asked[name]) for name in ("track", "corner", "session") if name in asked],
        corners=[corner for track, corner in store.corners_named() if track == head.track],
    )


def takeover_page(store: Store, segment_id: int, words: Words = ENGLISH) -> TakeoverPage:
    """Return the page of one takeover. Raises UsageError where there is none of that number."""
    segment = next((s for s in store.segments(ids=[segment_id], kind="takeover") if s.closed), None)
    if segment is None:
        raise UsageError(words["no_takeover"])
    ids = [s.id for s in _takeovers(store, segment.track)]
    at = ids.index(segment.id)
    rule, head = rule_of_run(store), head_of(store, segment.track, words)
    moves = head.has_road or bool(segment.to_m)  # some games tell metres and no places
    return TakeoverPage(
        head,
        _cards(store, segment.track, [segment], words)[0],
        facts=[
            (words["fact_began"], local_time(segment.started)),
            (words["fact_length"], words.written(f"{segment.seconds:.2f} s")),
            *([(words["fact_from"], f"{segment.from_m:.0f} m")] if moves and segment.from_m is not None else ()),
            *([(words["fact_to"], f"{segment.to_m:.0f} m")] if moves and segment.to_m is not None else ()),
            (words["fact_by"], words.get(f"began_{segment.trigger}", segment.trigger or "–")),
            (words["fact_outcome"], words.get(f"outcome_{rule.outcome(segment)}", rule.outcome(segment))),
            (words["fact_verdict"], words.get(f"verdict_{segment.verdict}", segment.verdict)),
            (words["fact_priority"], words.written(f"{segment.priority:g}")),
            (words["fact_learned"], words["yes" if rule.judge(segment).counts else "no"]),
            (words["fact_session"], str(segment.session_id)),
        ],
        words=_against_the_agent(store, segment, words),
        before=ids[at - 1] if at else None,
        after=ids[at + 1] if at + 1 < len(ids) else None,
    )


def number(text: str, words: Words = ENGLISH) -> int:
    """Return a number of an address. Raises UsageError."""
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise UsageError(words["no_page_text"])
    return int(text)


def _takeovers(store: Store, track: str, corner: str | None = None, session: int | None = None) -> list[Segment]:
    found = store.segments(track=track, kind="takeover", corner=corner, session=session)
    return [s for s in found if s.closed and s.stop > s.start]


def _scene(store: Store, track: str) -> Scene | None:
    """Return the track as it is drawn; None where no positions are known."""
    try:
        return stored_scene(store, track)
    except HitlError:
        return None


def _road(scene: Scene) -> Ribbon | None:
    """Return the road of a scene; None where the car stood on one spot all the time, which makes no line."""
    try:
        return ribbon(scene.points, scene.half_width, max(_ROAD_M, scene.length / 2000))
    except ValueError:
        return None


def _report(store: Store, track: str, words: Words) -> Report | None:
    try:
        return stored_report(store, track=track, words=words)
    except HitlError:
        return None


def _cards(store: Store, track: str, segments: Sequence[Segment], words: Words) -> list[TakeoverCard]:
    scene, review = _scene(store, track), StoreReview(store, track, rule=rule_of_run(store))
    road = None if scene is None else _road(scene)
    return [
        TakeoverCard(
            s,
            review.rule.outcome(s),
            local_time(s.started, short=True),
            None if scene is None or road is None else clip(review.detail(s), scene, road, words),
            why_not(words, reason) if (reason := review.why_not(s)) else "",
        )
        for s in segments
    ]


def _against_the_agent(store: Store, segment: Segment, words: Words) -> list[str]:
    scene = _scene(store, segment.track)
    corner = None if scene is None else scene.corner(segment.corner)
    detail = StoreReview(store, segment.track).detail(segment)
    if scene is None or corner is None:
        return []
    if detail.agent is None:
        return [words["than_none"]]
    yours, its = (figures(drive, scene, corner, segment.hz) for drive in (detail.drive, detail.agent))
    return in_words(yours, its, corner.to_m, words, who=driver_kind(segment.driver, segment.trigger))


def _curves(report: Report) -> list[charts.Chart]:
    """Return how learning goes; a phone is spared the thousands of drives of a long run."""
    lately = replace(report, episodes=report.episodes[-DRIVES:])
    returns = charts.returns(lately)
    if returns is not None and len(report.episodes) > DRIVES:
        returns = replace(returns, note=report.words.say("return_newest", shown=DRIVES, n=len(report.episodes)))
    return [chart for chart in (charts.passes(report), returns) if chart is not None]


def _lead(report: Report | None, takeovers: Sequence[Segment], words: Words) -> str:
    helped = words.say("lead_helped", n=len(takeovers), seconds=sum(s.seconds for s in takeovers))
    if report is not None and report.corner and report.before and report.after:
        shares = {"before": report.before.said(words), "after": report.after.said(words)}
        return f"{words.say('lead_share', corner=report.corner.name, **shares)} {helped}."
    return words.say("lead_so_far", helped=helped)


def _tiles(
    report: Report | None, episodes: int, takeovers: Sequence[Segment], empty: int, words: Words
) -> list[tuple[str, str]]:
    verdicts = Counter(s.verdict for s in takeovers)
    after = report.after if report is not None else None
    tiles = [
        *([("tile_passed", after.said(words))] if after else []),
        *([("tile_best", words.written(f"{after.best_lap:.1f} s"))] if after and after.best_lap else []),
        ("figure_takeovers", words.written(f"{len(takeovers):,}") + (words.say("and_empty", n=empty) if empty else "")),
        ("help", words.written(f"{sum(s.seconds for s in takeovers):.1f} s")),
        ("tile_unreviewed", words.written(f"{verdicts['unreviewed']:,}")),
        ("tile_episodes", words.written(f"{episodes:,}")),
    ]
    return [(words[name], value) for name, value in tiles]


def _sessions(store: Store) -> tuple[list[SessionRow], int]:
    """Return the newest sessions, newest first, and how many there are beside them."""
    sessions = store.sessions()
    rows, drawn, rule = [], dict[str, bool](), store.rule()
    for s in sessions[: -SESSIONS - 1 : -1]:
        episodes = store.episodes(session=s.id, closed=False)
        takeovers, _ = rule.takeovers(_takeovers(store, s.track, session=s.id))
        seconds = sum(t.seconds for t in takeovers)
        when = local_time(s.started, short=True)
        if s.track not in drawn:
            drawn[s.track] = _scene(store, s.track) is not None
        counts = len(episodes), len(takeovers), seconds
        rows.append(SessionRow(s.id, when, s.kind, s.track, s.driver, s.status, *counts, drawn[s.track]))
    return rows, len(sessions) - len(rows)
