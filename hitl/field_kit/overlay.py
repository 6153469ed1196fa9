"""The overlay over another game: whether it opens, how often it draws, and whether it takes the focus."""

from __future__ import annotations

import time
from collections.abc import Collection
from typing import TYPE_CHECKING

from data.errors import HitlError
from hitl.field_kit.site import FigureDict, MissingError, Site

if TYPE_CHECKING:
    from takeover_ui.window.window import Window

GET_READY_S = 3.0
SHOW_S = 5.0
HZ = 20.0


def measure(site: Site) -> FigureDict:
    """Return how the overlay does. Raises MissingError without a display."""
    from takeover_ui.window.options import WindowOptions
    from takeover_ui.window.window import Window, display_available

    if not display_available():
        raise MissingError("there is no display here")
    time.sleep(GET_READY_S)
    before = _in_front()
    began = time.perf_counter()
    with Window(WindowOptions(game_view=False)) as window:
        opened_s = time.perf_counter() - began
        drawn, seconds, cost_ms = _drive(window)
        after = _in_front()
        return {
            "opened_s": opened_s,
            "pictures_per_s": drawn / seconds,
            "send_ms_max": cost_ms,
            "got_the_focus_times": window.focus_gained,
            "closed_by_itself": window.closed or window.died,
            **_compared(before, after),
        }


def _drive(window: Window) -> tuple[int, float, float]:
    """Send a view each tick, as a session does; return (pictures drawn meanwhile, seconds, the longest send in ms)."""
    from hitl.road.track import load_track
    from hitl.timing.clocks import PacedClock
    from takeover_ui.view import Scene, View

    track = load_track("default")
    scene = Scene(track.name, track.line.points, track.half_width, track.line.length, track.corners)
    clock, longest = PacedClock(HZ), 0.0
    first, began = window.drawn, time.perf_counter()
    for tick in range(round(SHOW_S * HZ)):
        clock.wait_for_send()
        clock.sending()
        sent = time.perf_counter()
        window.send(View(scene, speed=20.0 + tick % 10, progress=float(tick), executed=(0.5, (tick % 20) / 10 - 1)))
        longest = max(longest, time.perf_counter() - sent)
    return window.drawn - first, time.perf_counter() - began, 1000 * longest


def _in_front() -> Collection[str] | None:
    """Return what the program in front is called; None where the system does not tell."""
    from hitl.games.trackmania.key_presses import open_keyboard

    try:
        return frozenset(open_keyboard().in_front())
    except HitlError:
        return None


def _compared(before: Collection[str] | None, after: Collection[str] | None) -> FigureDict:
    """Return whether the game was in front and stayed there; a kit does not say which other programs run."""
    from hitl.games.trackmania.key_presses import GAMES

    def is_game(names: Collection[str] | None) -> bool | None:
        return None if names is None else bool(GAMES & frozenset(names))

    same = None if before is None or after is None else before == after
    return {"game_in_front_before": is_game(before), "game_in_front_after": is_game(after), "same_program_in_front": same}
