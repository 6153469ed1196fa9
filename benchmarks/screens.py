"""What the screens cost: the window while driving, and the review of a large store.

The window draws a drive on the software renderer (a real X display where there is one, otherwise without showing it). The
review opens a store of 10,000 segments and 2 million steps, and goes through a hundred of them.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from common import parser, print_table, write_report

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
FPS = 30


def frames(size: str | None, count: int = 300) -> float:
    """Return the CPU seconds that a frame of the game's window takes, drawing and showing."""
    import pygame

    from takeover_ui.window.options import WindowOptions
    from takeover_ui.window.screen import Screen
    from tests.support import sample_screens as samples

    os.environ.setdefault("SDL_FRAMEBUFFER_ACCELERATION", "0")
    screen = Screen(WindowOptions(overlay=size or "off"))  # type: ignore[arg-type]
    lap = len(samples.drive("default").points)
    views = [replace(samples.view("agent", 20 + k % (lap - 20)), at=k / 20) for k in range(count)]
    for view in views[:30]:
        screen.draw(view, view.at)
    begin = time.process_time()
    for view in views:
        screen.draw(view, view.at)
        pygame.event.pump()
    taken = (time.process_time() - begin) / count
    screen.close()
    return taken


def fill(path: Path, episodes: int, steps: int) -> None:
    """Write a store with two takeovers in each episode, all along a scripted lap."""
    from data.reading.episodes import EpisodeData, EpisodeWriter, SegmentData
    from data.records import SessionInfo
    from data.store import Store
    from tests.support import sample_screens as samples

    scene, lap = samples.scene(), samples.drive("default")
    name, from_m, to_m = scene.corners[0]
    at = np.linspace(0, len(lap.points) - 1, steps)

    def column(values: Any) -> np.ndarray:
        return np.interp(at, np.arange(len(lap.points)), np.asarray(values, float))

    progress = column(lap.progress)
    columns = {"progress": progress, "speed": column(lap.speed), "heading": column(lap.heading)}
    columns |= {axis: column(np.array(lap.points)[:, k]) for k, axis in enumerate(("x", "y"))}
    executed = np.stack([column(np.array(lap.action)[:, k]) for k in range(2)], axis=1).astype(np.float32)
    inside = np.flatnonzero((progress > from_m - 15) & (progress < to_m + 5))
    middle = int(inside[len(inside) // 2])
    spans = ((int(inside[0]), middle - 5), (middle + 5, int(inside[-1])))
    rng = np.random.default_rng(0)
    info = SessionInfo(
        "play", "box2d", "default", 20.0, tuple(f"o{k}" for k in range(45)), scene.action_names, driver="pad"
    )
    with Store(path) as store:
        store.upsert_corner("default", name, from_m, to_m, "track")
        session = store.start_session(info)
        with EpisodeWriter(store.conn, session) as writer:
            for k in range(episodes):
                driver = np.zeros(steps, np.uint8)
                segments = []
                for start, stop in spans if k % 20 else ():  # one in twenty is the agent alone
                    driver[start:stop] = 1
                    segments.append(SegmentData("takeover", start, stop, "pad", name, outcome="cleared"))
                proposed = executed + rng.normal(0, 0.2, executed.shape).astype(np.float32)
                observation = rng.normal(size=(steps, 45)).astype(np.float32)
                writer.add(
                    EpisodeData(
                        observation, executed, np.ones(steps), proposed, driver, columns=columns, segments=segments
                    )
                )
        store.end_session(session)


def review(path: Path, moves: int = 100) -> tuple[float, list[float]]:
    """Return the seconds from opening to the first picture, and those of each move to the next segment."""
    from data.reading.segment_review import StoreReview
    from data.store import Store
    from hitl.screens.stored.scene import stored_scene
    from takeover_ui.review.app import ReviewApp
    from takeover_ui.review.model import ReviewModel

    begin = time.perf_counter()
    with Store.open_existing(path) as store:
        scene = stored_scene(store)
        app = ReviewApp(ReviewModel(StoreReview(store, scene.track)), scene)
        app.draw()
        first = time.perf_counter() - begin
        moved = []
        for _ in range(moves):
            begin = time.perf_counter()
            app.model.do("next")
            app.draw()
            moved.append(time.perf_counter() - begin)
        app.close()
    return first, moved


def main() -> int:
    """Run the benchmark."""
    options = parser(__doc__ or "")
    options.add_argument("--episodes", type=int, default=5_264, help="of 380 steps, two segments each")
    args = options.parse_args()
    if not os.environ.get("DISPLAY"):
        os.environ["SDL_VIDEODRIVER"] = "dummy"
    shares = {size: frames(size) * FPS for size in ("full", "compact", "bar", None)}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "store.sqlite"
        fill(path, args.episodes, 380)
        first, moved = review(path)
    figures = {
        **{f"core_share_{size or 'off'}": round(share, 4) for size, share in shares.items()},
        "review_first_picture_s": round(first, 3),
        "review_next_ms_median": round(float(np.median(moved)) * 1e3, 1),
        "review_next_ms_max": round(max(moved) * 1e3, 1),
    }
    print_table(
        f"window, 1280 x 720 at {FPS} frames/s",
        ("overlay", "share of one core", "wanted"),
        [(size or "off", f"{share:.1%}", "≤ 25 %") for size, share in shares.items()],
    )
    print_table(
        f"review, {args.episodes * 380:,} steps",
        ("", "", "wanted"),
        [
            ("first picture", f"{first:.2f} s", "< 1.5 s"),
            ("next segment, median", f"{figures['review_next_ms_median']} ms", "< 50 ms"),
            ("next segment, longest", f"{figures['review_next_ms_max']} ms", "< 50 ms"),
        ],
    )
    write_report(args.json, figures, [0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
