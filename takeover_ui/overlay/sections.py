"""The gauges of the overlay, one by one: each draws what it knows of a view into its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pygame

from takeover_ui import signs, theme
from takeover_ui.language import Words
from takeover_ui.overlay import gauges, live_delta, texts, track_map
from takeover_ui.theme import Pen
from takeover_ui.view import LapView, TrainerState, View

_PAD = 16
_ACTIONS = 5  # rows that can be read; of more, two columns
_LATE_FROM = 10  # ticks that came late in a session, from which it is said
_WAITING_FROM = 200  # operations not yet on the disk, from which it is said
_Section = Callable[[Pen, pygame.Rect, View, Words], None]


def _driver(pen: Pen, rect: pygame.Rect, view: View, words: Words) -> None:
    """Who drives, as a block of colour with a word; below it what the agent wants of you."""
    pygame.draw.rect(pen.surface, theme.DRIVER[view.driver], rect)
    pen.mark("driver_block", rect)
    pad = pen.px(_PAD)
    if view.driver == "agent" and (view.held or view.help_wanted):
        lower = max(round(rect.h * 0.54), pen.px(theme.READABLE * 0.74))
        plea = pygame.Rect(rect.left, rect.bottom - lower, rect.w, lower)
        rect = pygame.Rect(rect.left, rect.top, rect.w, rect.h - lower)
        pygame.draw.rect(pen.surface, theme.INK, plea)
        pygame.draw.rect(pen.surface, theme.WARNING, plea, width=max(2, pen.px(2)))
        name, text = ("let_go", texts.let_go(view.held, words)) if view.held else ("help", words["help"])
        room = plea.inflate(-pad, 0)
        cut = theme.fit(text, pen.px(theme.READABLE), room.w)[2]  # the names of many things that are held: better small than cut
        pen.put(name, text, room, theme.READABLE * (0.6 if cut else 1.0), theme.WARNING, "center")
    inner, size = rect.inflate(-2 * pad, 0), rect.h / pen.scale
    large = size * min(0.95, 0.55 + 17 / size)
    word = pen.put("driver", words[view.who], inner, large, theme.INK, "midleft", round(inner.w * 0.62))
    left, bottom = word.right + pen.px(10), word.bottom - round(word.h * 0.12)
    does = pygame.Rect(left, inner.top, inner.right - left, bottom - inner.top)
    what = words["corrected_does" if view.corrected and view.who == "agent" else f"{view.who}_does"]
    if view.agent and view.who == "agent":
        what = view.agent
    pen.put("does", what, does, min(28, size * 0.5), theme.INK, "bottomleft")



def _corner(pen: Pen, rect: pygame.Rect, view: View, words: Words) -> None:
    """The speed, and the corner that comes next with the seconds until it."""
    left = round(rect.w * 0.42)
    speed = pen.put("speed", f"{view.speed * 3.6:.0f}", rect, 64, theme.TEXT, "midleft", left - pen.px(50))
    unit, colour = (words["kmh"], theme.MUTED) if view.on_road else (words["off_road"], theme.WARNING)
    beside = pygame.Rect(speed.right + pen.px(6), rect.top, 0, speed.bottom - pen.px(8) - rect.top)
    pen.put("unit", unit, beside, 20, colour, "bottomleft", rect.left + left + pen.px(12) - beside.left)
    if view.countdown is None or not view.next_corner:
        return
    inside, width = view.countdown <= 0, rect.w - left - pen.px(18)
    text = words["now"] if inside else words.say("seconds", value=view.countdown)
    colour = theme.WARNING if view.countdown < 2.0 else theme.TEXT
    inner = rect.inflate(0, -2 * pen.px(6))
    pen.put("next_corner", view.next_corner, inner, theme.READABLE, theme.TEXT, "topright", width)
    pen.put("countdown", text, inner, theme.READABLE + 4, colour, "bottomright", width)



def _way(pen: Pen, rect: pygame.Rect, view: View, words: Words) -> None:
    """The running lap time, where there is one, and the metres."""
    metres = words.say("of_metres", at=view.progress, length=view.scene.length)
    left = 0
    if view.times is not None:
        text = words.say("lap", value=view.times.running)
        left = pen.put("lap", text, rect, 24, theme.TEXT, width=rect.w // 2).w + pen.px(8)
    pen.put("progress", metres, rect, 20, theme.MUTED, "topright" if left else "topleft", rect.w - left)


def _track(pen: Pen, rect: pygame.Rect, view: View, words: Words) -> None:
    """The way so far, and the whole track from above."""
    _way(pen, rect, view, words)
    box = pygame.Rect(rect.left, rect.top + pen.px(22), rect.w, rect.h - pen.px(22))
    track_map.draw(pen, box, view)


def _progress(pen: Pen, rect: pygame.Rect, view: View, words: Words) -> None:
    """The same as a band, where there is no room for a map."""
    _way(pen, rect, view, words)
    gauges.progress(pen, pygame.Rect(rect.left, rect.bottom - pen.px(22), rect.w, pen.px(16)), view)



def _actions(pen: Pen, rect: pygame.Rect, view: View, words: Words) -> None:
    """A place for each action: above what is done, in the driver's colour; below what the agent would do.

    How many have no room is said.
    """
    names = view.scene.action_names
    columns = 1 if len(names) <= _ACTIONS else 2
    room = columns * _ACTIONS
    shown = len(names) if len(names) <= room else room - 1
    rows = max(1, -(-min(len(names), room) // columns))
    height, gap = rect.h // rows, pen.px(14) * (columns - 1)
    size = min(20, 0.8 * height / pen.scale)

    def place(number: int) -> pygame.Rect:
        column, row = divmod(number, rows)
        width = (rect.w - gap) // columns
        return pygame.Rect(rect.left + column * (width + gap), rect.top + row * height, width, height)

    if shown < len(names):
        pen.put("more_actions", words["more_actions"].format(count=len(names) - shown), place(shown), size, anchor="midleft")
    for number, name in enumerate(names[:shown]):
        row = place(number)
        label = f"action_{name}", words.get(name, name), row
        if height < pen.px(40):  # too low for a label above the bar: they share the line
            share = 0.30 if columns == 1 else 0.42
            pen.put(*label, size, anchor="midleft", width=round(row.w * (share - 0.03)))
            bar = _bar(row, height - 2 * pen.px(4), row.top + pen.px(4), share)
        else:
            pen.put(*label, width=row.w // 2)
            if number == 0:
                _legend(pen, row, view, words)
            bar = pygame.Rect(row.left, row.top + pen.px(20), row.w, min(pen.px(28), height - pen.px(22)))
        gauges.action(pen, bar, view, number)


def _risk(pen: Pen, rect: pygame.Rect, view: View, words: Words) -> None:
    """How likely the agent thinks it is to fail soon: a word, a bar, a number, on one line; nothing where it does not know."""
    if view.risk is None:
        return
    right = pen.px(52)
    text = f"{min(1.0, max(0.0, view.risk)) * 100:.0f} %"
    pen.put("label_risk", words["risk"], rect, anchor="midleft", width=round(rect.w * 0.27))
    pen.put("risk", text, rect, 20, theme.TEXT, "midright", right)
    bar = _bar(rect, pen.px(12), 0)
    bar.w -= right + pen.px(6)
    bar.centery = rect.centery
    gauges.risk(pen, bar, view)



def _legend(pen: Pen, rect: pygame.Rect, view: View, words: Words) -> None:
    """Whose bars these are, while both are shown: the thick one is of who drives, the thin one of the agent."""
    if not gauges.compares(view):
        return
    right, dot = rect.right, pen.px(9)
    shown = (("agent", theme.AGENT), (view.who, theme.DRIVER[view.driver]))
    for key, colour in shown:
        at, most = (right, rect.top + pen.px(1)), round(rect.w * 0.28)
        text = pen.text(f"legend_{key}", words[key], at, 18, theme.MUTED, width=most, anchor="topright")
        box = pygame.Rect(text.left - dot - pen.px(4), text.centery - dot // 2, dot, dot)
        thin = key == "agent"
        pygame.draw.rect(pen.surface, colour, box.inflate(0, -dot // 2 if thin else 0), border_radius=0 if thin else 2)
        right = box.left - pen.px(12)



def _points(pen: Pen, rect: pygame.Rect, view: View, words: Words) -> None:
    """This episode's return, the driver's best here, and the agent's usual one, each with the sign that marks it on the bar."""
    third, sign = rect.w // 3, pen.px(18)
    values = {"return": view.episode_return, "best": view.best_return, "ceiling": view.ceiling}
    colours = theme.TEXT, theme.GOOD, theme.MUTED
    for number, ((key, value), colour) in enumerate(zip(values.items(), colours, strict=True)):
        if value is None:
            continue
        box = pygame.Rect(rect.left + number * third, rect.top, third - pen.px(6), rect.h)
        label = box
        if key != "return":
            mark = pygame.Rect(box.left + pen.px(4), box.top + pen.px(4), 1, pen.px(5))
            signs.tick(pen.surface, mark, "best" if key == "best" else "ceiling", mark.left, pen.px(3))
            label = pygame.Rect(box.left + sign, box.top, box.w - sign, box.h)
        pen.put(f"label_{key}", words[key], label)
        pen.put(key, words.written(texts.short(value, 1)), box.move(0, pen.px(17)), 30, colour)
    gauges.returns(pen, pygame.Rect(rect.left, rect.bottom - pen.px(12), rect.w, pen.px(8)), view)



