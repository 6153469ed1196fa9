"""The review's comparison in words, what it reads from a store, and its command."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from data.errors import HitlError
from data.reading.drives import Drive
from data.reading.segment_review import StoreReview
from data.store import Store
from hitl.commands.review import main
from hitl.screens.stored.scene import stored_scene
from takeover_ui.review import compare
from takeover_ui.review.app import ReviewApp
from tests.support import sample_screens as samples
from tests.support import sample_stores as stores
from tests.support.recorded import summary


def test_the_comparison_speaks_of_what_is_there() -> None:
    scene = samples.scene()
    corner = scene.corners[0]
    episodes = (stores.episode(30, blunder=False, takeover=True), stores.episode(10, blunder=True))
    human, agent = (_drive(e) for e in episodes)
    mine, its = (compare.figures(d, scene, corner, 20.0) for d in (human, agent))
    assert mine.seconds > 0
    assert np.isnan(its.seconds)
    words = compare.in_words(mine, its, corner[2])
    assert words[0].startswith("the agent ends")
    later = replace(mine, braking_m=mine.braking_m + 22.0, entry=mine.entry + 31 / 3.6, seconds=mine.seconds - 0.8)
    assert compare.in_words(mine, later, corner[2])[:3] == [
        "you brake 22 m earlier", "you enter 31 km/h slower", "you lose 0.8 s in the corner",
    ]  # fmt: skip
    assert compare.in_words(mine, mine, corner[2]) == ["no notable difference"]


def _drive(episode: Any) -> Any:
    n = len(episode)
    driver = np.broadcast_to(np.asarray(episode.driver), (n,))
    columns = {"t": np.arange(n), "driver": driver, **episode.columns, "executed": episode.executed, "proposed": episode.proposed}
    return Drive(summary(action_names=samples.scene().action_names), columns)


def test_the_store_says_what_the_review_needs(store: Store) -> None:
    scene = stored_scene(store)
    assert scene.corners == samples.scene().corners
    review = StoreReview(store, "default")
    began = time.thread_time()
    for segment in review.segments():
        detail = review.detail(segment)
        assert len(detail.drive) >= segment.stop - segment.start
        assert detail.drive.t[0] <= segment.start
    assert time.thread_time() - began < 5.0


@pytest.mark.parametrize(
    ("options", "display", "words"),
    [
        ([], "", "no display"),
        (["--since", "2099-01-01"], ":0", "No takeover or lap"),
        (["--track", "chicane"], ":0", "Nothing was driven"),
        (["--since", "soon"], ":0", "is not a date"),
        (["--corner", "nope"], ":0", "has no corner 'nope'; its corners are 'hairpin'"),
        (["--corner", "empty"], ":0", "No takeover at 'empty' is recorded there. There are some at 'hairpin'"),
    ],
)
def test_a_review_that_cannot_begin_is_one_sentence(
    filled: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], display: str, words: str
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("DISPLAY", display)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    if "empty" in options:
        with Store(filled) as store:
            store.upsert_corner("default", "empty", 20.0, 60.0, "player")
    with pytest.raises(HitlError, match=words):
        main(["--home", str(filled.parent), *options])


def test_the_command_opens_the_review(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[int, int]] = []

    def run(app: ReviewApp) -> None:
        app.draw()
        opened.append((len(app.model.list.shown), len(app.model.list.all)))

    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(ReviewApp, "run", run)
    assert main(["--home", str(filled.parent), "--corner", "hairpin", "--sort", "newest"]) == 0
    assert opened == [(5, 7)]
