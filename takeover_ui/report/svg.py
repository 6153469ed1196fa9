"""Charts as inline SVG, without a script. Colours come from the page's style sheet by class name."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
from markupsafe import Markup, escape
from numpy.typing import NDArray

from data.errors import visible
from takeover_ui.geometry import Plan

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


def _escaped(value: object) -> Markup:
    """Return text as it may stand in a page: as in `takeover_ui.templates`, nothing in it is obeyed."""
    return escape(visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value)


def element(name: str, css: str = "", inner: str = "", **attributes: object) -> Markup:
    """Return an SVG element. All is escaped but markup; floats get one decimal; ``text_anchor`` becomes ``text-anchor``."""
    given = {"class": css, **attributes} if css else attributes
    written = "".join(
        f' {key.replace("_", "-")}="{_escaped(f"{value:.1f}" if isinstance(value, float) else value)}"'
        for key, value in given.items()
    )
    return Markup(f"<{name}{written}>{_escaped(inner)}</{name}>" if inner else f"<{name}{written}/>")


def _title(text: str) -> Markup:
    return element("title", inner=text) if text else Markup("")


class Drawing:
    """A picture of ``width`` x ``height`` units; everything drawn is collected and joined by :meth:`render`."""

    def __init__(self, width: int, height: int, label: str) -> None:
        """``label`` says what it shows, for those who cannot see it."""
        self.width, self.height, self.label = width, height, label
        self.parts: list[Markup] = []

    def add(self, name: str, css: str, inner: str = "", **attributes: object) -> None:
        """Draw an element."""
        self.parts.append(element(name, css, inner, **attributes))

    def render(self) -> Markup:
        """Return the SVG element, which grows with its box."""
        inner, box = Markup("").join(self.parts), f"0 0 {self.width:g} {self.height:g}"
        fitted = {"viewBox": box, "preserveAspectRatio": "xMidYMid meet"}
        return element("svg", "", inner, **fitted, role="img", aria_label=self.label)


class Plot(Drawing):
    """An x-y chart; the name of the vertical axis, if it has one, stands above the chart."""

    def __init__(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        y_name: str = "",
        *,
        label: str,
        width: int = 480,
        height: int = 280,
    ) -> None:
        super().__init__(width, height, label)
        self.y_name = y_name
        self.left, self.right, self.top, self.bottom = 60, width - 14, 30 if y_name else 14, height - 40
        self.x_range = x if x[1] > x[0] else (x[0] - 0.5, x[0] + 0.5)
        self.y_range = y if y[1] > y[0] else (y[0] - 0.5, y[0] + 0.5)

    def px(self, x: float) -> float:
        """Return the horizontal position of ``x``."""
        low, high = self.x_range
        return self.left + (x - low) / (high - low) * (self.right - self.left)

    def py(self, y: float) -> float:
        """Return the vertical position of ``y``."""
        low, high = self.y_range
        return self.bottom - (y - low) / (high - low) * (self.bottom - self.top)

    def axes(self, x_name: str, *, x_count: int = 5, y_count: int = 4, percent: bool = False) -> None:
        """Draw the grid, the numbers and the names of both axes."""
        for value in ticks(*self.y_range, y_count):
            y = self.py(value)
            text = f"{value * 100:.0f} %" if percent else number(value, self.y_range[1])
            self.add("line", "grid", x1=self.left, x2=self.right, y1=y, y2=y)
            self.add("text", "tick", text, x=self.left - 6, y=y + 4, text_anchor="end")
        for value in ticks(*self.x_range, x_count):
            x = self.px(value)
            anchor = "end" if x > self.right - 12 else "middle"
            self.add("text", "tick", number(value, self.x_range[1]), x=x, y=self.bottom + 16, text_anchor=anchor)
        self.add("line", "axis", x1=self.left, x2=self.right, y1=self.bottom, y2=self.bottom)
        middle = (self.left + self.right) // 2
        self.add("text", "name", x_name, x=middle, y=self.height - 6, text_anchor="middle")
        if self.y_name:
            self.add("text", "name", self.y_name, x=self.left, y=self.top - 3)

    def line(self, xs: Numbers, ys: Numbers, css: str) -> None:
        """Draw a line through the finite points."""
        good = [(float(a), float(b)) for a, b in zip(xs, ys, strict=True) if math.isfinite(a) and math.isfinite(b)]
        if len(good) > 1:
            self.add("polyline", css, points=" ".join(f"{self.px(a):.1f},{self.py(b):.1f}" for a, b in good))

    def dots(
        self, xs: Numbers, ys: Numbers, css: str, radius: float, titles: Iterable[str], *, diamonds: bool = False
    ) -> None:
        """Draw a dot or a diamond at each point, with a text that shows when it is pointed at."""
        for a, b, text in zip(xs, ys, titles, strict=True):
            if math.isfinite(a) and math.isfinite(b):
                if diamonds:
                    r = 1.25 * radius
                    outline = f"M{self.px(a):.1f} {self.py(b) - r:.1f}l{r:.1f} {r:.1f} {-r:.1f} {r:.1f} {-r:.1f} {-r:.1f}Z"
                    self.add("path", css, _title(text), d=outline)
                else:
                    self.add("circle", css, _title(text), cx=self.px(a), cy=self.py(b), r=radius)

    def level(self, y: float, css: str) -> None:
        """Draw a horizontal line over the whole width."""
        if self.y_range[0] <= y <= self.y_range[1]:
            self.add("line", css, x1=self.left, x2=self.right, y1=self.py(y), y2=self.py(y))

    def band(self, from_x: float, to_x: float, text: str) -> None:
        """Shade a stretch of the horizontal axis, with its name at the top."""
        a, b = max(self.left, self.px(from_x)), min(self.right, self.px(to_x))
        if b > a:
            self.add("rect", "band", x=a, y=self.top, width=b - a, height=self.bottom - self.top)
            self.add("text", "tick", text, x=(a + b) / 2, y=self.top + 14, text_anchor="middle")


_LINE = 14.0  # px from one line of text to the next


class Ground(Drawing):
    """A piece of ground from above, north up, both axes to the same scale."""

    def __init__(
        self,
        low: NDArray[np.float64],
        high: NDArray[np.float64],
        *,
        label: str,
        width: int = 480,
        max_height: int = 420,
        min_height: int = 0,
    ) -> None:
        span = np.maximum(high - low, 1.0)
        scale = float(min(width / span[0], max_height / span[1]))
        super().__init__(width, max(min_height, round(min(max_height, span[1] * scale))), label)
        self.plan = Plan((low + high) / 2, (self.width, self.height), scale)
        self._names: list[tuple[float, float, float]] = []  # the left and right ends and the height of what is written

    def path(self, points: NDArray[np.floating], css: str, *, closed: bool = False, title: str = "") -> None:
        """Draw a line or a filled shape."""
        finite = points[np.isfinite(points).all(axis=1)]
        if len(finite) > 1:
            steps = "L".join(f"{x:.1f} {y:.1f}" for x, y in self.plan.at(finite))
            self.add("path", css, _title(title), d=f"M{steps}{'Z' if closed else ''}")

    def cross(self, point: NDArray[np.floating], css: str, title: str = "") -> None:
        """Mark where something ended."""
        x, y = self.plan.at(point)
        self.add("path", css, _title(title), d=f"M{x - 6:.1f} {y - 6:.1f}l12 12m0 -12l-12 12")

    def text(self, point: NDArray[np.floating], beside: NDArray[np.floating], text: str) -> None:
        """Write at a place, away from the one ``beside`` which it stands; kept inside the plan, and not over an earlier text."""
        x, y = self.plan.at(point).tolist()
        aside = x - float(self.plan.at(beside)[0])
        anchor, before = ("middle", 0.5) if abs(aside) < 8.0 else ("start", 0.0) if aside > 0 else ("end", 1.0)
        long = 10 * len(text)  # as on a phone, where letters are largest
        x, y = min(max(x, before * long + 4), self.width - (1 - before) * long - 4), min(max(y + 5, 16.0), self.height - 8.0)
        left, right = x - before * long, x + (1 - before) * long
        if not any(left < other[1] and other[0] < right and abs(y - other[2]) < _LINE for other in self._names):
            self._names.append((left, right, y))
            self.add("text", "name", text, x=x, y=y, text_anchor=anchor)
