"""What a reviewer needs of one session, in a folder: a film of each takeover, one JSON file, and one page that shows it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from data.errors import HitlError, StoreError, UsageError
from data.extras import install
from data.files import held
from data.reading.segment_review import StoreReview
from data.records import HUMAN, Segment
from data.store import Store
from data.words import number_of
from hitl.commands.selection import local_time
from hitl.field_kit.private import Private
from hitl.home import Home
from hitl.road.laps import corner_times, stretches
from hitl.screens.stored.clips import ClipMaker
from hitl.screens.stored.report import package_versions, stored_report
from hitl.screens.stored.scene import stored_scene
from takeover_ui.clips.files import can_write, write
from takeover_ui.clips.game_pictures import GamePictures
from takeover_ui.report.contents import DriveRow, Film, Report
from trainer.checkpoints.in_force import rule_of_run

if TYPE_CHECKING:
    from data.demos import DemoRule
    from data.reading.drives import Drive, EpisodeSummary
    from hitl.settings import Settings
    from takeover_ui.language import Words
    from takeover_ui.view import Scene

FORMAT, VERSION = "hitl-session", 1
JSON_NAME, PAGE_NAME = "session.json", "session.html"
NOTHING = "Nothing was driven in this session, so nothing of it is recorded."
NO_FILMS = "There is no road to film here, and no picture of the game in hitl's window, so there are neither films nor a page."
FOLDER = "recorded"  # in the home, where no other is named
SETTINGS = ("play", "takeover", "help", "coach", "agent", "observation", "trackmania", "supertuxkart")
PATHS = ("use", "actions", "normalize", "track", "folder", "data")  # of these settings, the last part of a path is told
SECRET = ("host",)


@dataclass
class _Takeover:
    segment: Segment
    files: list[str] = field(default_factory=list)


class SessionFiles:
    """Writes the folder of one session. ``pictures``: folders with the game's own pictures of a takeover, by segment.

    ``say`` takes a line about what is done. Raises HitlError where nothing can be written.
    """

    def __init__(
        self,
        home: Home,
        session: int,
        into: Path,
        *,
        settings: Settings,
        words: tuple[Words, Words],
        pictures: Callable[[list[Segment]], Mapping[int, Path]] = lambda segments: {},
        say: Callable[[str], None] = print,
    ) -> None:
        """``words``: those of the review, and those of the report."""
        self._home, self._session, self._settings, self._say = home, session, settings, say
        self._screens, self._report_words = words
        self._pictures = pictures
        self.folder = _unused(into / f"session-{session}")
        self._private = Private(home)

    def write(self) -> str:
        """Write all of it; return a sentence. What is broken off (Ctrl+C) keeps what is done."""
        with Store(self._home.store_path, read_only=True) as store:
            session = next(s for s in store.sessions() if s.id == self._session)
            episodes = store.episodes(session=self._session)
            if not episodes:
                return NOTHING
            takeovers = [_Takeover(s) for s in store.segments(session=self._session, kind="takeover") if s.closed]
            scene = self._scene(store, session.track)
            self._make_folder()
            facts = self._facts(store, episodes, scene)
            self._write(store, facts, takeovers, episodes, scene)  # before the films, which take their time
            broken = ""
            try:
                for line in self._films(store, takeovers, scene):
                    self._say(line)
            except KeyboardInterrupt:
                broken = " The films were broken off."
            self._write(store, facts, takeovers, episodes, scene)
        films = sum(bool(t.files) for t in takeovers)
        page = f", {PAGE_NAME}" if scene is not None else ""
        where = f"{self.folder.name} in {self.folder.absolute().parent}"
        return f"Recorded: {where}: {number_of(films, 'film')}, {JSON_NAME}{page}.{broken}{self._why_no_film(takeovers, scene)}"

    # -- the parts

    @staticmethod
    def _scene(store: Store, track: str) -> Scene | None:
        try:
            return stored_scene(store, track)
        except HitlError:  # there is no road, or no position is known
            return None

    def _make_folder(self) -> None:
        try:
            self.folder.mkdir(parents=True)
        except OSError as error:
            raise StoreError(
                f"The folder '{self.folder.name}' cannot be made ({error.strerror or error}): name another with --record."
            ) from error

    def _films(self, store: Store, takeovers: list[_Takeover], scene: Scene | None) -> Iterator[str]:
        """Write the films, and say so now and then."""
        if not takeovers or (suffix := _suffix()) is None:
            return
        pictures = self._pictures([t.segment for t in takeovers])
        if scene is None and not pictures:
            return
        rule = rule_of_run(store)
        maker = None if scene is None else ClipMaker(StoreReview(store, scene.track, rule=rule), scene, self._screens)
        for number, one in enumerate(takeovers, 1):
            yield f"Film {number} of {len(takeovers)}: takeover {one.segment.id}."
            path = self.folder / f"takeover-{one.segment.id}{suffix}"
            with contextlib.suppress(UsageError):  # no positions are known there
                if maker is not None:
                    for _ in write(path, maker.segment(one.segment)):
                        pass
                    one.files.append(path.name)
            frames = pictures.get(one.segment.id)
            if frames is not None and (shown := GamePictures(frames)).seconds:
                path = self.folder / f"takeover-{one.segment.id}-game{suffix}"
                for _ in write(path, shown):
                    pass
                one.files.append(path.name)

    @staticmethod
    def _why_no_film(takeovers: list[_Takeover], scene: Scene | None) -> str:
        if not takeovers:
            return " No one took over, so there is nothing to film."
        films_need = f" Films need packages that are not installed: {install('clips')}." if _suffix() is None else ""
        if scene is not None:
            return films_need
        if any(t.files for t in takeovers):
            return " There is no road here, so there is no page, and the films are the game's own pictures."
        return f" {NO_FILMS}" if not films_need else f" There is no road here, so there is no page.{films_need}"

    def _write(
        self, store: Store, facts: dict[str, Any], takeovers: list[_Takeover], episodes: list[EpisodeSummary], scene: Scene | None
    ) -> None:
        """Write the JSON file and the page as they are now."""
        told = facts | {"takeovers": [self._told(t, store) for t in takeovers]}
        held.write_whole(self.folder / JSON_NAME, json.dumps(told, indent=1, ensure_ascii=False) + "\n")
        if scene is None:
            return
        from takeover_ui.report.page import write_report

        with contextlib.suppress(UsageError):
            report = self._report(store, scene, takeovers, episodes)
            write_report(self.folder / PAGE_NAME, report)

    def _told(self, one: _Takeover, store: Store) -> dict[str, Any]:
        s, rule = one.segment, rule_of_run(store)
        return {
            "id": s.id, "episode": s.episode_id, "corner": s.corner, "from_m": s.from_m, "to_m": s.to_m,
            "from_s": round(s.start / s.hz, 3), "seconds": round(s.seconds, 3), "trigger": s.trigger,
            "outcome": rule.outcome(s), "verdict": s.verdict, "interrupted": s.interrupted,
            "why_not_learned_from": str(rule.judge(s).reason or ""), "films": one.files,
        }  # fmt: skip

    def _facts(self, store: Store, episodes: list[EpisodeSummary], scene: Scene | None) -> dict[str, Any]:
        """Return all but the takeovers."""
        session = next(s for s in store.sessions() if s.id == self._session)
        spans, drives, who = stretches(scene.corners if scene is not None else ()), [], []
        for e in episodes:
            drive = store.steps(e.id, columns=("t", "driver", "progress"))
            drives.append({
                "episode": e.id, "began": e.started, "purpose": e.purpose, "ended_by": e.reason, "lap_s": e.lap_s,
                "driven_s": round(e.length / e.hz, 3), "farthest_m": round(e.farthest, 2), "return": round(e.total, 3),
                "human_s": round(e.human_steps / e.hz, 3), "checkpoint": e.checkpoint_id,
                "corners_s": _rounded(corner_times(drive, spans)),
            })  # fmt: skip
            who += [{"episode": e.id, **run} for run in _who_drove(drive)]
        agent = store.agents().get(self._session)
        return {
            "format": FORMAT, "version": VERSION, "session": self._session, "began": session.started, "kind": session.kind,
            "env": session.env, "track": _last_part(session.track),
            "track_m": round(scene.length, 1) if scene is not None else None,
            "map_uid": store.map_uids().get(session.track), "hz": session.hz, "action_names": list(session.action_names),
            "agent": {"kind": agent.get("kind"), "name": agent.get("name")} if agent else None,
            "pad": self._private.text(session.driver),
            "corners": [{"name": c.name, "from_m": c.from_m, "to_m": c.to_m} for c in scene.corners] if scene is not None else [],
            "drives": drives, "who_drove": who, "versions": package_versions(), "settings": self._told_settings(),
            "reward": dict(session.reward),
        }  # fmt: skip

    def _told_settings(self) -> dict[str, Any]:
        """Return the settings in force, without secrets and paths."""
        return {
            name: {k: self._told_value(k, v) for k, v in asdict(getattr(self._settings, name)).items() if k not in SECRET}
            for name in SETTINGS
        }

    def _told_value(self, key: str, value: Any) -> Any:
        if isinstance(value, str):
            return self._private.text(_last_part(value) if key in PATHS else value)
        return list(value) if isinstance(value, tuple | set | frozenset) else value

    def _report(self, store: Store, scene: Scene, takeovers: list[_Takeover], episodes: list[EpisodeSummary]) -> Report:
        words = self._report_words
        report = stored_report(store, track=scene.track, session=self._session, words=words)
        rule = store.rule()
        films = [Film(_title(t.segment, words), _said(t.segment, rule, words), tuple(t.files)) for t in takeovers]
        count = {e.id: sum(t.segment.episode_id == e.id for t in takeovers) for e in episodes}
        rows = [
            DriveRow(e.id, local_time(e.started, short=True), e.lap_s, e.farthest, e.human_steps / e.hz, count[e.id])
            for e in episodes
        ]
        return replace(report, films=films, drives=rows)


def _suffix() -> str | None:
    """Return the form in which films can be written here; None for none."""
    return next((suffix for suffix in (".mp4", ".gif") if can_write(suffix)), None)


def _unused(folder: Path) -> Path:
    """Return a folder that is not there yet: what was recorded before stays."""
    tries = (folder.with_name(f"{folder.name}-{k}") for k in range(2, 10_000))
    return folder if not folder.exists() else next(path for path in tries if not path.exists())


def _who_drove(drive: Drive) -> list[dict[str, Any]]:
    """Return the stretches in which one of the two drove, in seconds of the drive."""
    if not len(drive):
        return []
    human, hz = drive.driver == HUMAN, drive.episode.hz
    cuts = [0, *(np.flatnonzero(human[1:] != human[:-1]) + 1).tolist(), len(human)]
    return [
        {"driver": "human" if human[a] else "agent", "from_s": round(a / hz, 3), "to_s": round(b / hz, 3)}
        for a, b in pairwise(cuts)
    ]


def _rounded(times: Mapping[str, float]) -> dict[str, float]:
    return {name: round(seconds, 3) for name, seconds in times.items()}


def _last_part(text: str) -> str:
    """Return a file's name without its folders; other texts stay."""
    return text.replace("\\", "/").rstrip("/").rpartition("/")[2] if "/" in text or "\\" in text else text


def _title(segment: Segment, words: Words) -> str:
    place = segment.corner or words.say("film_metre", metre=segment.from_m or 0.0)
    return words.say("film_title", number=segment.id, place=place)


def _said(segment: Segment, rule: DemoRule, words: Words) -> str:
    outcome = {"cleared": "clip_cleared", "failed": "clip_failed"}.get(segment.outcome, "film_unclear")
    verdict = words.get(f"verdict_{segment.verdict}", segment.verdict)
    ignored = () if rule.judge(segment).counts else (words["film_ignored"],)
    return ", ".join((words.written(f"{segment.seconds:.1f} s"), words[outcome], verdict, *ignored))
