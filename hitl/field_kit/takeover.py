"""A short session: how many ticks it takes until a press of the takeover button drives the car."""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

from data.records import HUMAN
from hitl.arbiter import GatingSettings
from hitl.drivers.human import HumanDriver
from hitl.field_kit.clock import lateness_figures
from hitl.field_kit.pads import open_own
from hitl.field_kit.site import FigureDict, MissingError, Site
from hitl.home import Home
from hitl.pads.base import Pad, PadState
from hitl.protocols import EpisodeResult, Tick
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings_desk.files import settings_path

SECONDS = 20.0
HELD_S, REST_S = (0.15, 0.35), (0.3, 0.8)  # how long the stand-in holds the button and leaves it alone
OWN_GAME = "box2d"


class PressedPad:
    """A pad without a person, whose takeover button a thread presses at random moments."""

    name = "stand-in"

    def __init__(self) -> None:
        self.pressed_at = 0.0  # s: when the newest press began
        self._down = False
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._press, name="hitl-presses", daemon=True)
        self._thread.start()

    def read(self) -> PadState:
        """Return the newest state."""
        return PadState(gas=0.5, buttons=frozenset({"takeover"})) if self._down else PadState()

    def rumble(self, strong: float, weak: float, seconds: float) -> None:
        """It has no motors."""

    def close(self) -> None:
        """Press no more."""
        self._end.set()
        self._thread.join(1.0)

    def _press(self) -> None:
        while not self._end.wait(random.uniform(*REST_S)):
            self.pressed_at, self._down = time.perf_counter(), True
            self._end.wait(random.uniform(*HELD_S))
            self._down = False


class NotedDriver(HumanDriver):
    """Notes each press from the reading that shows it first until the tick in which the human drives."""

    def __init__(self, pad: Pad) -> None:
        super().__init__(pad)
        self.ticks: list[int] = []  # 1: the tick whose reading showed the press is the human's
        self.reading_ms: list[float] = []  # from a press to the reading that shows it, where the press is the stand-in's
        self.missing = 0  # readings without the pad
        self.never = 0  # presses that were let go before the human drove
        self._since: int | None = None  # ticks from the reading that showed the press; None: no press waits
        self._was_down = self._was_human = True  # what is held when an episode begins must be let go first
        self._down = False

    def begin(self) -> None:
        """An episode begins."""
        self._since, self._was_down = None, True

    def read(self, info: dict[str, Any]) -> tuple[PadState, str]:
        """Return the pad as it is now."""
        state, hold = super().read(info)
        self.missing += not state.connected
        self._down = "takeover" in state.buttons
        if self._down and not self._was_down and not self._was_human:
            self._since = 0
            if isinstance(self.pad, PressedPad):
                self.reading_ms.append(1000 * (time.perf_counter() - self.pad.pressed_at))
        self._was_down = self._down
        return state, hold

    def watch(self, tick: Tick) -> None:
        """Take down who drove the tick that was just made."""
        self._was_human = tick.decision.driver == HUMAN
        if self._since is None:
            return
        self._since += 1
        if self._was_human:
            self.ticks.append(self._since)
            self._since = None
        elif not self._down:
            self.never += 1
            self._since = None


def measure(site: Site) -> FigureDict:
    """Return how presses became actions, and how punctual the session was meanwhile."""
    own = open_own(site)
    pad: Pad = own or PressedPad()
    try:
        with tempfile.TemporaryDirectory(prefix="hitl-field-kit-", ignore_cleanup_errors=True) as folder:
            return {"pressed_by": "stand-in" if own is None else "person", **_session(site, _home(site, folder), pad)}
    finally:
        pad.close()


def _home(site: Site, folder: str) -> Home:
    """Return a home of its own for the session: nothing of it gets into the player's."""
    from hitl.demo.shipped import open_shipped

    home = Home(Path(folder) / "home")
    if site.env == OWN_GAME:
        open_shipped(home)
        return home
    home.create()
    for file in (site.home.line, settings_path(site.home)):
        if file.is_file():
            shutil.copyfile(file, home.root / file.name)
    return home


def _session(site: Site, home: Home, pad: Pad) -> FigureDict:
    driver, ends = NotedDriver(pad), [0.0]
    gating = GatingSettings(mode="hold", settle_s=0.0, minimum_s=0.0)
    with SessionSetup(
        home,
        SessionOptions(env=site.env, real_time=True, gating=gating),
        human=lambda track: driver,
        watch=driver.watch,
        stop=lambda: time.perf_counter() > ends[0],
    ) as rig:
        rig.policy.begin_episode()  # loading torch for the first time is no part of driving
        ends[0] = time.perf_counter() + SECONDS
        results: list[EpisodeResult] = []
        while not rig.session.stop() and not rig.session.leaving:
            results.append(rig.session.episode("drive", seed=len(results)))
        lateness = rig.lateness
    assert lateness is not None
    if not lateness.ticks:
        raise MissingError("no tick was driven")
    ticks = driver.ticks
    return {
        "env": site.env,
        "agent": "shipped" if site.env == OWN_GAME else "random",
        "episodes": len(results),
        "episodes_lost": sum(result.reason == "env_lost" for result in results),
        "presses_executed": len(ticks),
        "presses_let_go_before": driver.never,
        "press_to_action_ticks_median": float(np.median(ticks)) if ticks else None,
        "press_to_action_ticks_max": max(ticks, default=None),
        "press_to_reading_ms_median": float(np.median(driver.reading_ms)) if driver.reading_ms else None,
        "press_to_reading_ms_max": max(driver.reading_ms, default=None),
        "readings_without_pad": driver.missing,
        **lateness_figures(lateness),
    }
