"""The words on the screens, in the player's language."""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Mapping
from importlib import import_module
from string import Formatter
from types import ModuleType
from typing import Any

from takeover_ui import languages

CODES = tuple(sorted(found.name for found in pkgutil.iter_modules(languages.__path__)))
"""The languages that there are, as ``[overlay] language`` names them."""


class Words(dict[str, str]):
    """The texts of one language by name, for those without a number; :meth:`say` fills in the others."""

    def __init__(
        self,
        texts: Mapping[str, str | tuple[str, ...]],
        plural: Callable[[int], int] = lambda count: int(count != 1),
        decimal: str = ".",
        thousands: str = ",",
        code: str = "en",
    ) -> None:
        """``code``: of the language. ``plural`` returns which form of a text goes with a count; ``decimal``, ``thousands``: the
        signs within numbers.
        """
        super().__init__({name: text if isinstance(text, str) else text[-1] for name, text in texts.items()})
        self.forms = {name: text for name, text in texts.items() if isinstance(text, tuple)}
        self.plural, self.code = plural, code
        self._numbers = _Numbers(decimal, thousands)

    @classmethod
    def of(cls, module: ModuleType) -> Words:
        """Return what a module of ``takeover_ui.languages`` says."""
        return cls(module.TEXTS, module.plural, module.DECIMAL, module.THOUSANDS, module.__name__.rpartition(".")[2])

    def written(self, text: str) -> str:
        """Return a text that holds numbers, such as "0.25 s", with the language's own signs in them."""
        return text.translate(self._numbers.signs)

    def say(self, name: str, /, **values: Any) -> str:
        """Return a text with its values filled in; where it has several forms, ``n`` (how many) chooses one."""
        forms = self.forms.get(name)
        text = self[name] if forms is None else forms[self.plural(values["n"])]
        return self._numbers.vformat(text, (), values)


class _Numbers(Formatter):
    """Fills numbers into a text as a language writes them."""

    def __init__(self, decimal: str, thousands: str) -> None:
        self.signs = str.maketrans({".": decimal, ",": thousands})

    def format_field(self, value: Any, format_spec: str) -> str:
        """Return a value as text."""
        text = str(super().format_field(value, format_spec))
        return text.translate(self.signs) if isinstance(value, int | float) else text


LANGUAGES: Mapping[str, Words] = {code: Words.of(import_module(f"takeover_ui.languages.{code}")) for code in CODES}
ENGLISH = LANGUAGES["en"]
"""What is printed in the terminal, too."""


def with_words_of(*packages: ModuleType) -> Mapping[str, Words]:
    """Return all languages with the texts of some packages' modules beside their own."""
    found = {}
    for code in CODES:
        base, *more = (import_module(f"{package.__name__}.{code}") for package in (languages, *packages))
        texts = {name: text for module in (base, *more) for name, text in module.TEXTS.items()}
        found[code] = Words(texts, base.plural, base.DECIMAL, base.THOUSANDS, code)
    return found
