"""Write hitl/tracks/supertuxkart.json: the main road of each of SuperTuxKart's tracks, as the engine lists its pieces.

Needs the game (docs/supertuxkart.md): `python docs/make_kart_tracks.py --home DIR`. The numbers are facts of the tracks: the
middle of each piece's beginning (x, y, height) and its width, in m.
"""

from __future__ import annotations

import argparse
import json
import math
from pathlib import Path

from hitl.games.supertuxkart.game import start_engine
from hitl.home import Home
from hitl.road.kart_tracks import GAME, KART_TRACKS

APART_M = 3.0  # between the points that are kept
TARGET = Path(__file__).parents[1] / "hitl" / "tracks" / f"{GAME}.json"


def main_road(road: dict) -> list[list[float]]:
    """Return the lap of a track: from piece to piece by the first successor. The others are short cuts."""
    order = [0]
    while (following := road["successors"][order[-1]][0]) != 0:
        order.append(following)
    points: list[list[float]] = []
    for k in order:
        (x, z, y), width = road["nodes"][k][0], road["width"][k][0]
        if not points or math.hypot(x - points[-1][0], y - points[-1][1]) >= APART_M:
            points.append([round(v, 1) for v in (x, y, z, width)])
    return points


def main() -> None:
    """Ask the engine for each track."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, required=True)
    home = Home(parser.parse_args().home).create()
    rows = []
    for name in KART_TRACKS:
        engine = start_engine(name, home)
        engine.ask("road")
        engine.answer(60.0, "loading the track")
        rows.append(f'"{name}": {json.dumps(main_road(engine.answer(10.0, "the road")), separators=(",", ":"))}')
        engine.close()
    TARGET.write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
