"""`hitl export clip OUT`: a takeover or a drive as a small film."""

from __future__ import annotations

from pathlib import Path

from data.errors import UsageError
from data.files.replacing import refuse_present
from hitl.arguments import Parser, amount, whole
from hitl.commands.selection import open_store
from hitl.home import add_home, home_path, with_options


def main(argv: list[str]) -> int:
    """Write the file."""
    from takeover_ui.clips.files import FORMS, NARROWEST

    parser = Parser(
        prog="hitl export clip",
        description="Write a takeover or a drive as a film: the road from above, who drives, and what is steered. Without an "
        "option it is the newest takeover. GIF (.gif) is shown everywhere, MP4 (.mp4) is smaller and smoother.",
    )
    add_home(parser, or_last_demo=True)
    parser.add_argument("out", type=Path, metavar="OUT", help="the file to make, .gif or .mp4")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--segment", type=whole(1), metavar="N", help="a takeover, lap or kept stretch, by its number")
    which.add_argument("--episode", type=whole(1), metavar="N", help="a drive")
    parser.add_argument("--beside", type=whole(1), metavar="N", help="with --episode: a second drive, side by side with it")
    parser.add_argument(
        "--before-after", action="store_true", help="the agent alone at the takeover's corner: as it was then, and as it is now"
    )
    parser.add_argument("--corner", help="the newest takeover at this corner; with --episode: only what was driven there")
    parser.add_argument("--track", help="a shipped track's name or a file (default: the one driven last)")
    parser.add_argument(
        "--seconds", type=amount(above=0.0), metavar="S", help="of a longer drive, the last S seconds (default: 20)"
    )
    parser.add_argument(
        "--width", type=whole(NARROWEST, max(form.widest for form in FORMS.values())), metavar="PX",
        help="pixels (default: 640, for two drives 960)",
    )  # fmt: skip
    args = parser.parse_args(argv)
    suffix = args.out.suffix.lower()
    if suffix not in FORMS:
        parser.error(f"OUT must end in one of {', '.join(FORMS)}")
    if args.beside is not None and args.episode is None:
        parser.error("--beside needs --episode")
    if args.before_after and args.episode is not None:
        parser.error("--before-after is about a takeover: use --episode with --beside for two drives")
    if args.width is not None and args.width > FORMS[suffix].widest:
        parser.error(f"a {suffix[1:].upper()} may be {FORMS[suffix].widest} pixels wide")

    from data.reading.segment_review import StoreReview
    from hitl.screens.stored.clips import SECONDS, WIDTH, ClipMaker, told
    from hitl.screens.stored.scene import stored_scene
    from hitl.settings import language_of
    from takeover_ui.clips.files import write
    from takeover_ui.review.texts import LANGUAGES
    from trainer.checkpoints.in_force import rule_of_run

    refuse_present(args.out)
    two = args.before_after or args.beside is not None
    with open_store(args) as store:
        of = store.segments(ids=[args.segment]) if args.segment else store.episodes(ids=[args.episode or 0])
        scene = stored_scene(store, args.track or (of[0].track if of else None))
        words = LANGUAGES[language_of(home_path(args))]
        width = args.width or (960 if two else WIDTH)
        review = StoreReview(store, scene.track, rule=rule_of_run(store))
        maker = ClipMaker(review, scene, words, seconds=args.seconds or SECONDS, width=width)
        if args.episode is not None:
            clip = maker.drive(args.episode, args.beside, args.corner)
        else:
            found = store.segments(
                track=scene.track, ids=None if args.segment is None else [args.segment], corner=args.corner,
                kind="takeover" if args.segment is None else None,
            )  # fmt: skip
            if not found:
                what = f"segment {args.segment}" if args.segment else "takeover"
                what += f" at '{args.corner}'" if args.corner else ""
                there = with_options("`hitl segments` lists what is recorded.", track=args.track)
                raise UsageError(f"There is no {what} on '{scene.track}'. {there}")
            clip = maker.before_after(found[-1]) if args.before_after else maker.segment(found[-1])
        for _ in write(args.out, clip):
            pass
    print(f"{args.out.name}: {told(args.out, clip)}.")
    return 0
