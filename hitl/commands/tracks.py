"""`hitl tracks`: the tracks that come with hitl, and those that were driven, with their lap times."""

from __future__ import annotations

import json
from typing import Any

from data.errors import HitlError
from data.words import number_of
from hitl.arguments import Parser
from hitl.home import add_home, home_path, in_home

MOST_NAMES = 4  # of corners in one row; `hitl corners` has all


def main(argv: list[str]) -> int:
    """Run the command."""
    parser = Parser(
        prog="hitl tracks",
        description="List the tracks that come with hitl and those that were driven: length, corners, drives, best laps.",
    )
    add_home(parser, or_last_demo=True)
    parser.add_argument("--json", action="store_true", help="as JSON")
    args = parser.parse_args(argv)

    from data.store import Store
    from hitl.games.supertuxkart.data_folder import tracks_there
    from hitl.road.kart_tracks import KART_TRACKS
    from hitl.road.track import load_track, shipped_tracks

    home = home_path(args)
    path = home.store_path
    rows = {name: [_known(load_track(name))] for name in shipped_tracks()}
    if path.exists():
        with Store.open_existing(path) as store:
            for name in store.tracks():
                known = rows.get(name, [{"length_m": None, "corners": []}])[0]
                rows[name] = [{**known, **_driven(store, name, game)} for game in store.games(name)]
    if args.json:
        print(json.dumps([{"track": name, **row} for name, games in rows.items() for row in games], indent=2))
        return 0

    from hitl.console import console, name_width, print_fitting, table

    right = "metres", "drives", "your best\nlap ever", "agent's best\nlap ever"
    shown = table("track", "metres", "corners", *right[1:], right=right)
    shown.columns[0].min_width = name_width(rows)
    for name, row in ((name, row) for name, games in rows.items() for row in games):
        times = ("–" if row[who] is None else f"{row[who]:.1f} s" for who in ("your_best_s", "agent_best_s"))
        metres = "–" if row["length_m"] is None else f"{row['length_m']:.0f}"
        corners = row["corners"] if len(row["corners"]) <= MOST_NAMES else [number_of(len(row["corners"]), "corner")]
        where = f"{name} in {row['game']}" if len(rows[name]) > 1 else name
        shown.add_row(where, metres, ", ".join(corners) or "–", f"{row['drives']:,}" if row["drives"] else "–", *times)
    karts = tracks_there(home)
    here = "" if karts == KART_TRACKS else " that are here"
    out = console()
    print_fitting(shown, out, ("corners", "metres"))
    for said in (
        "`hitl play --track NAME` drives one of these, `hitl play --track FILE` one of your own.",
        f"`hitl play --env stk:NAME` drives one of SuperTuxKart's tracks{here}: {', '.join(karts)}.",
    ):
        out.print(in_home(said, args.home), style="dim")
    return 0


def _known(track: Any) -> dict[str, Any]:
    corners = [corner.name for corner in track.corners]
    nothing = {"game": None, "drives": 0, "your_best_s": None, "agent_best_s": None}
    return {"length_m": round(track.line.length, 1), "corners": corners, **nothing}


def _driven(store: Any, name: str, game: str) -> dict[str, Any]:
    """Return what the store knows of a track in one game: its corners have the player's names."""
    from hitl.road.known_tracks import stored_track
    from hitl.screens.lap_times import best_laps

    corners = store.corners(name)
    best = best_laps(store, name, corners, game)
    try:
        length = {"length_m": round(stored_track(store, name).line.length, 1)}
    except HitlError:  # its file is gone
        length = {}
    return {
        **length,
        "corners": [corner.name for corner in corners],
        "game": game,
        "drives": len(store.episodes(name, env=game)),
        "your_best_s": best["human"].seconds if "human" in best else None,
        "agent_best_s": best["agent"].seconds if "agent" in best else None,
    }
