"""Names of very many parts in a TOML text (``a.a.a.a = 1``), for which Python's reader takes time and memory by their square."""

from __future__ import annotations

import re

MOST_PARTS = 8
"""Of a name with points in it; real ones have up to three."""
# Strings and comments as TOML has them, each to its end or to that of the text: what follows a broken one is never read.
_TEXTS = re.compile(
    r'"""(?:[^\\]|\\[\s\S])*?(?:"{3,5}|\Z)|\'\'\'[\s\S]*?(?:\'{3,5}|\Z)|"(?:[^"\\\n]|\\.)*+"?|\'[^\'\n]*+\'?|#[^\n]*+'
)
_LONG = re.compile(rf'(?<![\w-])(?:(?:[\w-]++|"")[ \t]*+\.[ \t]*+){{{MOST_PARTS}}}')


def has_long_name(text: str) -> bool:
    """Tell whether a name has more parts than any real one, whether it is of a table or of a value."""
    return _LONG.search(_TEXTS.sub(lambda found: "" if found[0].startswith("#") else '""', text)) is not None
