"""Tables that other people's packages add to: by a line of code, or by an entry point of an installed package.

A package says in its pyproject.toml, for example::

    [project.entry-points."hitl.games"]
    sled = "my_package.sled:open_sled"

The installed packages are asked only when a name is not one of our own, or all names are listed.
"""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, KeysView, ValuesView
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, TypeVar

from data.errors import HitlError, UsageError, shown

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

V = TypeVar("V")
GROUPS = ("hitl.games", "hitl.networks", "hitl.exporters")


class Additions(dict[str, V]):
    """A table of names; ``own`` are the project's, and take precedence. ``made`` turns an entry point into a value."""

    def __init__(self, group: str, own: dict[str, V], made: Callable[[EntryPoint], V]) -> None:
        super().__init__(own)
        self._group, self._made, self._looked = group, made, False

    def _look(self) -> None:
        """Ask the installed packages, once."""
        if self._looked:
            return
        self._looked = True
        from importlib.metadata import entry_points

        for point in entry_points(group=self._group):
            self.setdefault(point.name, self._made(point))

    def __contains__(self, name: object) -> bool:
        if not super().__contains__(name):
            self._look()
        return super().__contains__(name)

    def __missing__(self, name: str) -> V:
        if name in self:
            return super().__getitem__(name)
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        self._look()
        return super().__iter__()

    def __len__(self) -> int:
        self._look()
        return super().__len__()

    def keys(self) -> KeysView[str]:
        """Return all names."""
        self._look()
        return super().keys()

    def items(self) -> ItemsView[str, V]:
        """Return all names with their values."""
        self._look()
        return super().items()

    def values(self) -> ValuesView[V]:
        """Return all values."""
        self._look()
        return super().values()


def code_of(point: EntryPoint) -> str:
    """Return where an entry point's code is, as ``module:function``."""
    return point.value.partition("[")[0].strip()


def imported(what: str, code: str, error: type[HitlError] = UsageError) -> Any:
    """Return what is at ``module:function``. Raises ``error`` when a package of somebody else's cannot be imported.

    ``what``: what it is, to begin a sentence with.
    """
    try:
        return resolve_name(code)
    except HitlError:
        raise
    except Exception as problem:  # of somebody else's code, whatever it may be
        raise error(
            f"{what} cannot be used: '{shown(code)}' cannot be imported ({shown(problem, 120)}). Install what it needs, or "
            "another version of its package."
        ) from problem
