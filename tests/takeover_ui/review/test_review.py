"""The review's comparison in words, what it reads from a store, and its command."""

import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pygame
import pytest

from data.errors import HitlError
from data.exchange.merge import merge
from data.reading.drives import Drive
from data.reading.episodes import EpisodeData, EpisodeWriter
from data.reading.segment_review import TRIED, StoreReview
from data.store import Store
from hitl.commands.review import main
from hitl.pages.reading import takeover_page
from hitl.screens.stored.scene import stored_scene
from takeover_ui.review import compare
from takeover_ui.review.app import ReviewApp
from takeover_ui.review.model import ReviewModel
from takeover_ui.review.texts import ENGLISH, LANGUAGES
from takeover_ui.review.view import ReviewView
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


def test_what_another_drove_is_not_said_of_the_player() -> None:
    scene = samples.scene()
    corner = scene.corners[0]
    mine = compare.figures(_drive(stores.episode(30, blunder=False, takeover=True)), scene, corner, 20.0)
    for code, words in LANGUAGES.items():
        later = replace(mine, braking_m=mine.braking_m + 22.0, entry=mine.entry + 31 / 3.6, seconds=mine.seconds - 0.8)
        other, told = (compare.in_words(mine, later, corner[2], words, who=who) for who in ("scripted", "you"))
        assert len(other) == len(told)
        assert not set(other) & set(told), code
    assert compare.in_words(mine, later, corner[2], who="scripted")[:2] == ["brakes 22 m earlier", "enters 31 km/h slower"]


@pytest.mark.parametrize(("who", "named"), [("scripted", "the scripted driver"), ("keyboard", "you")])
def test_the_review_says_who_drove(store: Store, who: str, named: str) -> None:
    with store.conn:
        store.conn.execute("UPDATE sessions SET driver = ?", (who,))
        store.conn.execute("UPDATE segments SET \"trigger\" = ?", ("scripted" if who == "scripted" else "button",))
    model = ReviewModel(StoreReview(store, "default"), corner="hairpin")
    marks = ReviewView(stored_scene(store)).draw(pygame.Surface((1280, 720)), model)
    said = [mark.text for mark in marks]
    assert named in said
    assert f"{named} against the agent" in said
    taken = next(s for s in store.segments(kind="takeover"))
    said += takeover_page(store, taken.id).words
    assert who == "keyboard" or not any("you" in text.split() for text in said), said


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
        (["--corner", "nope"], ":0", "has no corner 'nope'; its corner is 'hairpin'"),
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


def test_the_agent_is_shown_however_many_helped_drives_came_after(store: Store) -> None:
    (session,) = store.sessions()
    corner = samples.scene().corners[0]
    (newest,) = store.conn.execute("SELECT max(id) FROM checkpoints").fetchone()
    elsewhere = stores.episode(3, blunder=False)
    elsewhere.purpose = "practice"
    behind = int(np.flatnonzero(elsewhere.columns["progress"] > corner[2] + 30.0)[0])
    with EpisodeWriter(store.conn, session.id) as writer:
        for _ in range(TRIED + 2):
            writer.add(stores.episode(40, blunder=False, takeover=True, checkpoint=newest))
            writer.add(EpisodeData(  # practice of a corner behind this one
                observation=elsewhere.observation[behind:], executed=elsewhere.executed[behind:],
                reward=elsewhere.reward[behind:], columns={n: c[behind:] for n, c in elsewhere.columns.items()},
                purpose="practice", reason="finish", checkpoint_id=newest,
            ))  # fmt: skip
    store.conn.execute(
        "UPDATE episodes SET checkpoint_id = (SELECT max(checkpoint_id) FROM steps WHERE episode_id = episodes.id), "
        "purpose = CASE purpose WHEN 'evaluation' THEN 'drive' ELSE purpose END"
    )
    review = StoreReview(store, "default")
    for segment in (s for s in review.segments() if s.kind == "takeover"):
        same = review.detail(segment).same
        assert same is not None
        assert not same.human.any()


