"""The windows' icon: a road through a corner, blue where the agent drives and orange where the human does."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pygame

from takeover_ui import theme

_FINE = 8  # drawn so many times larger and scaled down: smooth edges


def icon(side: int = 64) -> pygame.Surface:
    """Return the icon, ``side`` pixels wide and high."""
    big = pygame.Surface((side * _FINE, side * _FINE), pygame.SRCALPHA)
    unit = side * _FINE
    pygame.draw.rect(big, theme.INK, big.get_rect(), border_radius=unit // 5)
    angle = np.linspace(0.0, np.pi, 60)
    bend = np.stack([0.5 - 0.24 * np.cos(angle), 0.42 - 0.24 * np.sin(angle)], axis=1)
    road = np.vstack([[0.26, 0.86], bend, [0.74, 0.86]]) * unit
    for colour, part in ((theme.AGENT, road[: len(road) // 2 + 1]), (theme.HUMAN, road[len(road) // 2 :])):
        for point in np.vstack([np.linspace(a, b, 24) for a, b in pairwise(part)]):
            pygame.draw.circle(big, colour, point, unit * 0.085)
    return pygame.transform.smoothscale(big, (side, side))
