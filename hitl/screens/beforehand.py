"""What is said before a session begins: who else drives here, and what of the home cannot be learned from together with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from data.errors import StoreError
from data.exchange.relayout import rebuild_said
from data.files.paths import as_typed
from data.reading.layouts import apart, games_of, unlike
from data.store import Store
from hitl.home import Begun, in_home
from trainer.checkpoints.in_force import learned_layout

if TYPE_CHECKING:
    from hitl.home import Home
    from hitl.session.setup import SessionSetup
    from takeover_ui.language import Words


def others_driving(home: Home) -> list[str]:
    """Return a sentence where another session drives in the same home at this moment."""
    if not home.store_path.exists():
        return []
    try:
        with Store(home.store_path) as store:
            driving = store.driving_now()
            far = bool(driving) and store.is_of_worker(driving[-1])
    except StoreError:  # in use at the moment, or damaged: the recorder says so
        return []
    if not driving:
        return []
    if far:
        return [f"Session {driving[-1]} is driven on another machine now: both are recorded here, for one trainer."]
    return [
        f"Session {driving[-1]} drives in this home now, in another window or program: both are recorded here, for one trainer. "
        "For an agent of its own, choose another folder: `hitl play --home DIR`."
    ]


def layouts_apart(rig: SessionSetup, words: Words, elsewhere: bool = False) -> tuple[list[str], str, bool]:
    """Return a sentence about each kind of recorded steps that cannot be learned from together with this session's.

    Beside them, the same in short for a window, which covers a part of the game; and whether it says that the agent does not fit.
    ``elsewhere``: another machine trains. What to do about what its run does not learn from, it says itself.
    """
    try:
        with Store(rig.home.store_path) as store:
            here, learned = (rig.observation_names, rig.action_names), learned_layout(store)
            if elsewhere:
                if learned is None or learned == here:
                    return [], "", False
                return [said := unlike(here, learned, elsewhere=True)], said, True
            rebuilt = rebuild_said(store)
            others = apart(store.conn, learned or here, "this run" if learned else "this session")
            if learned not in (None, here):
                game = Begun(options=(f"--env {as_typed(rig.options.env)}",))  # a home of its own knows none yet
                said, in_short = (in_home(text, game) for text in (unlike(here, learned), words["another_run"]))
                return [*rebuilt, *others.values(), said], in_short, True
            short = [words.say("left_out", games=", ".join(games_of(store.conn, others)))] if others else []
            return [*rebuilt, *others.values()], " ".join([*rebuilt, *short]), False
    except StoreError:  # in use at the moment, or damaged: the recorder says so
        return [], "", False