def _laps(pen: Pen, rect: pygame.Rect, view: View, words: Words) -> None:
    """The last lap and each driver's best; for a moment after a corner, how it compares with the best lap."""
    times = view.times
    if times is None:
        return
    third = rect.w // 3
    bests = ("best_you", times.best_you, theme.HUMAN), ("best_agent", times.best_agent, theme.AGENT)
    values = ("last_lap", times.last, theme.TEXT), *bests
    for number, (key, value, colour) in enumerate(values):
        box = pygame.Rect(rect.left + number * third, rect.top, third - pen.px(6), rect.h)
        if key == "last_lap" and times.delta is not None:
            label, shade = words["delta_at"], delta_colour(times.delta)
            text = words.say("delta", value=times.delta)
        elif value is not None:
            label, text, shade = words[key], words.written(f"{value:.1f} s"), colour
        else:
            continue
        pen.put(f"label_{key}", label, box, 18)
        pen.put(key, text, box.move(0, pen.px(18)), 26, shade)


def any_lap(times: LapView) -> bool:
    """Tell whether there is a lap time to show."""
    return any(value is not None for value in (times.last, times.best_you, times.best_agent, times.delta))


def delta_colour(delta: float) -> theme.Colour:
    """Return the colour of a difference to the best lap: its sign says the same."""
    return theme.GOOD if delta <= 0 else theme.WARNING


