"""Which layout of observations a session has: the one that is set, else the one that its home has already."""

from __future__ import annotations

from typing import Literal

from data.errors import DeviceError
from data.store import Store
from hitl.home import Home
from hitl.road.time_lost import REPLAY
from hitl.task.details import FRAME, is_detailed
from hitl.task.observation import LayoutName

DETAILED = 33
"""Numbers a frame of the plugin that tells as much of the car as the layouts ``detailed`` and ``frame`` hold."""


def layout_of(home: Home) -> LayoutName | None:
    """Return the layout in which this home's drives are recorded, the driven before the imported; None where there are none.

    Replays say nothing: they are there to be compared with.
    """
    if not home.store_path.is_file():
        return None
    with Store(home.store_path, read_only=True) as store:
        newest = store.newest_session() or next((s for s in reversed(store.sessions()) if s.driver != REPLAY), None)
    if newest is None:
        return None
    names = set(newest.observation_names)
    return "frame" if names >= set(FRAME) else "detailed" if is_detailed(names) else "road"


def chosen_layout(home: Home, wanted: Literal["auto", "road", "detailed", "frame"], *, sends: int, new: LayoutName) -> LayoutName:
    """Return the layout of a session in TrackMania. ``wanted``: the setting; ``sends``: the plugin's numbers a frame.

    ``new``: that of a home in which nothing is yet, where the plugin sends enough. Raises DeviceError where it sends too little
    for what is set or recorded.
    """
    enough = sends == DETAILED
    layout: LayoutName = wanted if wanted != "auto" else layout_of(home) or (new if enough else "road")
    if layout != "road" and not enough:
        needs, or_else = (
            (f'sees = "{wanted}" in [trackmania] of settings.toml needs', 'set it to "road"')
            if wanted != "auto"
            else ("The agent of this home folder sees", "drive in a home folder of its own with --home")
        )
        raise DeviceError(
            f"{needs} slips, ground and engine, which the plugin with {DETAILED} numbers a frame sends, and {sends} come: "
            f"install that plugin (TrackmaniaRL Connect), or {or_else}."
        )
    return layout
