"""The names of Gymnasium's environments, and of those that other packages register."""

from __future__ import annotations

import difflib
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec

from data.errors import DeviceError
from hitl.agents.own_code import import_last_here
from hitl.games.hang_guard import brief


def ways_to_show(name: str) -> frozenset[str]:
    """Return how an environment can show itself (``human``, ``rgb_array``). Raises DeviceError where there is none."""
    id_ = registered(name)
    try:
        return frozenset(render_modes(id_))
    except Exception:  # a package that it needs is missing, say: opening it tells what
        return frozenset()


def registered(name: str) -> str:
    """Return the id behind a name, once the package before it, if any, is imported. Raises DeviceError."""
    package, _, id_ = name.rpartition(":")
    before = set(gymnasium.registry)
    if package:
        _import(package)
    try:
        gymnasium.spec(id_)
    except gymnasium.error.Error as error:
        new = sorted(set(gymnasium.registry) - before)
        near = difflib.get_close_matches(id_, new or sorted(gymnasium.registry), 3) or new[:3]
        known = f" Near it: {', '.join(near)}." if near else ""
        if package:
            text = f"The package '{package}' was imported and registers no environment '{id_}'.{known}"
        else:
            text = (
                f"Gymnasium knows no environment '{name}' ({brief(error)}).{known} Write `--env gym:ID` with one of its ids, or "
                "`--env gym:package:ID` to import a package that registers it."
            )
        raise DeviceError(text) from None
    return id_


def is_gymnasiums_own(name: str) -> bool:
    """Tell whether Gymnasium itself brings an environment: it is a simulation, of which there may be any number."""
    spec = gymnasium.registry.get(name)
    return spec is not None and isinstance(spec.entry_point, str) and spec.entry_point.startswith("gymnasium.envs.")


def named(spec: EnvSpec) -> str:
    """Return the name behind which a registered environment is found again: with its package in front where that registers it."""
    point: Any = spec.entry_point
    point = getattr(point, "func", point)  # of a partial function
    module = point.partition(":")[0] if isinstance(point, str) else str(getattr(point, "__module__", None) or "")
    package = module.partition(".")[0]
    return f"{package}:{spec.id}" if package not in ("", "__main__", "builtins", "gymnasium") else spec.id


def _import(package: str) -> None:
    """Import a package that registers environments, as `import_last_here`. Raises DeviceError."""
    try:
        import_last_here(package)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{package}.".startswith(f"{error.name}."):
            raise DeviceError(f"The package '{package}' needs '{error.name}', which is not installed.") from None
        raise DeviceError(
            f"There is no package '{package}' here, which `gym:{package}:ID` imports: install it beside hitl, or start from the "
            "folder that it is in."
        ) from None
    except Exception as error:
        raise DeviceError(f"The package '{package}' cannot be imported ({brief(error)}).") from error


def render_modes(name: str) -> list[str]:
    """Return the ways in which a registered environment says that it can show itself."""
    from gymnasium.envs.registration import load_env_creator

    point = gymnasium.spec(name).entry_point
    creator = load_env_creator(point) if isinstance(point, str) else point
    return list(getattr(creator, "metadata", {}).get("render_modes", ()))