def _help(pen: Pen, rect: pygame.Rect, view: View, words: Words) -> None:
    text = f"{words['takeovers']}: {texts.short(view.takeovers)} · {words.written(texts.duration(view.human_seconds))}"
    pen.put("help_given", text, rect, 24, theme.HUMAN, "midleft")



def _learned(pen: Pen, rect: pygame.Rect, view: View, words: Words) -> None:
    """How far the corner is that is learned least: passes alone, their interval, a bar to "learned", how long yet."""
    known = view.learned
    if known is None:
        return
    said = words.say("learned_bar", corner=known.corner, passes=known.passes, of=known.of)
    if known.share >= 1.0:
        right, colour = words["learned_yes"], theme.GOOD
    elif known.left_s is not None:
        right, colour = words.say("learned_left", minutes=max(1.0, known.left_s / 60)), theme.TEXT
    else:
        right, colour = words.say("learned_sure", low=100 * known.low, high=100 * known.high), theme.MUTED
    end = pen.put("learned_end", right, rect, 18, colour, "topright", round(rect.w * 0.42))
    pen.put("learned", said, rect, 20, theme.TEXT, width=rect.w - end.w - pen.px(8))
    bar = pygame.Rect(rect.left, rect.bottom - pen.px(12), rect.w, pen.px(10))
    pen.mark("learned_band", bar)
    pen.box(bar, theme.TRACK, 4)
    gauges.fill(pen, pygame.Rect(bar.left, bar.top, round(bar.w * min(1.0, known.share)), bar.h), theme.AGENT)


def _trainer(pen: Pen, rect: pygame.Rect, view: View, words: Words) -> None:
    """Whether the agent learns, what keeps it from learning, and how it does alone."""
    pen.box(rect, theme.CARD, 8)
    inner = rect.inflate(-2 * pen.px(12), -2 * pen.px(8))
    lamp = gauges.health(view)
    line = pen.px(20)
    title = pygame.Rect(inner.left + pen.px(20), inner.top, inner.w - pen.px(20), inner.h)
    said = pen.put("trainer", _learns(view.trainer, words), title, 22, theme.TEXT)
    signs.lamp(pen.surface, (inner.left + pen.px(6), said.centery), lamp, pen.px(5))
    told, pixels = theme.paragraph(view.finding, pen.px(19), inner.w, 2)
    for number, text in enumerate(told, 1):
        pen.put(f"finding_{number - 1}", text, inner.move(0, number * line), pen.design(pixels), theme.WARNING)
    top = inner.top + (len(told) + 1) * line + pen.px(4)
    spark = pygame.Rect(inner.left, top, inner.w, inner.bottom - top)
    gauges.sparkline(pen, spark, view.evaluations, view.without_help or words["evaluations"])