def test_in_a_home_that_was_brought_together_the_agent_is_the_one_that_came_along(store: Store, tmp_path: Path) -> None:
    alone = {s.number: s for s in _of_the_agent(store)}
    (tmp_path / "both" / "checkpoints").mkdir(parents=True)
    with Store(tmp_path / "both" / "store.sqlite") as both:
        own = both.add_checkpoint("own", "own", 1, 1, "train", {})
        (tmp_path / "both" / "checkpoints" / "own").touch()
        merge(both.conn, both.path, store.path)
        # The takeovers came from weights that have not been there alone; older ones of the same agent have.
        both.conn.execute(
            "UPDATE episodes SET checkpoint_id = (SELECT max(id) FROM checkpoints) WHERE id IN (SELECT episode_id FROM segments "
            "WHERE kind = 'takeover') OR purpose = 'evaluation' AND checkpoint_id = (SELECT max(id) FROM checkpoints)"
        )
        both.conn.execute(
            "UPDATE episodes SET checkpoint_id = (SELECT min(id) FROM checkpoints WHERE id <> ?) WHERE purpose <> 'lap' AND id "
            "NOT IN (SELECT episode_id FROM segments WHERE kind = 'takeover')", (own,),
        )  # fmt: skip
        assert {s.number for s in _of_the_agent(both)} == alone.keys() != set()


def _of_the_agent(store: Store) -> list[Any]:
    """The takeovers beside which the agent is shown alone; ``number``: their place in the list."""
    review = StoreReview(store, "default")
    takeovers = [s for s in review.segments() if s.kind == "takeover"]
    return [SimpleNamespace(number=k) for k, s in enumerate(takeovers) if review.detail(s).same is not None]


def test_where_the_agent_is_not_shown_it_is_said_why(store: Store) -> None:
    store.prune("2999-01-01")
    review, view = StoreReview(store, "default"), ReviewView(stored_scene(store))
    segment = next(s for s in review.segments() if s.kind == "takeover")
    detail = review.detail(segment)
    assert detail.same is detail.latest is None
    assert view._compared(detail, ENGLISH) == (["the agent has not driven here alone, or its steps were pruned"], [])
    assert takeover_page(store, segment.id).words == ["the agent has not driven here alone, or its steps were pruned"]


def test_the_page_compares_with_the_same_drive_of_the_agent_as_the_review(store: Store) -> None:
    """Where the weights that were helped have not been there alone, and newer ones have."""
    first = store.conn.execute("SELECT min(id) FROM checkpoints").fetchone()[0]
    store.conn.execute(
        "UPDATE episodes SET checkpoint_id = ? WHERE id IN (SELECT episode_id FROM segments WHERE kind = 'takeover')", (first,)
    )
    store.conn.execute(
        "UPDATE episodes SET checkpoint_id = (SELECT max(id) FROM checkpoints) WHERE purpose <> 'lap' "
        "AND id NOT IN (SELECT episode_id FROM segments WHERE kind = 'takeover')"
    )
    review, view = StoreReview(store, "default"), ReviewView(stored_scene(store))
    segment = next(s for s in review.segments() if s.kind == "takeover")
    detail = review.detail(segment)
    assert detail.same is None
    assert detail.latest is not None
    page = takeover_page(store, segment.id)
    assert page.words == view._compared(detail, ENGLISH)[0]
    assert "way alone" in str(page.card.clip)


def test_a_verdict_of_another_program_is_listed_like_one_that_is_missing(store: Store) -> None:
    store.conn.execute("UPDATE segments SET verdict = 'super', outcome = 'odd'")
    app = ReviewApp(ReviewModel(StoreReview(store, "default")), stored_scene(store))
    try:
        app.draw()
        assert len(app.model.list.shown) == 7
    finally:
        app.close()
