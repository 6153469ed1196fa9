"""Charts as inline SVG: a few plain functions, no dependency. Colours come from the page's style sheet by class name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

Numbers = Sequence[float] | NDArray[np.floating]


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about ``count`` round numbers within ``[low, high]``."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low] if math.isfinite(low) else []
    raw = (high - low) / max(1, count)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(m * power for m in (1, 2, 5, 10) if m * power >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [k * step for k in range(first, math.floor(high / step + 1e-9) + 1)]


def number(value: float, largest: float = 0.0) -> str:
    """Return a short text for a tick: no needless decimals, and thousands as k on an axis that reaches ten thousand."""
    if max(abs(value), largest) >= 10_000 and value:
        return f"{value / 1000:g}k"
    return f"{round(value, 6):g}"


class Plot:
    """An x-y chart of ``width`` x ``height`` units; everything drawn is collected and joined by :meth:`render`."""

    def __init__(
        self, x: tuple[float, float], y: tuple[float, float], *, width: int = 480, height: int = 280, label: str = ""
    ) -> None:
        self.width, self.height, self.label = width, height, label
        self.left, self.right, self.top, self.bottom = 54, width - 14, 14, height - 40
        self.x_range = x if x[1] > x[0] else (x[0] - 0.5, x[0] + 0.5)
        self.y_range = y if y[1] > y[0] else (y[0] - 0.5, y[0] + 0.5)
        self.parts: list[str] = []

    def px(self, x: float) -> float:
        """Return the horizontal position of ``x``."""
        low, high = self.x_range
        return self.left + (x - low) / (high - low) * (self.right - self.left)

    def py(self, y: float) -> float:
        """Return the vertical position of ``y``."""
        low, high = self.y_range
        return self.bottom - (y - low) / (high - low) * (self.bottom - self.top)

    def axes(self, x_name: str, y_name: str, *, x_count: int = 5, y_count: int = 4, percent: bool = False) -> Plot:
        """Draw the grid, the numbers and the names of both axes."""
        for value in ticks(*self.y_range, y_count):
            y = self.py(value)
            text = f"{value * 100:.0f} %" if percent else number(value, self.y_range[1])
            self.parts.append(f'<line class="grid" x1="{self.left}" x2="{self.right}" y1="{y:.1f}" y2="{y:.1f}"/>')
            self.parts.append(f'<text class="tick" x="{self.left - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
        for value in ticks(*self.x_range, x_count):
            x = self.px(value)
            anchor = "end" if x > self.right - 12 else "middle"
            self.parts.append(
                f'<text class="tick" x="{x:.1f}" y="{self.bottom + 16}" text-anchor="{anchor}">'
                f"{number(value, self.x_range[1])}</text>"
            )
        self.parts.append(
            f'<line class="axis" x1="{self.left}" x2="{self.right}" y1="{self.bottom}" y2="{self.bottom}"/>'
        )
        middle = (self.left + self.right) / 2
        self.parts.append(
            f'<text class="name" x="{middle:.0f}" y="{self.height - 6}" text-anchor="middle">{escape(x_name)}</text>'
        )
        if y_name:
            self.parts.append(f'<text class="name" x="{self.left}" y="{self.top - 3}">{escape(y_name)}</text>')
        return self

    def room_for_name(self) -> Plot:
        """Make room above the chart for the name of the vertical axis."""
        self.top = 30
        return self

    def line(self, xs: Numbers, ys: Numbers, css: str) -> Plot:
        """Draw a line through the finite points."""
        good = [(float(a), float(b)) for a, b in zip(xs, ys, strict=True) if math.isfinite(a) and math.isfinite(b)]
        if len(good) > 1:
            points = " ".join(f"{self.px(a):.1f},{self.py(b):.1f}" for a, b in good)
            self.parts.append(f'<polyline class="{escape(css)}" points="{points}"/>')
        return self

    def dots(
        self, xs: Numbers, ys: Numbers, css: str, radius: float = 3.0, titles: Iterable[str] | None = None
    ) -> Plot:
        """Draw a dot at each point, with a text that shows when it is pointed at."""
        texts = list(titles) if titles is not None else [""] * len(xs)
        for a, b, text in zip(xs, ys, texts, strict=True):
            if math.isfinite(a) and math.isfinite(b):
                title = f"<title>{escape(text)}</title>" if text else ""
                self.parts.append(
                    f'<circle class="{escape(css)}" cx="{self.px(a):.1f}" cy="{self.py(b):.1f}" r="{radius:g}">{title}</circle>'
                )
        return self

    def level(self, y: float, css: str, text: str = "") -> Plot:
        """Draw a horizontal line over the whole width, with its name above its left end."""
        if math.isfinite(y) and self.y_range[0] <= y <= self.y_range[1]:
            at = self.py(y)
            self.parts.append(
                f'<line class="{escape(css)}" x1="{self.left}" x2="{self.right}" y1="{at:.1f}" y2="{at:.1f}"/>'
            )
            if text:
                above = at - 5 if at - 5 > self.top + 8 else at + 14
                self.parts.append(f'<text class="tick" x="{self.left + 4}" y="{above:.1f}">{escape(text)}</text>')
        return self

    def band(self, from_x: float, to_x: float, css: str, text: str = "") -> Plot:
        """Shade a stretch of the horizontal axis, with its name at the top."""
        a, b = max(self.left, self.px(from_x)), min(self.right, self.px(to_x))
        if b > a:
            self.parts.append(
                f'<rect class="{escape(css)}" x="{a:.1f}" y="{self.top}" width="{b - a:.1f}" height="{self.bottom - self.top}"/>'
            )
            if text:
                self.parts.append(
                    f'<text class="tick" x="{(a + b) / 2:.1f}" y="{self.top + 14}" text-anchor="middle">{escape(text)}</text>'
                )
        return self

    def render(self) -> str:
        """Return the SVG element."""
        return element(self.width, self.height, self.parts, self.label)


class Plan:
    """A piece of ground from above, north up, both axes to the same scale."""

    def __init__(
        self,
        low: NDArray[np.float64],
        high: NDArray[np.float64],
        *,
        width: int = 480,
        max_height: int = 420,
        min_height: int = 0,
        label: str = "",
    ) -> None:
        span = np.maximum(high - low, 1.0)
        self.scale = min(width / span[0], max_height / span[1])
        self.width, self.label = width, label
        self.height = max(min_height, round(min(max_height, span[1] * self.scale)))
        middle = (low + high) / 2
        self._origin = middle + np.array([-self.width, self.height]) / self.scale / 2
        self.parts: list[str] = []

    def at(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Return positions on the plan (n, 2) of ground points (n, 2) in metres."""
        result: NDArray[np.float64] = (np.asarray(points, np.float64)[:, :2] - self._origin) * (self.scale, -self.scale)
        return result

    def path(self, points: NDArray[np.floating], css: str, *, closed: bool = False, title: str = "") -> Plan:
        """Draw a line or a filled shape."""
        finite = points[np.isfinite(points).all(axis=1)]
        if len(finite) > 1:
            steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in self.at(finite))
            text = f"<title>{escape(title)}</title>" if title else ""
            self.parts.append(f'<path class="{escape(css)}" d="M{steps}{"Z" if closed else ""}">{text}</path>')
        return self

    def cross(self, point: NDArray[np.floating], css: str, size: float = 6) -> Plan:
        """Mark where something ended."""
        x, y = self.at(np.asarray(point)[None])[0]
        self.parts.append(
            f'<path class="{escape(css)}" d="M{x - size:.1f} {y - size:.1f}'
            f'l{2 * size} {2 * size}m0 {-2 * size}l{-2 * size} {2 * size}"/>'
        )
        return self

    def disc(self, point: NDArray[np.floating], css: str, radius: float = 4, title: str = "") -> Plan:
        """Mark a place."""
        x, y = self.at(np.asarray(point)[None])[0]
        text = f"<title>{escape(title)}</title>" if title else ""
        self.parts.append(f'<circle class="{escape(css)}" cx="{x:.1f}" cy="{y:.1f}" r="{radius:g}">{text}</circle>')
        return self

    def text(self, point: NDArray[np.floating], text: str, css: str = "name") -> Plan:
        """Write at a place, kept inside the plan."""
        x, y = self.at(np.asarray(point)[None])[0]
        half = (12 if css == "far" else 4.2) * len(text)
        x, y = min(max(x, half + 4), self.width - half - 4), min(max(y, 16.0), self.height - 8.0)
        self.parts.append(
            f'<text class="{escape(css)}" x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escape(text)}</text>'
        )
        return self

    def render(self) -> str:
        """Return the SVG element."""
        return element(self.width, self.height, self.parts, self.label)


def element(width: float, height: float, parts: Iterable[str], label: str) -> str:
    """Return an SVG element that grows with its box."""
    name = f' role="img" aria-label="{escape(label)}"' if label else ' aria-hidden="true"'
    return f'<svg viewBox="0 0 {width:g} {height:g}" preserveAspectRatio="xMidYMid meet"{name}>{"".join(parts)}</svg>'
