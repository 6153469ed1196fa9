"""A home in which nothing was learned: what is offered, and laps that begin an agent."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from data.errors import UsageError
from data.store import Store
from hitl.coach.first_touch import FirstTouch
from hitl.coach.rules import in_english
from hitl.commands.play import command_line
from hitl.demo.shipped import add_shipped, open_shipped, stalled_at
from hitl.drivers.human import scripted_human
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.protocols import EpisodeResult
from hitl.screens import empty_home
from hitl.screens.empty_home import drive_first_laps, nothing_learned, offer
from hitl.session.playing.live import wanted
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings import PlaySettings
from takeover_ui.language import ENGLISH
from takeover_ui.view import Card
from takeover_ui.window.options import WindowOptions


class Window:
    """Presses the keys that it is given, one after the other; then it is closed."""

    def __init__(self, *pressed: str) -> None:
        self.pressed = list(pressed)
        self.cards: list[Card | None] = []
        self.options = WindowOptions()

    @property
    def closed(self) -> bool:
        return not self.pressed

    def keys(self) -> frozenset[str]:
        return frozenset({self.pressed.pop(0)})

    def card(self, card: Card | None) -> None:
        self.cards.append(card)


@pytest.mark.parametrize(
    ("pressed", "choice"),
    [(("left", "1"), "laps"), (("2",), "agent"), (("[2]",), "agent"), (("3",), "drive"), (("escape",), "leave"), ((), "leave")],
)
def test_the_player_chooses_with_a_key(pressed: tuple[str, ...], choice: str) -> None:
    window = Window(*pressed)
    assert offer(window, lambda: False, agent=True) == choice  # type: ignore[arg-type]
    first = window.cards[0]
    assert first is not None
    assert [line[0] for line in first.lines] == ["1", "2", "3"]


def test_ctrl_c_leaves_the_first_screen() -> None:
    asked = iter((False, False, True))
    assert offer(Window(*[""] * 99), lambda: next(asked), agent=True) == "leave"  # type: ignore[arg-type]


def test_the_demos_agent_is_not_offered_where_it_cannot_be_taken() -> None:
    window = Window("2", "3")
    assert offer(window, lambda: False, agent=False) == "drive"  # type: ignore[arg-type]
    assert window.cards[0] is not None
    assert [line[0] for line in window.cards[0].lines] == ["1", "3"], "a key means the same wherever it is offered"


def test_while_a_trainer_is_at_work_it_says_how_to_get_the_demos_agent() -> None:
    window = Window("2", "escape")
    assert offer(window, lambda: False, agent=True, training=True) == "leave"  # type: ignore[arg-type]
    assert window.cards[0] is not None
    assert "`hitl train stop`" in window.cards[0].lines[1]
    assert window.cards[0].keys == "1 or 3    Esc: leave"


def test_an_empty_home_is_asked_about_once(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    assert nothing_learned(home)

    def choice(window: Any, *words: str) -> str:
        return wanted(command_line().parse_args(list(words)), home, PlaySettings(), window, lambda: False)

    for words in (["--lap"], ["--pad", "none"], ["--episodes", "3"]):
        assert choice(Window("1"), *words) == "drive", "what to do is clear"
    assert choice(None) == "drive"
    assert choice(Window("2")) == "agent"
    assert not nothing_learned(home), "the demo's agent is here now"
    assert choice(Window("1")) == "drive"


def test_fort_magmas_agent_is_offered_there(tmp_path: Path) -> None:
    args, words = command_line().parse_args([]), ["1", "2", "3"]
    for play, offered in (("fortmagma", words), ("default", words), ("minigolf", ["1", "3"])):
        home, window = Home(tmp_path / play), Window("2", "3")
        settings = PlaySettings(env="supertuxkart", track=play)
        assert wanted(args, home, settings, window, lambda: False) == ("agent" if offered == words else "drive")  # type: ignore[arg-type]
        card = window.cards[0]
        assert card is not None
        assert [line[:3] for line in card.lines] == [f"{key}: " for key in offered]
        assert (stalled_at(home, "fortmagma") if offered == words else not home.root.exists())


def test_laps_alone_are_something_to_learn_from(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    with SessionSetup(home, SessionOptions(), human=lambda track: scripted_human(track, "expert", None)) as rig:
        rig.session.episode("drive", seed=0, until_m=5.0)
        rig.written()
        assert nothing_learned(home)
        rig.session.episode("lap", seed=0)
        rig.written()
        assert not nothing_learned(home)


def test_the_demos_agent_can_be_taken_until_something_is_learned(tmp_path: Path) -> None:
    home, args = Home(tmp_path / "home"), command_line().parse_args([])
    with SessionSetup(home, SessionOptions(), human=lambda track: scripted_human(track, "expert", None)) as rig:
        rig.session.episode("drive", seed=0, until_m=5.0)
        rig.written()
    with Store(home.store_path) as store:
        driven = store.glance().steps
    window: Any = Window("2")
    assert wanted(args, home, PlaySettings(), window, lambda: False) == "agent"
    assert stalled_at(home, "default"), "it is known where it fails, as in an empty home"
    assert not nothing_learned(home)
    with Store(home.store_path) as store:
        assert store.glance().steps > driven > 0, "what was driven is there still"
        newest = store.latest_checkpoint()
        assert newest is not None
        assert (home.checkpoints / newest.name).is_file()
        assert newest.id not in store.imported_checkpoints()
    with pytest.raises(UsageError):
        add_shipped(home)


def test_laps_are_driven_until_two_are_finished_and_then_the_trainer_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []

    class Trainer:
        def __init__(self, home: Any, *arguments: str, detached: bool) -> None:
            started.append((home, detached))

        def wait_for_heartbeat(self, left: Any) -> None:
            pass

    monkeypatch.setattr(empty_home, "TrainerProcess", Trainer)
    monkeypatch.setattr(empty_home, "control", SimpleNamespace(running=lambda path: False))
    reasons = ["off_road", "finish", "off_road", "finish"]
    seen: list[str] = []
    session = SimpleNamespace(leaving=False, stop=lambda: False)
    waiting: list[str] = []

    def episode(purpose: str, seed: int, awaits: FirstTouch) -> EpisodeResult:
        for pad in (PadState(), PadState(gas=1.0)):
            waiting.append(f"{awaits.step(pad, 0.05)}: {watch.message}")
        return EpisodeResult(purpose, reasons.pop(0))

    session.episode = episode
    home = SimpleNamespace(store_path=None)
    rig: Any = SimpleNamespace(session=session, home=home, written=lambda: None)
    watch: Any = SimpleNamespace(message="", words=ENGLISH, episode_over=lambda result: seen.append(watch.message))
    told: list[str] = []
    assert drive_first_laps(rig, watch, 0, in_english(lambda level, text: told.append(text)))
    assert waiting[:2] == [
        "stand: lap 1 of 2: drive to the finish. Touch any control, and the lap begins.",
        "drive: lap 1 of 2: drive to the finish",
    ]
    assert [text[:10] for text in seen] == ["lap 1 of 2", "lap 1 of 2", "lap 2 of 2", "lap 2 of 2"]
    assert started == [(home, True)]
    assert "hitl train stop" in told[0]
    reasons[:] = ["stopped"]
    session.leaving = True
    assert not drive_first_laps(rig, watch, 0, in_english(lambda level, text: told.append(text)))
    assert len(started) == 1


def test_the_offer_in_a_home_that_holds_the_demos_agent_is_not_made(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    open_shipped(home)
    assert not nothing_learned(home)
