"""Clips of what a store holds: what they show, how long and large they are, and what is said where one cannot be made."""

import builtins
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pygame
import pytest
from PIL import Image, ImageSequence

from data.errors import UsageError
from data.reading.segment_review import StoreReview
from data.store import Store
from hitl.commands.export import main
from hitl.screens.stored.clips import ClipMaker
from hitl.screens.stored.scene import stored_scene
from takeover_ui import theme
from takeover_ui.clips import files
from takeover_ui.clips.clip import Clip, Pane
from takeover_ui.review.model import ReviewModel
from takeover_ui.review.texts import ENGLISH, LANGUAGES
from takeover_ui.review.view import ReviewView
from tests.support.in_use import in_use


@pytest.fixture
def maker(store: Store) -> ClipMaker:
    return ClipMaker(StoreReview(store, "default"), stored_scene(store), ENGLISH)


@pytest.fixture
def small(store: Store) -> ClipMaker:
    """Of pictures with a quarter of the pixels, where every one of them is drawn and packed."""
    return ClipMaker(StoreReview(store, "default"), stored_scene(store), ENGLISH, width=320)


def colours(surface: pygame.Surface) -> set[tuple[int, ...]]:
    pixels = pygame.surfarray.array3d(surface).reshape(-1, 3)
    return set(map(tuple, pixels.tolist()))


def test_a_takeover_shows_who_drives_and_how_it_ends(maker: ClipMaker, store: Store) -> None:
    segment = store.segments(kind="takeover")[-1]
    clip = maker.segment(segment)
    said = {}
    for seconds in (0.0, 2.6, clip.seconds):
        surface = clip.draw(seconds)
        said[seconds] = {m.name: m.text for m in clip.marks}
        assert not any(m.shortened for m in clip.marks)
        assert surface.get_size() == (640, 720)
    assert said[0.0]["driver"] == ENGLISH["agent"]
    assert said[2.6]["driver"] == ENGLISH["human"]
    assert "outcome" not in said[0.0]
    assert said[clip.seconds]["outcome"] == ENGLISH["clip_cleared"]
    assert theme.HUMAN in colours(clip.draw(2.6))


@pytest.mark.parametrize("width", [320, 640, 960])
@pytest.mark.parametrize("code", ["en", "de", "pl"])
def test_the_legend_of_a_clip_is_whole_in_every_language_and_size(store: Store, width: int, code: str) -> None:
    maker = ClipMaker(StoreReview(store, "default"), stored_scene(store), LANGUAGES[code], width=width)
    pane = maker.segment(store.segments(kind="takeover")[-1]).panes[0]
    detail = replace(pane.detail, same=pane.detail.drive, latest=pane.detail.drive)
    panes = [Pane(pane.title, detail, scripted=True)] * 2
    for clip in (Clip(shown, stored_scene(store), LANGUAGES[code], width) for shown in (panes[:1], panes)):
        clip.draw(1.0)
        legend = [m for m in clip.marks if m.name == "legend"]
        plans = [m.rect for m in clip.marks if m.name == "plan"]
        assert len(legend) == 3 * len(clip.panes)
        assert not any(m.shortened for m in legend)
        for mark in legend:
            assert any(plan.contains(mark.rect) for plan in plans), mark
            assert not any(mark.rect.colliderect(m.rect) for m in legend if m is not mark)


def test_before_and_after_stand_side_by_side_on_the_same_ground(maker: ClipMaker, store: Store) -> None:
    clip = maker.before_after(store.segments(kind="takeover")[-1])
    clip.draw(clip.seconds)
    ends = [m.text for m in clip.marks if m.name == "outcome"]
    assert ends == [ENGLISH["clip_failed"], ENGLISH["clip_cleared"]]
    before, after = (plan._plan for plan in clip._plans)
    assert before.scale == pytest.approx(after.scale)
    assert before.at(clip.panes[0].detail.drive.points[:1]) == pytest.approx(after.at(clip.panes[0].detail.drive.points[:1]))


def test_what_cannot_be_compared_says_what_can_be_done_about_it(maker: ClipMaker, store: Store) -> None:
    takeover = store.segments(kind="takeover")[-1]
    old, new = (c.id for c in reversed(store.checkpoints()))

    def why() -> str:
        with pytest.raises(UsageError) as refused:
            maker.before_after(takeover)
        return str(refused.value)

    store.conn.execute("UPDATE episodes SET purpose = 'lap' WHERE checkpoint_id = ?", (new,))
    assert "with newer weights than at that takeover" in why()
    assert "`hitl eval` lets it" in why()
    store.conn.execute("UPDATE episodes SET checkpoint_id = ? WHERE checkpoint_id = ?", (new, old))
    assert why().startswith("There are no newer weights than those of that takeover")
    assert "`hitl train` learns from it" in why()
    store.conn.execute("UPDATE episodes SET purpose = 'lap' WHERE checkpoint_id = ? AND id <> ?", (new, takeover.episode_id))
    assert "These weights are no longer here" in why()
    weights = store.path.parent / "checkpoints" / "new.safetensors"
    weights.parent.mkdir()
    weights.touch()
    assert '`hitl eval --checkpoint "new.safetensors"` lets these weights drive alone.' in why()
    store.conn.execute("UPDATE episodes SET checkpoint_id = NULL WHERE id = ?", (takeover.episode_id,))
    assert "had not learned anything yet" in why()
    weights.unlink()
    store.conn.execute("UPDATE checkpoints SET kind = 'imported'")
    assert "no checkpoint of its own" in why(), "an evaluation cannot run here"


