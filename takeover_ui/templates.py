"""HTML filled in by jinja2, which escapes every text."""

from __future__ import annotations

import functools
import re

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from data.errors import visible


@functools.cache
def templates(room: str) -> Environment:
    """Return the templates of a room of this package, ``report`` or ``pages``; to read one takes a tenth of a second."""
    found = Environment(
        loader=PackageLoader("takeover_ui", room),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=_plain,  # a page is looked at in terminals, too, and a name may turn around what follows it
    )
    found.filters["commands"] = commands
    return found


def _plain(value: object) -> object:
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def commands(text: str) -> Markup:
    """Return a sentence in which what is to be typed, between backticks, stands out."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(visible(str(text))))))
