"""`hitl review`: look at what was recorded, and judge it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hitl.arguments import Parser
from hitl.home import add_home, home_path

if TYPE_CHECKING:
    from takeover_ui.review.model import ReviewModel
    from takeover_ui.view import Scene


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="hitl review",
        description="Look at recorded takeovers and laps against what the agent does, and judge them; "
        "keys and buttons are on the screen.",
    )
    add_home(parser)
    parser.add_argument("--track", help="a shipped track's name or a file (default: the one driven last)")
    parser.add_argument("--corner", help="begin with this corner's segments")
    parser.add_argument("--verdict", choices=["unreviewed", "good", "bad", "star"], help="begin with these")
    parser.add_argument("--since", metavar="DATE", help="2026-11-20, today, yesterday, or an age: 12h, 7d")
    parser.add_argument("--until", metavar="DATE", help="before this moment; the same forms")
    parser.add_argument("--sort", choices=["priority", "newest", "different"], default="priority")
    args = parser.parse_args(argv)

    from data.errors import DeviceError, UsageError
    from data.reading.segment_review import StoreReview
    from data.store import Store
    from hitl.commands.selection import parse_date
    from hitl.screens.stored_scene import stored_scene
    from takeover_ui.review.model import ReviewModel
    from takeover_ui.window.window import display_available

    with Store.open_existing(home_path(args).store_path) as store:
        scene = stored_scene(store, args.track)
        since, until = (parse_date(text) if text else None for text in (args.since, args.until))
        data = StoreReview(store, scene.track, since, until)
        model = ReviewModel(data, corner=args.corner, verdict=args.verdict, sort=args.sort)
        if not model.list.all:
            raise UsageError(
                f"No takeover or lap on '{scene.track}' is recorded there. Take over in `hitl play` first."
            )
        if not display_available():
            raise DeviceError(
                "There is no display here to review on. Use `hitl segments` and `hitl label`, or set DISPLAY."
            )
        _run(model, scene)
    return 0


def _run(model: ReviewModel, scene: Scene) -> None:
    import pygame

    from data.errors import DeviceError
    from takeover_ui.review.app import ReviewApp

    try:
        app = ReviewApp(model, scene)
    except pygame.error as error:
        raise DeviceError(f"Cannot open the review window ({error}).") from error
    try:
        app.run()
    finally:
        app.close()
