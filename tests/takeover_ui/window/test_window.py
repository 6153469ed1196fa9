"""The window's process: it starts, shows the newest view, reads keys, ends with its session, and never holds a tick up."""

import multiprocessing
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pygame
import pytest

from data.errors import DeviceError
from takeover_ui import theme
from takeover_ui.overlay.arrangement import Arrangement
from takeover_ui.window import floating, screen
from takeover_ui.window.key_names import KEYS
from takeover_ui.window.options import WindowOptions
from takeover_ui.window.process import next_frame
from takeover_ui.window.window import Window
from tests.support import sample_screens as samples
from tests.support.places import ROOT

pytestmark = pytest.mark.realtime


def until(condition: Callable[[], bool], seconds: float = 20.0) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True


@pytest.fixture(scope="module")
def window() -> Iterator[Window]:
    with Window(WindowOptions(video="dummy", size=(640, 360))) as opened:
        yield opened


def test_sending_never_waits_for_the_drawing(window: Window) -> None:
    """A thousand views at once: far more than can be drawn in that time."""
    view = samples.view()
    began = time.monotonic()
    for tick in range(1000):
        window.send(replace(view, progress=float(tick), at=time.monotonic()))
    assert time.monotonic() - began < 2.0  # drawing a thousand frames takes thirty
    assert not window.closed


def test_a_key_is_down_until_released_and_a_short_press_is_not_lost(window: Window) -> None:
    left = KEYS.index("left")
    assert window.keys() == frozenset()
    window._counts[left] += 1
    assert window.keys() == {"left"}
    assert window.keys() == {"left"}
    window._counts[left] += 1
    assert window.keys() == frozenset()
    window._counts[left] += 2  # pressed and released between two readings
    assert window.keys() == {"left"}
    assert window.keys() == frozenset()


def test_reading_the_keys_costs_microseconds(window: Window) -> None:
    best = min(_timed(lambda: [window.keys() for _ in range(100)]) for _ in range(5)) / 100
    assert best < 0.001


