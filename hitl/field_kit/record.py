"""Goes through the measurements with the player and packs what they gave."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

from rich.console import Group
from rich.table import Table
from rich.text import Text

from data.errors import HitlError, shown
from hitl import __version__
from hitl.console import console, table
from hitl.field_kit.kit import DONE, FAILED, FORMAT, MISSING, SKIPPED, VERSION, Kit, Measured, write
from hitl.field_kit.measurements import MEASUREMENTS, KitMeasurement
from hitl.field_kit.private import Private
from hitl.field_kit.site import Site
from hitl.home import Home

Ask = Callable[[str], str]
"""Puts a question and returns what was typed. Raises EOFError where no one answers any more."""
HOLDS = (
    "It holds no name of yours or of your PC, no path, no address, no serial number and no environment variable. It is plain "
    "text: look through it before you send it."
)
TO_DO, TO_SKIP, TO_END = "", "s", "q"


def record(path: Path, home: Home, env: str, *, ask: Ask | None, say_text: Callable[[str], None] = print) -> bool:
    """Make the measurements, show what they gave, write the kit; return whether it was written. ``ask`` None: do all, unasked."""
    kit = Kit(FORMAT, VERSION, __version__, env, tuple(_measured(Site(home, env, Private(home), say_text), ask)))
    say_text("\nThe file will hold:\n")
    for one, measurement in zip(kit.measurements, MEASUREMENTS, strict=False):
        say_text(f"  {one.name}: {measurement.holds if one.state == DONE else f'{one.state}. {one.problem}'.rstrip('. ')}.")
    say_text(f"\n{HOLDS}")
    while answer := _answer(ask, f"Enter writes {path.name}, s shows every figure before, q throws all away: "):
        if answer == TO_END:
            say_text("Nothing was written.")
            return False
        console().print(shown_kit(kit))
    write(path, kit)
    say_text(f'Written: {path.name}. `hitl doctor --read "{path.name}"` shows all figures in it.')
    return True


def _measured(site: Site, ask: Ask | None) -> Iterable[Measured]:
    """Yield what each measurement gave, until the player ends it."""
    done: set[str] = set()
    for number, measurement in enumerate(MEASUREMENTS, 1):
        if without := [name for name in measurement.needs if name not in done]:
            yield Measured(measurement.name, MISSING, problem=f"it needs {' and '.join(without)}")
            continue
        site.say_text(f"\n{number} of {len(MEASUREMENTS)}, {measurement.name}: {measurement.question}")
        answer = _answer(ask, "Enter does it, s skips it, q ends and packs what there is: ")
        if answer == TO_END:
            return
        if answer == TO_SKIP:
            yield Measured(measurement.name, SKIPPED, problem="the player skipped it")
            continue
        try:
            one = make(measurement, site)
        except KeyboardInterrupt:
            yield Measured(measurement.name, SKIPPED, problem="the player broke it off")
            return
        if one.state == DONE:
            done.add(one.name)
        site.say_text("Done." if one.state == DONE else f"Not measured: {one.problem}")
        yield one


def make(measurement: KitMeasurement, site: Site) -> Measured:
    """Make one measurement; whatever goes wrong becomes its problem."""
    began, figures, state, problem = time.perf_counter(), dict[str, object](), DONE, ""
    try:
        figures = measurement.make(site)
    except HitlError as error:
        state, problem = MISSING, str(error)
    except Exception as error:  # never its own text: no one knows what is in it
        said = f" ({error.strerror})" if isinstance(error, OSError) and error.strerror else ""  # the system's words
        state, problem = FAILED, f"{type(error).__name__}{said} in {_place(error)}"
    wall_s = round(time.perf_counter() - began, 3)
    return Measured(measurement.name, state, wall_s, site.private.text(problem), site.private.figures(figures))


def _place(error: BaseException) -> str:
    """Return the last line of ours that an error went through."""
    ours = [(frame.f_globals.get("__name__", ""), line) for frame, line in traceback.walk_tb(error.__traceback__)]
    ours = [(name, line) for name, line in ours if name.partition(".")[0] in ("hitl", "data", "trainer", "takeover_ui")]
    name, line = ours[-1] if ours else ("unknown", 0)
    return f"{name}, line {line}"


def _answer(ask: Ask | None, question: str) -> str:
    """Return one of the three answers; anything else that is typed is asked again."""
    while ask is not None:
        try:
            answer = ask(question).strip().lower()
        except (EOFError, KeyboardInterrupt):
            return TO_END
        if answer in (TO_DO, TO_SKIP, TO_END):
            return answer
    return TO_DO


def shown_kit(kit: Kit) -> Group:
    """Return a kit as tables, for the developer who gets it."""
    parts: list[Text | Table] = [Text(shown(f"Field kit of hitl {kit.hitl}, for --env {kit.env}", 200))]
    for one in kit.measurements:
        rows = table("figure", "value", title=f"{one.name}: {one.state}, {one.wall_s:.1f} s")
        for name, value in one.figures.items():
            rows.add_row(name, _cell(value))
        if one.problem:
            rows.add_row("problem", shown(one.problem, 300))
        parts.append(rows)
    return Group(*parts)


def _cell(value: object) -> str:
    if isinstance(value, list):
        return "  ".join(map(_cell, value)) or "-"
    return "-" if value is None else f"{value:g}" if isinstance(value, float) else shown(value, 300)
