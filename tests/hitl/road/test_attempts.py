"""One count for one corner: every place that says how often the agent came through says the same, by the same rule."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from data.reading.attempts import RULE, stored_attempts
from data.reading.episodes import EpisodeWriter
from data.records import AGENT, HUMAN, SessionInfo
from data.store import Store
from hitl.coach.learned import Attempts
from hitl.coach.past import attempts
from hitl.commands import corners, where
from hitl.home import Home
from hitl.pages.reading import home_page
from hitl.road.attempts import Following
from hitl.screens.stored.report import stored_report
from hitl.screens.without_help import WithoutHelp, recorded_past
from takeover_ui.pages.page import render
from takeover_ui.report.page import render as render_report
from tests.support.sample_stores import episode

HAIRPIN = "hairpin"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """Two evaluations that fail and one that passes, practice, help at the corner and elsewhere, laps of all kinds; pruned."""
    home = Home(tmp_path)
    from tests.support.sample_screens import scene

    road = scene()
    with Store(home.store_path) as store:
        for name, from_m, to_m in road.corners:
            store.upsert_corner("default", name, from_m, to_m, "track")
        for driver in ("pad", "scripted", "replay"):
            info = SessionInfo("play", "box2d", "default", 20.0, ("a", "b", "c"), road.action_names, driver=driver)
            session = store.start_session(info)
            with EpisodeWriter(store.conn, session) as writer:
                writer.add(episode(1, blunder=False, purpose="lap"))
                if driver != "pad":
                    continue
                for seed in (2, 3):
                    writer.add(episode(seed, blunder=True, purpose="evaluation"))
                writer.add(episode(4, blunder=False, purpose="evaluation"))
                writer.add(episode(5, blunder=True, purpose="practice"))
                writer.add(episode(6, blunder=True))
                writer.add(episode(7, blunder=False, takeover=True))
                early = episode(8, blunder=False, takeover=True)
                shift = early.segments[0].start - 5  # the help is at the start line, far from the corner
                stretch = slice(early.segments[0].start - shift, early.segments[0].stop - shift)
                early.driver[:] = AGENT
                early.driver[stretch] = HUMAN
                early.segments[0].start, early.segments[0].stop = stretch.start, stretch.stop
                writer.add(early)
            store.end_session(session)
    return home


def test_all_who_count_a_corner_say_the_same(home: Home, capsys: pytest.CaptureFixture[str]) -> None:
    def count() -> dict[str, tuple[int, int]]:
        corners.main(["--home", str(home.root), "--json"])
        (row,) = json.loads(capsys.readouterr().out)["corners"]
        corners.main(["--home", str(home.root)])
        table = capsys.readouterr().out
        shown = re.search(rf"{HAIRPIN}.*?(\d+)/(\d+)", table)
        assert shown is not None
        assert RULE in " ".join(table.split())
        with Store(home.store_path) as store:
            road = store.corners("default")
            (report,) = stored_report(store, track="default").corners
            page = home_page(store, "default")
            (browsed,) = page.corners
            assert RULE in render(page)
            assert RULE in render_report(stored_report(store, track="default"))
            coach = Attempts(HAIRPIN, attempts(store, "default", road)[HAIRPIN]).now()
            overlay = WithoutHelp(road, recorded_past(store, "default", road)).said()
        good, of = re.findall(r"\d+", overlay)
        (failing,) = [text for name, text in where.look(home)[0] if name == "corners that fail"]
        failed, tries = re.findall(r"\d+", failing)
        return {
            "corners --json": (row["agent"]["passes"], row["agent"]["attempts"]),
            "corners": (int(shown[1]), int(shown[2])),
            "report": (report.passed, report.attempts),
            "browse": (browsed.passed, browsed.attempts),
            "coach": (coach.passes, coach.of),
            "overlay": (int(good), int(of)),
            "hitl": (int(tries) - int(failed), int(tries)),
        }

    assert set(count().values()) == {(2, 6)}, count()
    with Store(home.store_path) as store:
        assert store.prune("9999") > 100
    assert set(count().values()) == {(2, 6)}, f"pruning changed what is told: {count()}"


def test_whose_passages_they_are(home: Home) -> None:
    with Store(home.store_path) as store:
        found = stored_attempts(store.conn, store.episodes("default"), store.corners("default"))[HAIRPIN]
    assert [(a.by, a.passed) for a in found] == [
        ("you", True), *[("agent", False)] * 2, ("agent", True), *[("agent", False)] * 2, ("you", True), ("agent", True),
        ("scripted", True), ("imported", True),
    ]  # fmt: skip


def test_a_drive_is_followed_by_the_rule_that_the_store_is_read_by(home: Home) -> None:
    with Store(home.store_path) as store:
        road = store.corners("default")
        drives = store.episodes("default", purpose=("drive", "practice", "evaluation"))
        stored = stored_attempts(store.conn, drives, road)[HAIRPIN]
        followed = []
        for summary in drives:
            drive, following = store.steps(summary), Following(road)
            following.begin(float(drive.progress[0]))
            for metre, human in zip(drive.progress.tolist(), drive.human.tolist(), strict=True):
                following.step(metre, human=human)
            followed += [(passed, alone) for _, passed, alone in following.end(summary.farthest, summary.reason)]
    assert followed == [(a.passed, a.by == "agent") for a in stored]
    assert np.mean([alone for _, alone in followed]) < 1.0