def _timed(call: Callable[[], Any]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def test_closing_ends_the_process_and_later_calls_do_nothing() -> None:
    opened = Window(WindowOptions(video="dummy", size=(320, 200)))
    opened.send(samples.view())
    opened.close()
    assert opened.closed
    assert not opened.died
    assert opened._process.exitcode == 0
    opened.send(samples.view())
    opened.toast("too late")
    assert opened.keys() == frozenset()


def test_a_crash_of_the_window_leaves_the_session_going() -> None:
    opened = Window(WindowOptions(video="dummy", size=(320, 200)))
    opened._process.kill()
    assert until(lambda: opened.closed)
    assert opened.died
    for _ in range(20):
        opened.send(samples.view())
    opened.close()


def test_a_display_that_cannot_be_opened_is_one_sentence() -> None:
    with pytest.raises(DeviceError, match="window could not be opened"):
        Window(WindowOptions(video="no-such-driver"))


def test_a_script_needs_no_guard_and_is_run_once(tmp_path: Path) -> None:
    """A spawned process imports the main script again, and would open the next window there, if it were not kept from it."""
    script = tmp_path / "script.py"
    script.write_text(
        "from takeover_ui.window.window import Window, WindowOptions\n"
        "print('run', __file__ is not None, __spec__)\n"
        "with Window(WindowOptions(video='dummy', size=(320, 200))) as w:\n"
        "    print('closed' if w.closed else 'open', __file__ is not None)\n"
    )
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert done.stdout.split() == ["run", "True", "None", "open", "True"], done.stderr


def test_a_window_that_cannot_open_says_what_a_script_can_do_instead() -> None:
    with pytest.raises(DeviceError, match=r"at all\.$"):
        Window(WindowOptions(video="no-such-driver"), otherwise="Do without one at all.")


@pytest.mark.parametrize("outlives", [False, True])
def test_the_window_ends_when_its_session_is_killed(outlives: bool) -> None:
    script = (
        "import sys, time\n"
        "from takeover_ui.window.window import Window, WindowOptions\n"
        "if __name__ == '__main__':\n"
        f"    w = Window(WindowOptions(video='dummy', size=(320, 200)), outlives_interrupts={outlives})\n"
        "    print(w._process.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    session = subprocess.Popen(
        [sys.executable, "-c", script],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert session.stdout is not None
    pid = int(session.stdout.readline())
    session.kill()
    session.wait()
    session.stdout.close()
    assert until(lambda: _gone(pid))


INTERRUPTED = """
import os, signal, time
from takeover_ui.window.window import Window, WindowOptions
w = Window(WindowOptions(video='dummy', size=(320, 200)), outlives_interrupts={outlives})
try:
    os.killpg(0, signal.SIGINT)
    time.sleep(20)
except KeyboardInterrupt:
    pass
end = time.monotonic() + {seconds}
while not w.closed and time.monotonic() < end:
    time.sleep(0.01)
print(w.closed, w.died, flush=True)
w.close()
print(w._process.exitcode, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="there Ctrl+C is no signal that can be sent to a group")
@pytest.mark.parametrize(("outlives", "seconds"), [(True, 2), (False, 20)])
def test_ctrl_c_closes_the_window_of_a_command_and_leaves_that_of_a_script(outlives: bool, seconds: int) -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(outlives=outlives, seconds=seconds)],
        cwd=ROOT, capture_output=True, text=True, timeout=60, env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True,
    )  # fmt: skip
    assert done.stdout.split() == [str(not outlives), "False", "0"], done.stderr


def test_an_interrupt_while_it_opens_leaves_no_window_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[Window] = []

    def interrupted(window: Window, otherwise: str) -> None:
        begun.append(window)
        raise KeyboardInterrupt

    monkeypatch.setattr(Window, "_await_ready", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Window(WindowOptions(video="dummy", size=(320, 200)), outlives_interrupts=True)
    assert begun[0]._process.exitcode is not None


def _gone(pid: int) -> bool:
    if sys.platform == "win32":
        listed = subprocess.run(
            ["tasklist", "/FI", f"PID eq {pid}"], capture_output=True, text=True, check=False
        ).stdout
        return str(pid) not in listed
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return True
    return state == "Z"


def test_a_session_is_told_what_to_remember_until_the_window_is_closed() -> None:
    told: list[Arrangement] = []
    watcher = SimpleNamespace(_pipe=None, remember=told.append, _over=threading.Event())
    ours, theirs = multiprocessing.Pipe()
    watcher._pipe = ours
    for message in (Arrangement(scale=1.5), Arrangement(), "closed", Arrangement(scale=9.0)):
        theirs.send(message)
    Window._watch_loop(watcher)  # type: ignore[arg-type]
    assert told == [Arrangement(scale=1.5), Arrangement()]
    assert watcher._over.is_set()


def test_a_file_that_cannot_be_written_is_no_window_that_was_closed() -> None:
    told: list[Arrangement] = []

    def remember(arrangement: Arrangement) -> None:
        told.append(arrangement)
        assert not watcher._over.is_set()
        raise PermissionError("in use")

    watcher = SimpleNamespace(_pipe=None, remember=remember, _over=threading.Event())
    watcher._pipe, theirs = multiprocessing.Pipe()
    for message in (Arrangement(scale=1.5), Arrangement(), "closed"):
        theirs.send(message)
    Window._watch_loop(watcher)  # type: ignore[arg-type]
    assert len(told) == 2


def test_every_key_has_the_name_that_sdl_gives_it() -> None:
    pygame.display.init()
    assert all(pygame.key.key_code(name) for name in KEYS)


@pytest.mark.parametrize(
    ("desktop", "size"),
    [((1920, 1080), (1280, 720)), ((3840, 2160), (2560, 1440)), ((1280, 720), (1126, 634)), ((1024, 768), (973, 547))],
)
def test_the_window_suits_the_desktop(desktop: tuple[int, int], size: tuple[int, int]) -> None:
    from takeover_ui.window.screen import fitting

    assert fitting((1280, 720), desktop) == size
    assert size[0] < desktop[0]
    assert size[1] < desktop[1]


@pytest.mark.parametrize("screen", [(1280, 720), (1366, 768), (1920, 1080), (3840, 2160)])
@pytest.mark.parametrize("size", ["full", "compact", "bar"])
@pytest.mark.parametrize("corner", ["top_left", "top_right", "bottom_left", "bottom_right"])
def test_a_floating_overlay_stays_on_the_screen_and_off_the_captured_region(
    screen: tuple[int, int], size: Any, corner: Any
) -> None:
    area = pygame.Rect(0, 0, *screen)
    found = floating.place(WindowOptions(overlay=size, corner=corner, game_view=False), screen)
    assert found is not None
    free = pygame.Rect(found)
    assert area.contains(free)
    assert (free.centerx < area.centerx) == corner.endswith("left") or size == "bar"
    assert (free.centery < area.centery) == corner.startswith("top") or free.h > area.h * 0.9
    captured = pygame.Rect(0, 0, screen[0] * 2 // 3, screen[1])  # a game window on the left two thirds
    clear = captured.x, captured.y, captured.w, captured.h
    found = floating.place(WindowOptions(overlay=size, corner=corner, game_view=False, keep_clear=clear), screen)
    assert found is not None
    placed = pygame.Rect(found)
    assert area.contains(placed)
    assert not placed.colliderect(captured)


@pytest.mark.parametrize("screen", [(1280, 720), (1600, 900), (1920, 1080)])
@pytest.mark.parametrize("size", ["full", "compact", "bar", "off"])
def test_an_overlay_that_finds_no_place_beside_the_captured_region_has_none(screen: tuple[int, int], size: Any) -> None:
    for beside in range(0, 400, 20):
        captured = pygame.Rect(beside, beside, screen[0] - 2 * beside, screen[1] - 2 * beside)
        clear = captured.x, captured.y, captured.w, captured.h
        found = floating.place(WindowOptions(overlay=size, game_view=False, keep_clear=clear), screen)
        assert found is None or not pygame.Rect(found).colliderect(captured)
        assert found is not None or beside < 150


@pytest.mark.parametrize("size", [(1280, 720), (640, 360), (372, 520)])
def test_what_is_waited_for_is_written_whole_in_the_middle(size: tuple[int, int]) -> None:
    surface = pygame.Surface(size)
    text = "The trainer is learning from the 12 laps in this home folder. The agent drives as soon as it is done."
    marks = screen.tell(surface, [text])
    assert " ".join(mark.text for mark in marks) == text
    assert not any(mark.shortened for mark in marks)
    assert all(surface.get_rect().contains(mark.rect) for mark in marks)
    assert abs(marks[0].rect.top - (size[1] - marks[-1].rect.bottom)) <= 4


def test_what_was_said_before_is_gone_and_the_real_window_shows_it() -> None:
    surface = pygame.Surface((640, 360))
    screen.tell(surface, ["a long sentence that was said before, and is over now"])
    screen.tell(surface, ["short"])
    alone = pygame.Surface((640, 360))
    screen.tell(alone, ["short"])
    assert pygame.image.tobytes(surface, "RGB") == pygame.image.tobytes(alone, "RGB")
    written: list[str] = []
    tell = screen.tell

    def noted(on: pygame.Surface, texts: list[str]) -> list[Any]:
        written.extend(texts)
        return tell(on, texts)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(screen, "tell", noted)
        shown = screen.Screen(WindowOptions(size=(640, 360)))
    assert written == ["Loading ..."], "the first picture is there as soon as the window is"
    flips: list[int] = []
    try:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(pygame.display, "flip", lambda: flips.append(1))
            shown.tell(["short"])
        surface = pygame.display.get_surface()
        assert surface is not None
        assert len({tuple(surface.get_at((x, surface.get_height() // 2))) for x in range(surface.get_width())}) > 1
        assert flips == [1]
    finally:
        shown.close()


def test_f11_twice_gives_back_the_window_with_its_size_and_place(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a system that keeps the screen's size for the window, as some window managers do."""

    class System:
        size, position = (1126, 634), (78, 63)

    system = System()
    asked = []

    def set_mode(size: tuple[int, int], flags: int) -> pygame.Surface:
        asked.append((size, flags))
        if flags == pygame.FULLSCREEN:
            system.size, system.position = (1280, 720), (0, 0)
        return pygame.Surface((8, 8))

    made = screen.Screen(WindowOptions(video="dummy", size=(640, 360)))
    monkeypatch.setattr(pygame.display, "set_mode", set_mode)
    monkeypatch.setattr(pygame, "Window", SimpleNamespace(from_display_module=lambda: system))
    for _ in range(2):
        made.toggle_fullscreen()
        assert (system.size, system.position) == ((1280, 720), (0, 0))
        made.toggle_fullscreen()
        assert (system.size, system.position) == ((1126, 634), (78, 63))
    assert asked[:2] == [((0, 0), pygame.FULLSCREEN), ((1126, 634), pygame.RESIZABLE)]


def test_the_window_has_an_icon_in_both_drivers_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    set_to: list[pygame.Surface] = []
    monkeypatch.setattr(pygame.display, "set_icon", set_to.append)
    screen.Screen(WindowOptions(video="dummy", size=(320, 200))).close()
    (drawn,) = set_to
    colours = {tuple(drawn.get_at((x, y))[:3]) for x in range(drawn.get_width()) for y in range(drawn.get_height())}
    assert {theme.AGENT, theme.HUMAN} <= colours


@pytest.mark.parametrize("pictures_a_second", [0, 20, 50, 60, 400])
def test_however_many_pictures_a_game_draws_the_next_frame_is_due_soon(pictures_a_second: int) -> None:
    """Else the window stands still when they stop: it went on saying who drives while the session was paused."""
    now, due, drawn, frames = 0.0, 0.0, -1.0, 0
    for step in range(20_000):
        now = step / 2_000
        fresh = bool(pictures_a_second) and step % (2_000 // pictures_a_second) == 0
        if now >= due or (fresh and now >= drawn + 1 / 60):
            drawn, due, frames = now, next_frame(due, now), frames + 1
        assert due <= now + 1 / 30 + 1e-9
    assert frames >= 295, "thirty a second at least"


@pytest.mark.parametrize(("asked", "given"), [(0.1, 0.1), (0.5, 0.5), (1.0, 254 / 255)])
def test_an_overlay_over_another_game_is_never_quite_opaque(monkeypatch: pytest.MonkeyPatch, asked: float, given: float) -> None:
    """Windows would not show it: SDL takes the style away that `click_through` sets again."""
    window = SimpleNamespace()
    monkeypatch.setattr(pygame.display, "set_mode", lambda *args: pygame.Surface((8, 8)))
    monkeypatch.setattr(pygame.display, "get_desktop_sizes", lambda: [(1280, 720)])
    monkeypatch.setattr(pygame, "Window", SimpleNamespace(from_display_module=lambda: window))
    monkeypatch.setattr(floating, "click_through", lambda: None)
    monkeypatch.setattr(os, "environ", dict(os.environ))
    floating.open_floating(WindowOptions(opacity=asked))
    assert window.opacity == given
