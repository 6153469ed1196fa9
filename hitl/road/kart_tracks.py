"""The roads of SuperTuxKart's tracks: middle line, width and height, known without the game.

`tracks/supertuxkart.json` holds the pieces of each main road as the game lists them, made by `docs/make_kart_tracks.py`.
"""

from __future__ import annotations

import json
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

GAME = "supertuxkart"
KART_TRACKS = (
    "abyss", "black_forest", "candela_city", "cocoa_temple", "cornfield_crossing", "fortmagma", "gran_paradiso_island",
    "hacienda", "lighthouse", "mines", "minigolf", "olivermath", "ravenbridge_mansion", "sandtrack", "scotland",
    "snowmountain", "snowtuxpeak", "stk_enterprise", "volcano_island", "xr591", "zengarden",
)  # fmt: skip
SMOOTH_M = 8.0  # m over which the joints of the game's straight pieces are rounded
LEAST_WIDTH = 4.0  # m: where the game's road is narrower, a kart still passes beside it


@cache
def _nodes() -> dict[str, list[list[float]]]:
    text = (resources.files("hitl") / "tracks" / f"{GAME}.json").read_text(encoding="utf-8")
    found: dict[str, list[list[float]]] = json.loads(text)
    return found


def kart_road(name: str) -> NDArray[np.float64]:
    """Return the lap of a track, (N, 4): x, y, height and width in m, about one metre apart; it ends at its first point."""
    nodes = np.array(_nodes()[name])
    nodes = np.vstack([nodes, nodes[:1]])
    arc = np.r_[0.0, np.cumsum(np.hypot(*np.diff(nodes[:, :2], axis=0).T))]
    count = round(arc[-1])
    at = np.linspace(0.0, arc[-1], count + 1)[:-1]
    points = np.stack([np.interp(at, arc, column) for column in nodes.T], axis=1)
    half = round(SMOOTH_M / 2)
    window = np.ones(2 * half + 1) / (2 * half + 1)
    around = np.vstack([points[-half:], points, points[:half]])  # a lap has no ends
    points = np.stack([np.convolve(column, window, mode="valid") for column in around.T], axis=1)
    points[:, 3] = np.maximum(points[:, 3], LEAST_WIDTH)
    return np.vstack([points, points[:1]])
