"""Which games there are: the word behind ``--env``, and what opens it. `docs/extending.md` says how to add one."""

from __future__ import annotations

from dataclasses import dataclass

from data.errors import UsageError, shown
from data.extras import Additions, code_of
from hitl.road.kart_tracks import GAME, KART_TRACKS

GAMES: Additions[str] = Additions(
    "hitl.games",
    {
        "box2d": "hitl.games.open_game:box2d_world",
        "trackmania": "hitl.games.open_game:trackmania_world",
        "tmrl": "hitl.games.open_game:tmrl_world",
        "supertuxkart": "hitl.games.supertuxkart.game:supertuxkart_world",
        "gym": "hitl.games.open_game:gym_world",
    },
    code_of,
)
"""``module:function``, imported when the game is opened. The function takes (options, home) and returns a `World`.

An installed package adds its own by the entry point ``hitl.games``.

A game may have more behind its word: ``gym:ID``.
"""


@dataclass(frozen=True, slots=True)
class Copies:
    """How copies of a game are made. ``make``: ``module:function``, called with (track, home)."""

    make: str
    most: int
    """So many are driven at once; further drives come after them."""
    own_process: bool = False
    """Each takes seconds to begin, and memory."""


COPIES: dict[str, Copies] = {
    "box2d": Copies("hitl.games.box2d:copy_of", most=20),
    "supertuxkart": Copies("hitl.games.supertuxkart.game:copy_of", most=2, own_process=True),  # of 100 MB
}
"""The games that can be driven beside the session, in copies of them."""
UNTOLD: dict[str, frozenset[str]] = {"supertuxkart": frozenset({"slip"})}
"""What a game never tells of the car: these observations are always 0 there, and no plugin or setting fills them."""

SHOWN_FROM_ABOVE = ("box2d", "supertuxkart")
"""The games that have no window of their own here: ours shows them from above."""
OWN_WINDOW = ("trackmania", "tmrl")
"""The games in a window of their own: ours floats over it. What any other is seen in, its open `World` says."""
_DRIVE_STORED_LINES = (*SHOWN_FROM_ABOVE, "trackmania")
OWN_ROADS = ("supertuxkart", "tmrl")
"""The games whose roads come from themselves, and from no file that ``--track`` names."""


def single_words() -> list[str]:
    """Return the words that mean a game by themselves."""
    return [word for word in GAMES if word != "gym"]


def env_words() -> str:
    """Return what may stand behind ``--env``, for people."""
    return f"{', '.join(single_words())} (stk:TRACK for short), or gym:ID for any of Gymnasium's"


def spelt_out(env: str, track: str) -> tuple[str, str]:
    """Return the environment and the track that are meant: ``stk:TRACK`` is short for both. Raises UsageError for two tracks."""
    word, colon, named = env.partition(":")
    if word != "stk" or not colon or not named:
        return env, track
    if track not in ("default", named):
        raise UsageError(f"'{shown(env)}' is the track '{shown(named)}', and '{shown(track)}' another: leave one out.")
    return "supertuxkart", named


def drives_stored_lines(env: str) -> bool:
    """Tell whether a game can drive any track of its own again by the line that a store keeps of it.

    An added game is told the track that it drove last: on another one its agent knows nothing.
    """
    return env in _DRIVE_STORED_LINES or GAMES.is_added(env)


def has_track(env: str, track: str) -> bool:
    """Tell whether a track can be one of a game's, by their names alone."""
    word, colon, named = env.partition(":")
    if word == "stk" and colon and named:
        return track in ("default", named)
    if env == GAME:
        return track == "default" or track in KART_TRACKS
    return env not in _DRIVE_STORED_LINES or track not in KART_TRACKS
