"""The words on the screens, in the player's language: texts from TOML files, and how each language counts and writes numbers.

The texts for driving are in ``languages/``, those of other screens in their ``words/``: a file for each language, named by its
code. A text with several forms is an array, in the order in which the language's rule numbers them. Placeholders in braces stay
as they are, except that a form for one thing alone may omit its number. ``tests/takeover_ui`` checks that nothing is missing.

To add a language, copy each ``en.toml`` to a file named by its two-letter code (``fr.toml``), translate what stands in quotes,
and add a line to :data:`RULES`; it can then be set (``language`` in ``[overlay]``).
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from string import Formatter
from typing import Any

from data.errors import InputFileError

_ROOT = Path(__file__).parent
Texts = Mapping[str, str | tuple[str, ...]]
"""Texts by name; a tuple has the forms for different counts."""


def _one_or_several(count: int) -> int:
    """Return 0 for the form that goes with one thing, 1 for the one that goes with several or none."""
    return int(count != 1)


def _polish(count: int) -> int:
    """Return 0 for one thing, 1 for those that end in 2, 3 or 4 (but not in 12, 13 or 14), 2 for all others."""
    if count == 1:
        return 0
    return 1 if count % 10 in (2, 3, 4) and count % 100 not in (12, 13, 14) else 2


@dataclass(frozen=True)
class Rules:
    """What of a language is no text: which form of a text goes with a count, and the signs within numbers."""

    plural: Callable[[int], int]
    decimal: str
    thousands: str


RULES: Mapping[str, Rules] = {
    "de": Rules(_one_or_several, decimal=",", thousands="."),
    "en": Rules(_one_or_several, decimal=".", thousands=","),
    "pl": Rules(_polish, decimal=",", thousands="\xa0"),
}
CODES = tuple(RULES)
"""The languages that there are, as ``[overlay] language`` names them."""


class Words(Mapping[str, str]):
    """The texts of one language by name, for those without a number; :meth:`say` fills in the others.

    They are read when the first of them is asked for.
    """

    def __init__(self, read: Callable[[], Texts], code: str = "en") -> None:
        """``code``: of the language, whose rules hold for what ``read`` returns."""
        self._read, self.code, self.plural = read, code, RULES[code].plural
        self._numbers = _Numbers(RULES[code])

    @cached_property
    def _texts(self) -> dict[str, str]:
        return {name: text if isinstance(text, str) else text[-1] for name, text in self._read().items()}

    @cached_property
    def forms(self) -> dict[str, tuple[str, ...]]:
        """All forms of the texts that have several."""
        return {name: text for name, text in self._read().items() if isinstance(text, tuple)}

    def __getitem__(self, name: str) -> str:
        return self._texts[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._texts)

    def __len__(self) -> int:
        return len(self._texts)

    def written(self, text: str) -> str:
        """Return a text that holds numbers, such as "0.25 s", with the language's own signs in them."""
        return text.translate(self._numbers.signs)

    def say(self, name: str, /, **values: Any) -> str:
        """Return a text with its values filled in; where it has several forms, ``n`` (how many) chooses one."""
        forms = self.forms.get(name)
        text = self[name] if forms is None else forms[self.plural(values["n"])]
        return _NUMBERED.sub(r"\1", self._numbers.vformat(text, (), values))


_NUMBERED = re.compile(r"\bthe (corner \d+)\b")
"""A corner whose name is a number takes no article in English: "at the hairpin", but "at corner 5"."""


class _Numbers(Formatter):
    """Fills numbers into a text as a language writes them."""

    def __init__(self, rules: Rules) -> None:
        self.signs = str.maketrans({".": rules.decimal, ",": rules.thousands})

    def format_field(self, value: Any, format_spec: str) -> str:
        """Return a value as text."""
        text = str(super().format_field(value, format_spec))
        return text.translate(self.signs) if isinstance(value, int | float) else text


@functools.cache
def read_texts(path: Path) -> Texts:
    """Return what a file of texts holds. Raises InputFileError when it is missing or broken."""
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8-sig"))
        return {name: _checked(name, text) for name, text in found.items()}
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, not TOML, or not texts
        raise InputFileError(
            f"The screens' texts in {path} cannot be read ({error}): undo what was changed there, or install hitl anew."
        ) from error


def _checked(name: str, text: Any) -> str | tuple[str, ...]:
    if isinstance(text, list) and text and all(isinstance(form, str) for form in text):
        return tuple(text)
    if isinstance(text, str):
        return text
    raise ValueError(f"'{name}' is neither a text nor a list of texts")


def _read_all(folders: tuple[Path, ...], code: str) -> Texts:
    return {name: text for folder in folders for name, text in read_texts(folder / f"{code}.toml").items()}


def with_words_of(*rooms: str) -> Mapping[str, Words]:
    """Return all languages with the texts of some rooms of this package (``review``, ``report``) beside those for driving."""
    folders = (_ROOT / "languages", *(_ROOT / room / "words" for room in rooms))
    return {code: Words(functools.partial(_read_all, folders, code), code) for code in CODES}


LANGUAGES = with_words_of()
ENGLISH = LANGUAGES["en"]
"""What is printed in the terminal, too."""
