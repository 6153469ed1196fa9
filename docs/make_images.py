"""Draws the pictures in ``docs/images`` from a recorded store: ``python docs/make_images.py --home DIR``.

The driving pictures are steps of the newest episode with a takeover, the review is the same store, and the report is drawn by
Chromium where it is installed. ``--kart HOME`` draws the picture of SuperTuxKart instead, from the home of a demo there: the
game's own, of the same drive driven again, with the overlay (who made what is seen in it: ``docs/images/NOTICE.md``).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from data.reading.drives import Drive
    from data.records import Segment
    from takeover_ui.view import View

os.environ["SDL_VIDEODRIVER"] = "dummy"
ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
IMAGES = ROOT / "docs" / "images"


def moments(home: Path, purpose: str = "") -> tuple[Callable[[int], View], Segment, Drive]:
    """Return the view at each step of the newest episode with a takeover, that takeover, and the whole episode."""
    import numpy as np

    from data.store import Store
    from hitl.screens.session_screen import key_hint
    from hitl.screens.stored.report import stored_report
    from hitl.screens.stored.scene import stored_scene
    from takeover_ui.view import RecorderState, TrainerState, View

    with Store.open_existing(home / "store.sqlite") as store:
        scene, report = stored_scene(store), stored_report(store)
        kept = {e.id for e in store.episodes(scene.track) if not purpose or e.purpose == purpose}
        taken = store.segments(track=scene.track, kind="takeover")
        segment = [s for s in taken if s.corner and s.episode_id in kept][-1]
        whole = store.steps(segment.episode_id)
        lines = [
            store.steps(s.episode_id) for s in store.segments(track=scene.track, kind="takeover")[-4:]
        ]
        rewards = whole.reward.tolist()
    human = tuple(d.points[d.human].astype(np.float32) for d in lines)
    agent = tuple(d.points[~d.human][:-60].astype(np.float32) for d in lines[:1])
    best = max(e.total for e in report.episodes)
    corner = next(c for c in scene.corners if c[0] == segment.corner)

    def view(k: int) -> View:
        heading, speed, at = float(whole.heading[k]), float(whole.speed[k]), float(whole.progress[k])
        seconds = max(0.0, corner[1] - at) / max(speed, 1.0)
        return View(
            scene=scene, driver="human" if whole.human[k] else "agent", proposed=tuple(whole.proposed[k].tolist()),
            executed=tuple(whole.executed[k].tolist()), speed=speed, progress=at, x=float(whole.x[k]), y=float(whole.y[k]),
            heading=heading, velocity=(0.0, 0.0), wheel_angle=-0.4 * float(whole.executed[k][-1]), next_corner=corner[0],
            countdown=seconds if at < corner[2] else None, help_wanted=0 < seconds < 1.6 and not whole.human[k],
            episode_return=float(np.sum(rewards[: k + 1])), best_return=best, ceiling=report.ceiling,
            takeovers=report.takeovers, human_seconds=report.takeover_seconds,
            trainer=TrainerState(True), store=RecorderState(), without_help=f"alone through the {corner[0]}",
            evaluations=tuple((e.agent_steps, e.passes / e.episodes) for e in report.evaluations),
            failures=tuple(report.failures[-60:]), hint=key_hint("touch"),
            agent_trails=agent, human_trails=human[:-1], at=0.0,
            risk=None if np.isnan(whole.risk[k]) else float(whole.risk[k]),
        )  # fmt: skip

    return view, segment, whole


def driving(home: Path) -> None:
    """Draw the window before, in and (small sizes) during a takeover."""
    import pygame

    from takeover_ui.overlay import overlay
    from takeover_ui.window.composer import Composer

    view, segment, _ = moments(home)
    for name, k in (("agent", segment.start - 6), ("human", (segment.start + segment.stop) // 2)):
        surface = pygame.Surface((1280, 720))
        Composer().draw(surface, view(k))
        pygame.image.save(surface, str(IMAGES / f"driving_{name}.png"))
    k = (segment.start + segment.stop) // 2
    (wide, high), (_, strip) = overlay.DESIGN["compact"], overlay.DESIGN["bar"]
    sheet = pygame.Surface((960, high + strip + 48))
    sheet.fill((90, 100, 96))
    overlay.draw(sheet.subsurface((100, 16, wide, high)), view(k), "compact")
    overlay.draw(sheet.subsurface((520, 16, wide, high)), view(segment.start - 6), "compact")
    overlay.draw(sheet.subsurface((0, high + 32, 960, strip)), view(k), "bar")
    pygame.image.save(sheet, str(IMAGES / "overlay_small.png"))


def kart(home: Path) -> None:
    """Draw SuperTuxKart's window in the middle of a takeover: the drive is driven again, and its last moment drawn."""
    import pygame

    from data.store import Store
    from hitl.games.driving_env import DrivingEnv
    from hitl.games.supertuxkart.game import PICTURE_LOG, SuperTuxKartGame, start_engine
    from hitl.games.supertuxkart.mirror import Mirror
    from hitl.home import Home
    from hitl.road.track import load_track
    from takeover_ui.window.composer import Composer
    from takeover_ui.window.picture import Picture

    view, segment, whole = moments(home, "drive")
    k = (segment.start + segment.stop) // 2
    with Store(home / "store.sqlite", read_only=True) as store:
        seed = next(e.seed for e in store.episodes(segment.track) if e.id == segment.episode_id)
    with tempfile.TemporaryDirectory() as folder:
        own, drawn = Home(Path(folder)).create(), Path(folder) / "picture"
        track = load_track(segment.track)
        game = SuperTuxKartGame(track, own)
        how = str(drawn), "720", "medium"
        env = DrivingEnv(track, game=game)
        env.reset(seed=seed)
        for action in whole.executed[:k]:
            env.step(action)
        game.mirror = Mirror(lambda: start_engine(track.name, own, log=PICTURE_LOG, picture=how), drawn, game.notices)
        game.restore(game.save())
        composer = Composer(size="compact")
        composer.picture, seen = Picture(drawn), None
        while seen is None:  # the drawing engine loads, and drives all of it
            if game.notices:
                raise SystemExit(game.notices[0])
            time.sleep(0.2)
            seen = composer.picture.newest()
        surface = pygame.Surface((1280, 720))
        composer.draw(surface, view(k))
        pygame.image.save(surface, str(IMAGES / "driving_kart.jpg"))
        composer.picture.close()
        game.close()


