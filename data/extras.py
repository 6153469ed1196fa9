"""Other packages: what to type for one that is not installed, and what an installed one adds.

On the package index, ``hitl`` is another people's program. Ours is called `DISTRIBUTION` there, and only there.

A package of other people adds games, networks and exporters by entry points in its pyproject.toml::

    [project.entry-points."hitl.games"]
    sled = "my_package.sled:open_sled"

The installed packages are asked only when a name is not one of our own, or all names are listed.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, TypeVar

from data.errors import HitlError, UsageError, shown

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

V = TypeVar("V")
PYTHON = "the Python that runs hitl"
UNLESS_INSTALLED = f" If a package adds it, install that into {PYTHON}."
"""What follows on a name that is unknown here."""
DISTRIBUTION = "hitl-takeover"


def install(extra: str = "") -> str:
    """Return the command that installs hitl with the packages of an extra (none: what it always needs), between backticks.

    pip takes an installed copy as it is, wherever it came from, and adds what the extra needs.
    """
    extra = f"[{extra}]" if extra else ""
    if _is_installed():
        return f'`python -m pip install "{DISTRIBUTION}{extra}"`'
    return f'`python -m pip install -e ".{extra}"` in the folder of hitl'


def install_tmrl() -> str:
    """Return what installs tmrl: its package asks for one of Windows', so that pip refuses it elsewhere."""
    return install("tmrl") if sys.platform == "win32" else "`bash .ci/install-tmrl` in the folder of hitl"


def install_cuda() -> str:
    """Return the command that installs a torch for CUDA: on Windows, pip by itself installs one for the CPU."""
    return '`python -m pip install --force-reinstall "torch>=2.6,<2.14" --index-url https://download.pytorch.org/whl/cu126`'


def _is_installed() -> bool:
    """Whether pip knows this copy: one that is only run from its folder it would look for on the package index."""
    from importlib import metadata

    try:
        metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return False
    return True


class Additions(dict[str, V]):
    """A table of names; ``own`` are the project's, and take precedence. ``made`` turns an entry point into a value."""

    def __init__(self, group: str, own: dict[str, V], made: Callable[[EntryPoint], V]) -> None:
        super().__init__(own)
        self._group, self._made, self._own, self._looked = group, made, frozenset(own), False

    def is_added(self, name: object) -> bool:
        """Tell whether a name is there, and other people's code stands behind it."""
        return name not in self._own and name in self

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

    def get(self, name: str, default: Any = None) -> Any:
        """Return the value of a name, or the default."""
        self._look()
        return super().get(name, default)

    def __iter__(self) -> Iterator[str]:
        self._look()
        return super().__iter__()

    def __len__(self) -> int:
        self._look()
        return super().__len__()

    def keys(self) -> Any:
        """Return all names."""
        self._look()
        return super().keys()

    def items(self) -> Any:
        """Return all names with their values."""
        self._look()
        return super().items()

    def values(self) -> Any:
        """Return all values."""
        self._look()
        return super().values()


def code_of(point: EntryPoint) -> str:
    """Return where an entry point's code is, as ``module:function``."""
    return point.value.partition("[")[0].strip()


def imported(what: str, code: str, error: type[HitlError] = UsageError) -> Any:
    """Return the function or class at ``module:name``. Raises ``error`` when it cannot be imported, or is no such thing.

    ``what``: what it is, to begin a sentence with.
    """
    found = imported_whole(what, code, error)
    if not callable(found):
        raise error(
            f"{what} cannot be used: '{shown(code)}' is no function or class. Write module:function, for example "
            f"'{shown(code.partition(':')[0])}:make'."
        )
    return found


def made_by(
    table: dict[str, str], what: str, name: str, *given: Any, error: type[HitlError] = UsageError
) -> Any:
    """Return what the function behind a table's name makes of ``given``. Raises ``error`` where other people's code fails."""
    make = imported(f"The {what} '{shown(name)}'", table[name], error)
    with code_of_others(table, what, name, table[name], error):
        return make(*given)


@contextlib.contextmanager
def code_of_others(table: dict[str, Any], what: str, name: str, code: str, error: type[HitlError] = UsageError) -> Iterator[None]:
    """Turn what other people's code fails with into a sentence; of what is our own, nothing is hidden."""
    try:
        yield
    except HitlError:
        raise
    except Exception as problem:
        if not (isinstance(table, Additions) and table.is_added(name)):
            raise
        why = f"{type(problem).__name__}: {shown(problem, 120)}"
        raise error(
            f"The {what} '{shown(name)}' cannot be used: '{shown(code)}' fails ({why}). The same command with --debug shows "
            "where."
        ) from problem


def imported_whole(what: str, code: str, error: type[HitlError] = UsageError) -> Any:
    """Return the module ``module``, or what is at ``module:name``. Raises as :func:`imported`."""
    if not isinstance(code, str):  # other processes must find it, too, and what a script defines only that finds
        name = getattr(code, "__qualname__", "make")
        raise error(
            f"{what} cannot be used: a table names its code by a text, so that every process can import it, and here is a "
            f"{type(code).__name__}. Write for example 'my_module:{shown(name)}', for what is in my_module.py."
        )
    try:
        return resolve_name(code)
    except HitlError:
        raise
    except Exception as problem:  # of somebody else's code, whatever it may be
        raise error(
            f"{what} cannot be used: '{shown(code)}' cannot be imported ({shown(problem, 120)}). Install what it needs, or "
            "another version of its package."
        ) from problem
