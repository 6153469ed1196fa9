"""`hitl review`: look at what was recorded, and judge it."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from data.errors import DeviceError, UsageError
from hitl.arguments import Parser
from hitl.commands.selection import add_dates, open_store
from hitl.home import add_home, home_path, with_options

if TYPE_CHECKING:
    from data.records import Segment
    from takeover_ui.view import Scene


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="hitl review",
        word="--corner",
        description="Look at recorded takeovers and laps against what the agent does, and judge them; "
        "keys and buttons are on the screen.",
    )
    add_home(parser, or_last_demo=True)
    parser.add_argument("--track", help="a shipped track's name or a file (default: the one driven last)")
    parser.add_argument("--corner", help="begin with this corner's segments")
    parser.add_argument("--verdict", choices=["unreviewed", "good", "bad", "star"], help="begin with these")
    add_dates(parser)
    parser.add_argument(
        "--sort", choices=["priority", "newest", "different", "doubtful"], default="priority",
        help="what comes first (default: priority)",
    )
    args = parser.parse_args(argv)

    import pygame

    from data.reading.segment_review import StoreReview
    from hitl.screens.stored.clips import ClipMaker
    from hitl.screens.stored.scene import stored_scene
    from hitl.settings import language_of
    from takeover_ui.geometry import ribbon
    from takeover_ui.review.app import ReviewApp
    from takeover_ui.review.model import ReviewModel
    from takeover_ui.review.quality import Quality
    from takeover_ui.review.texts import LANGUAGES
    from takeover_ui.window.window import display_available
    from trainer.checkpoints.in_force import rule_of_run

    with open_store(args) as store:
        scene = stored_scene(store, args.track)
        data = StoreReview(store, scene.track, args.since, args.until, rule_of_run(store))
        if args.corner is not None:
            _must_have(args.corner, args.track, scene, data.segments())
        home = home_path(args)
        words = LANGUAGES[language_of(home)]
        film = partial(ClipMaker(data, scene, words).film, home.root / "clips")
        road = ribbon(scene.points, scene.half_width, max(1.0, scene.length / 5000))
        quality = Quality(data.driven, road, scene.half_width)
        model = ReviewModel(
            data, corner=args.corner, verdict=args.verdict, sort=args.sort, words=words, film=film, quality=quality
        )
        if not model.list.all:
            raise UsageError(
                f"No takeover or lap on '{scene.track}' is recorded there. Take over in `hitl play` first."
            )
        if not display_available():
            raise DeviceError(
                "There is no display here to review on. Use `hitl segments` and `hitl label`, or set DISPLAY."
            )
        try:
            app = ReviewApp(model, scene)
        except pygame.error as error:
            raise DeviceError(f"Cannot open the review window ({error}).") from error
        with contextlib.closing(app):
            app.run()
    return 0


def _must_have(corner: str, track: str | None, scene: Scene, segments: Sequence[Segment]) -> None:
    """Raise UsageError where nothing could be shown of a corner: there is none of that name, or nothing was driven there."""
    from hitl.road.corners import corner_called

    held = list(dict.fromkeys(s.corner for s in segments if s.corner))
    if corner in held:
        return
    corner_called(corner, scene.corners, scene.track)
    listed = ", ".join(f"'{name}'" for name in held)
    whole = with_options("`hitl review` without --corner shows all that there is", track=track)
    there = f"There are some at {listed}" if held else whole
    raise UsageError(f"No takeover at '{corner}' is recorded there. {there}.")