def test_a_long_drive_is_shown_from_so_many_seconds_before_its_end(maker: ClipMaker, store: Store) -> None:
    maker._seconds = 3.0
    episode = store.episodes("default", purpose="lap")[0]
    pane = maker.drive(episode.id).panes[0]
    assert pane.seconds == pytest.approx(3.0, abs=0.1)
    assert pane.detail.drive.t[-1] == store.steps(episode.id).t[-1]


def test_a_gif_moves_and_lasts_as_long_as_the_drive(small: ClipMaker, store: Store, tmp_path: Path) -> None:
    clip, path = small.segment(store.segments(kind="takeover")[-1]), tmp_path / "clip.gif"
    shares = list(files.write(path, clip))
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    with Image.open(path) as made:
        frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(made)]
        lasts = sum(frame.info["duration"] for frame in ImageSequence.Iterator(made)) / 1000
    assert lasts == pytest.approx(clip.seconds, abs=0.1)
    assert len({frame.tobytes() for frame in frames}) > 20
    assert path.stat().st_size < 700_000
    assert list(tmp_path.glob("*.new*")) == []


def test_an_mp4_has_every_frame(small: ClipMaker, store: Store, tmp_path: Path) -> None:
    av = pytest.importorskip("av")
    clip, path = small.segment(store.segments(kind="takeover")[-1]), tmp_path / "clip.mp4"
    list(files.write(path, clip))
    with av.open(str(path)) as made:
        frames = list(made.decode(video=0))
    assert len(frames) == clip.frames(25)
    first, middle = (frames[n].to_ndarray(format="rgb24") for n in (0, len(frames) // 2))
    assert first.shape == (360, 320, 3)
    assert (first != middle).any()


@pytest.mark.parametrize(("package", "suffix", "name"), [("av", ".mp4", "PyAV"), ("PIL.Image", ".gif", "Pillow")])
def test_without_its_package_a_sentence_says_what_to_type(
    maker: ClipMaker, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, suffix: str, name: str
) -> None:
    real: Callable[..., Any] = builtins.__import__

    def without(asked: str, *args: Any, **kwargs: Any) -> Any:
        if asked == package:
            raise ImportError
        return real(asked, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    clip = maker.segment(store.segments(kind="takeover")[-1])
    with pytest.raises(UsageError, match=rf"{name}.*pip install"):
        list(files.write(tmp_path / f"clip{suffix}", clip))


def test_a_film_that_a_player_has_open_says_so_and_all_of_it_is_seen(small: ClipMaker, store: Store, tmp_path: Path) -> None:
    segment = store.segments(kind="takeover")[-1]
    path = tmp_path / f"takeover-{segment.id}{'.mp4' if files.can_write('.mp4') else '.gif'}"
    path.touch()
    model = ReviewModel(StoreReview(store, "default"), film=partial(small.film, tmp_path))
    view = ReviewView(stored_scene(store))
    with in_use(path):
        model.do("clip")
        while "cannot be written" not in model.message:
            model.tick(0.01)
    assert model.message.endswith("cannot be written (another program has it open): close that program.")
    for size in ((1280, 720), (960, 540)):
        marks = [mark for mark in view.draw(pygame.Surface(size), model) if mark.name == "message"]
        assert " ".join(mark.text for mark in marks) == model.message
        assert not any(mark.shortened for mark in marks)
    assert [p.name for p in tmp_path.glob("takeover-*")] == [path.name], "nothing half-made is left"


def test_what_is_too_long_for_a_gif_is_told_before_anything_is_drawn(maker: ClipMaker, store: Store, tmp_path: Path) -> None:
    class Endless(Clip):
        seconds = 31.0

        def draw(self, seconds: float) -> pygame.Surface:
            raise AssertionError

    whole = maker.segment(store.segments(kind="takeover")[-1])
    with pytest.raises(UsageError, match="31 s long, and a GIF may have 30 s"):
        list(files.write(tmp_path / "clip.gif", Endless(whole.panes, whole._scene, ENGLISH, 640)))


def test_the_command_writes_the_newest_takeover_and_says_how_large_it_is(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["clip", str(tmp_path / "a.gif"), "--home", str(store.path.parent), "--width", "320"])
    assert "320 × 360 pixels" in capsys.readouterr().out
    main(["clip", str(tmp_path / "b.gif"), "--home", str(store.path.parent), "--before-after"])
    assert "960 × 540 pixels" in capsys.readouterr().out
    first, second = store.episodes("default", purpose="evaluation")[:2]
    with pytest.raises(UsageError, match="no segment 999"):
        main(["clip", str(tmp_path / "d.gif"), "--home", str(store.path.parent), "--segment", "999"])
    both = ["--episode", str(first.id), "--beside", str(second.id), "--corner", store.corners("default")[0].name]
    main(["clip", str(tmp_path / "c.gif"), "--home", str(store.path.parent), *both, "--width", "480"])
    assert "480 × 270 pixels" in capsys.readouterr().out


def test_one_key_of_the_review_writes_a_clip_while_the_window_lives(store: Store, small: ClipMaker, tmp_path: Path) -> None:
    model = ReviewModel(StoreReview(store, "default"), film=lambda segment: small.film(tmp_path / "clips", segment))
    model.do("clip")
    said = []
    for _ in range(2000):
        model.tick(0.02)
        said.append(model.message)
        if "MB" in model.message:
            break
    assert len(set(said)) > 2
    (made,) = (tmp_path / "clips").iterdir()
    assert made.name in model.message