def settings(home: Path) -> None:
    """Draw the settings window's page of buttons, with an Xbox pad at hand and a button pressed."""
    import pygame

    from hitl.home import Home
    from hitl.pads.mapping import CONTROLLER
    from hitl.settings_desk.desk import SettingsDesk
    from hitl.settings_desk.pad_desk import PadDesk
    from takeover_ui.settings.model import SettingsModel
    from takeover_ui.settings.rows import PadNow
    from takeover_ui.settings.view import SettingsView

    class AtHand(PadDesk):
        def now(self) -> PadNow:
            return PadNow("Xbox Wireless Controller", "xbox", True, down=frozenset(("x",)), buttons=CONTROLLER.buttons)

    surface = pygame.Surface((1280, 720))
    view = SettingsView()
    view.with_pad = True
    view.draw(surface, SettingsModel(SettingsDesk(Home(home), AtHand(None)), "buttons"))
    pygame.image.save(surface, str(IMAGES / "settings.png"))


def reviewing(home: Path) -> None:
    """Draw the review of a copy of the store."""
    import pygame

    from data.reading.segment_review import StoreReview
    from data.store import Store
    from hitl.screens.stored.scene import stored_scene
    from takeover_ui.review.app import ReviewApp
    from takeover_ui.review.model import ReviewModel

    with Store(home / "store.sqlite", read_only=True) as store:
        scene = stored_scene(store)
        app = ReviewApp(
            ReviewModel(StoreReview(store, scene.track), corner=scene.corners[0][0] if scene.corners else None), scene
        )
        app.model.do("next")
        app.model.tick(4.0)
        app.draw()
        pygame.image.save(app.surface, str(IMAGES / "review.png"))
        app.close()


def reporting(home: Path) -> None:
    """Draw the report in light and dark."""
    from data.store import Store
    from hitl.screens.stored.report import stored_report
    from takeover_ui.report.page import write_report

    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        print("no Chromium here: the report's pictures are left as they are")
        return
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        with Store(home / "store.sqlite", read_only=True) as store:
            write_report(page, stored_report(store))
        for number, name in enumerate(("dark", "light")):
            subprocess.run(
                [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", f"--user-data-dir={folder}/{name}",
                 f"--blink-settings=preferredColorScheme={number}", "--window-size=1120,900",
                 f"--screenshot={IMAGES / f'report_{name}.png'}", page.as_uri()],
                check=True, capture_output=True, timeout=120,
            )  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--home", type=Path, help="a home folder whose store holds takeovers")
    source.add_argument("--kart", type=Path, metavar="HOME", help="that of `hitl demo --env supertuxkart`: its picture alone")
    given = parser.parse_args()
    IMAGES.mkdir(exist_ok=True)
    if given.kart is not None:
        kart(given.kart)
        sys.exit()
    driving(given.home)
    settings(given.home)
    reviewing(given.home)
    reporting(given.home)
