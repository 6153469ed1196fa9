"""What a session does, and says, when the process of its window ends and no one has closed it."""

from types import SimpleNamespace
from typing import Any

import pytest

from hitl.screens.session_window import WINDOW_GONE, exit_status
from hitl.session.playing.live import OVERLAY_GONE, Live
from takeover_ui.window.floating import NO_PLACE
from takeover_ui.window.options import WindowOptions
from takeover_ui.window.window import Window


@pytest.mark.parametrize("over_a_game", [True, False])
@pytest.mark.parametrize("killed", [True, False])
def test_only_the_end_of_an_overlay_over_a_game_leaves_the_session_going(
    over_a_game: bool, killed: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    with Window(WindowOptions(video="dummy", size=(320, 200), game_view=not over_a_game)) as window:
        live: Any = Live.__new__(Live)
        live._window, live._left, live._said_gone = window, lambda: False, False
        live._plan = SimpleNamespace(named="runs")
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
