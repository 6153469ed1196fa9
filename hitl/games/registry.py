"""Which games there are: the word behind ``--env``, and what opens it. `docs/extending.md` says how to add one."""

from __future__ import annotations

from data.extras import Additions, code_of

GAMES: dict[str, str] = Additions(
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

COPIES: dict[str, str] = {"box2d": "hitl.games.box2d:Box2DGame"}
"""The games of which several can be driven at once, beside the session: a class or function that makes one for a track."""

UNTOLD: dict[str, frozenset[str]] = {"supertuxkart": frozenset({"slip"})}
"""What a game never tells of the car: these observations are always 0 there, and no plugin or setting fills them."""

SHOWN_FROM_ABOVE = ("box2d", "supertuxkart")
"""The games that have no window of their own here: ours shows them from above."""


def single_words() -> list[str]:
    """Return the words that mean a game by themselves."""
    return [word for word in GAMES if word != "gym"]


def env_words() -> str:
    """Return what may stand behind ``--env``, for people."""
    return f"{', '.join(single_words())} (stk:TRACK for short), or gym:ID for any of Gymnasium's"


def spelt_out(env: str, track: str) -> tuple[str, str]:
    """Return the environment and the track that are meant: ``stk:TRACK`` is short for both."""
    word, colon, named = env.partition(":")
    return ("supertuxkart", named) if word == "stk" and colon and named else (env, track)
