"""What a session does, and says, when the process of its window ends and no one has closed it."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from hitl.home import Home
from hitl.pads.base import MISSING, PadState
from hitl.pads.combined import EitherPad
from hitl.pads.keyboard import KeyboardPad
from hitl.pads.mapping import CONTROLLER
from hitl.screens.session_window import WINDOW_GONE, exit_status
from hitl.session.playing.live import GOES_ON, LAP_STANDS, OVERLAY_GONE, PADS_PAUSE, Live
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from takeover_ui.window.floating import NO_PLACE
from takeover_ui.window.options import WindowOptions
from takeover_ui.window.window import Window
from tests.support.held import Cruise, Person


@pytest.mark.parametrize("over_a_game", [True, False])
@pytest.mark.parametrize("killed", [True, False])
def test_only_the_end_of_an_overlay_over_a_game_leaves_the_session_going(
    over_a_game: bool, killed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with Window(WindowOptions(video="dummy", size=(320, 200), game_view=not over_a_game)) as window:
        live: Any = Live.__new__(Live)
        live._window, live._left, live._said_gone = window, lambda: False, False
        live._plan, live._rig = SimpleNamespace(named="runs"), None
        assert not live._over()
        window._said.append(NO_PLACE)
        if killed:
            window._process.kill()
        else:
            window._post(("close",))
        window._watcher.join(20)
        assert [live._over() for _ in range(3)] == [not (killed and over_a_game)] * 3
    told = capsys.readouterr().out
    assert told.count(NO_PLACE) == 1
    assert told.count(OVERLAY_GONE) == (killed and over_a_game)
    assert exit_status(window, lambda: False) == (killed and not over_a_game)
    assert capsys.readouterr().err.strip() == (WINDOW_GONE if killed and not over_a_game else "")
    assert exit_status(window, lambda: True) == 0, "the program was asked to end"


class Plugged:
    """A pad that is plugged in, or not."""

    map, name = CONTROLLER, "pad"

    def __init__(self, there: bool) -> None:
        self.device = "red" if there else None

    def read(self) -> PadState:
        return PadState() if self.device else MISSING

    def rumble(self, *how: float) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize(("purpose", "beside", "means"), [
    ("drive", (), GOES_ON), ("drive", (False,), GOES_ON), ("drive", (True,), PADS_PAUSE.format("start")), ("lap", (), LAP_STANDS),
])  # fmt: skip
def test_a_pause_that_no_key_can_end_is_over_with_the_overlay(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], purpose: str, beside: tuple[bool, ...], means: str
) -> None:
    window: Any = SimpleNamespace(died=False, closed=False, said=list)
    live: Any = Live.__new__(Live)
    seen: list[Any] = []
    live._window, live._left, live._said_gone, live._rig = window, lambda: len(seen) >= 20, False, None
    live._plan = SimpleNamespace(named=None)

    def acts(episode: int, tick: int) -> None:
        window.died = window.died or tick == 10

    pads: list[Any] = [Plugged(there) for there in beside]
    keys = KeyboardPad(keys=lambda: None if window.died else frozenset(("p",) if len(seen) == 5 else ()))
    person = Person(EitherPad(*pads, keys), acts)
    with SessionSetup(
        Home(tmp_path), SessionOptions(), human=lambda track: person, watch=seen.append, stop=live._over
    ) as rig:
        live._rig, rig.session.policy = rig, Cruise()  # type: ignore[assignment]
        rig.session.episode(purpose, seed=0)
        paused = rig.session.paused
    assert seen[9].decision.paused
    assert seen[-1].decision.paused == (means != GOES_ON)
    assert paused == bool(beside and beside[0])
    said = capsys.readouterr().out
    assert said.count(OVERLAY_GONE) == 1
    assert means in said
