"""`hitl settings`: pad, buttons, gating, overlay, language, track and corner in a window."""

from __future__ import annotations

import argparse
import contextlib

from data.errors import DeviceError
from hitl.arguments import Parser
from hitl.home import add_home, home_path


def main(argv: list[str]) -> int:
    """Open the window, and stay until it is closed."""
    parser = Parser(
        prog="hitl settings",
        description="Change settings in a window: language, pad and its buttons, how you take over, the overlay, track and "
        "corner. They are kept in settings.toml, pads.toml and overlay.toml of the home; comments in settings.toml stay.",
    )
    add_home(parser)
    pages = "language", "pad", "buttons", "keys", "takeover", "coach", "overlay", "gauges", "track"
    parser.add_argument("--page", choices=pages, default="language", help="the page to begin with (default: language)")
    parser.add_argument("--in-session", action="store_true", help=argparse.SUPPRESS)  # started by a session that is paused
    parser.add_argument("--over", action="append", default=[], help=argparse.SUPPRESS)  # what that was started with
    args = parser.parse_args(argv)

    from takeover_ui.window.window import display_available

    if not display_available():
        raise DeviceError("There is no display here for the window. Write settings.toml: `hitl config show` lists it all.")
    import pygame

    from hitl.processes import when_orphaned
    from hitl.settings_desk.desk import SettingsDesk, typed
    from hitl.settings_desk.pad_desk import PadDesk, open_hub
    from takeover_ui.settings.app import SettingsApp
    from takeover_ui.settings.model import SettingsModel

    home = home_path(args)
    try:
        pygame.display.init()
    except pygame.error as error:
        raise DeviceError(f"Cannot open the settings window ({error}).") from error
    desk = SettingsDesk(home, PadDesk(open_hub()), typed(args.over), in_session=args.in_session)
    try:
        app = SettingsApp(SettingsModel(desk, args.page))
    except pygame.error as error:
        raise DeviceError(f"Cannot open the settings window ({error}).") from error
    if args.in_session:
        when_orphaned(app.model.leave)  # a session that was killed cannot close it
    with contextlib.closing(app):
        app.run()
    return 0