def _learns(trainer: TrainerState | None, words: Words) -> str:
    """Return whether the agent learns; while it does not, why."""
    if trainer is None or not trainer.alive:
        return words["not_reached" if trainer is not None and trainer.far else "not_learning"]
    if trainer.doing == "waits" and trainer.missing:
        return words.say("trainer_waits_for", n=trainer.missing)
    return words["learning" if trainer.doing == "learns" else f"trainer_{trainer.doing}"]


def _recording(pen: Pen, rect: pygame.Rect, view: View, words: Words) -> None:
    """That what is driven is recorded; or what goes wrong."""
    lamp: signs.Lamp = "good"
    store = view.store
    if store is not None and store.problem is not None:
        lamp, text = "error", store.problem
    elif store is not None and store.queue > _WAITING_FROM:
        lamp, text = "warning", words["disk_slow"]
    elif view.late_ticks >= _LATE_FROM:
        lamp, text = "warning", words["late"].format(value=texts.short(view.late_ticks))
    elif store is not None:
        text = words["recording"]
    else:
        return
    signs.lamp(pen.surface, (rect.left + pen.px(6), rect.centery), lamp, pen.px(5))
    colour = theme.MUTED if lamp == "good" else signs.LAMP_COLOUR[lamp]
    pen.put("recording", text, rect.move(pen.px(20), 0), 19, colour, "midleft", rect.w - pen.px(20))


def says_recording(view: View) -> bool:
    """Tell whether there is anything to say of the recording."""
    return view.store is not None or view.late_ticks >= _LATE_FROM


def _compact_line(pen: Pen, rect: pygame.Rect, view: View, words: Words) -> None:
    left = round(rect.w * 0.54)
    best = "" if view.best_return is None else f" · {words['best']} {texts.short(view.best_return, 1)}"
    total = f"{words['return']} {texts.short(view.episode_return, 1)}{best}"
    pen.put("return", words.written(total), rect, 20, theme.TEXT, width=left)
    if not view.lap:
        helped = f"{words['takeovers']}: {texts.short(view.takeovers)} · {texts.duration(view.human_seconds)}"
        pen.put("help_given", words.written(helped), rect, 20, theme.HUMAN, "topright", rect.w - left - pen.px(8))
    if view.finding:
        at = rect.left + pen.px(6), rect.top + pen.px(29)
        signs.lamp(pen.surface, at, "warning", pen.px(5))
        pen.text("finding_0", view.finding, (rect.left + pen.px(18), rect.top + pen.px(21)), 19, theme.WARNING,
                 width=rect.w - pen.px(18))  # fmt: skip


def _bar(row: pygame.Rect, height: int, top: int, label: float = 0.30) -> pygame.Rect:
    """Return the place of a bar that shares its line with a label at the left, which takes that share of it."""
    return pygame.Rect(row.left + round(row.w * label), top, round(row.w * (1.0 - label)), height)


GAUGES: Mapping[str, tuple[int, _Section]] = {
    "driver": (92, _driver),
    "corner": (90, _corner),
    "track": (104, _track),
    "controls": (100, _actions),
    "risk": (24, _risk),
    "points": (64, _points),
    "laps": (44, _laps),
    "delta": (30, live_delta.draw),
    "help": (26, _help),
    "learned": (36, _learned),
    "trainer": (88, _trainer),
    "recording": (22, _recording),
    "progress": (44, _progress),
    "summary": (42, _compact_line),
}
"""Height in design pixels, and what draws it; on screens it is called ``gauge_NAME`` of the texts (`gauge_name`)."""
IN_CARDS_ALONE = "progress", "summary"
"""They stand in a card for what it has no room for."""


def gauge_name(name: str, words: Mapping[str, str]) -> str:
    """Return what a gauge is called on screens: an added one by its own name, until a text says otherwise."""
    return words.get(f"gauge_{name}", name)
