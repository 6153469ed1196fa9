"""The terminal that every command writes to. It shows the names of users and files as they are.

rich takes text in square brackets for styles and words between colons for emoji: a corner called ``[apex]`` would vanish, and
one called ``[/]`` would be an error. Here only ``marked`` reads such markup.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from typing import Any

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from data.errors import visible

LEAST, USUAL, MOST = 10, 80, 10_000  # letters of a terminal
SHORT = 12  # letters of a name that is never broken


class _Console(Console):
    """Leaves it to the command line what a reader that went away means: rich would call it a failure.

    What a name from another store holds for terminals to obey is not passed on.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        super().print(*(visible(one) if isinstance(one, str) else one for one in objects), **options)

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


class _Table(Table):
    def add_row(self, *cells: Any, **options: Any) -> None:
        super().add_row(*(visible(cell) if isinstance(cell, str) else cell for cell in cells), **options)


def console(**options: Any) -> Console:
    """Return a console that prints text, cells and titles as they are."""
    columns = os.environ.get("COLUMNS", "")
    if columns.isdecimal() and not LEAST <= int(columns) <= MOST and "width" not in options:
        options["width"] = USUAL  # rich would print nothing at all, or never end
    return _Console(**{"markup": False, "emoji": False, "highlight": False, **options})


def fitting(width: int, widths: Mapping[str, int], least: Iterable[str], gap: int = 2) -> list[str]:
    """Return the columns of a table for which there is room, of those by name with their ``widths``.

    ``least``: those that are left out where there is none, the one that matters least first. ``gap``: letters after each.
    """
    kept = dict(widths)
    for name in least:
        if 1 + sum(kept.values()) + gap * len(kept) <= width:
            break
        kept.pop(name, None)
    return list(kept)


def table(*heads: str, right: Iterable[str] = (), **options: Any) -> Table:
    """Return a table without a frame; the columns whose heads are in ``right`` are right-justified."""
    if isinstance(options.get("title"), str):
        options["title"] = visible(options["title"])
    made = _Table(box=box.SIMPLE_HEAD, pad_edge=False, title_justify="left", **options)
    for head in heads:
        made.add_column(head, justify="right" if head in set(right) else "left", overflow="fold")
    return made


def without(made: Table, out: Console, least: Iterable[str]) -> Table:
    """Leave out those columns of a table that matter ``least``, in their order, until each of the others has room for its words.

    Columns that fold may be as narrow as their ``min_width``, or else as their longest word.
    """
    for name in least:
        if Measurement.get(out, out.options.update(max_width=MOST), made).minimum <= out.width:
            break
        made.columns = [column for column in made.columns if column.header != name]
        for index, column in enumerate(made.columns):
            column._index = index
    return made


def print_fitting(made: Table, out: Console, least: Iterable[str]) -> None:
    """Print a table as far as there is room for its columns (see :func:`without`), and name those that are missing."""
    heads = [str(column.header) for column in made.columns]
    out.print(without(made, out, least))
    kept = {str(column.header) for column in made.columns}
    tell_left_out(out, [head for head in heads if head not in kept], "--json")


def tell_left_out(out: Console, heads: Iterable[str], forms: str) -> None:
    """Name the columns of a table that had no room, and the options with which all of them are printed."""
    if missing := [" ".join(head.split()) for head in heads]:
        out.print(f"Not shown, for want of room: {', '.join(missing)} (a wider terminal has it, and {forms}).", style="dim")


def name_width(names: Iterable[str]) -> int:
    """Return how wide a column of names is at least, so that short ones stand on one line in a narrow terminal."""
    return max((len(name) for name in names if len(name) <= SHORT), default=0)


def facts(rows: Iterable[tuple[str, str]]) -> Table:
    """Return a table of names and values."""
    made = Table.grid(padding=(0, 2))
    made.add_column(style="dim", no_wrap=True)
    made.add_column(overflow="fold")
    for row in rows:
        made.add_row(*map(visible, row))
    return made


def print_facts(rows: Iterable[tuple[str, str]]) -> None:
    """Print names and values; in a pipe each row is one line, however long."""
    out, rows = console(), list(rows)
    if out.is_terminal:
        out.print(facts(rows))
        return
    width = max((len(name) for name, _ in rows), default=0)
    for name, value in rows:
        print(f"{visible(name):<{width}}  {visible(value)}")


def marked(text: str) -> Text:
    """Return text with styles in rich's markup; whatever is filled in must have gone through ``rich.markup.escape``."""
    return Text.from_markup(visible(text), emoji=False)


def indented(text: str, cells: int) -> Padding:
    """Return text with styles, as :func:`marked` reads it; each of its lines begins so many cells from the left."""
    return Padding(marked(text), (0, 0, 0, cells), expand=False)
