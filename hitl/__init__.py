"""Takeovers for driving agents, from Python: ``from hitl import Takeover, Store, SymmetricReplay, TQC``. See docs/python.md.

Behind these names are the live side (games, arbiter, pads, session, policy) and the command line. Each name is imported when it
is first used, so that ``import hitl`` needs neither torch nor pygame.
"""

import importlib.util as _util
import os as _os
import sys as _sys
from typing import TYPE_CHECKING

__version__ = "0.1.0"


def _take_own_rooms() -> None:
    """Load ``data``, ``takeover_ui`` and ``trainer`` from beside this package, not from the current folder.

    ``python -m`` and a new process search the current folder first, and folders of these names are common where agents are
    trained. Raises ImportError where a program has loaded one of its own already.
    """
    root = _os.path.dirname(_os.path.dirname(_os.path.abspath(__file__)))
    for name in ("data", "takeover_ui", "trainer"):
        folder = _os.path.join(root, name)
        if name in _sys.modules:
            file = getattr(_sys.modules[name], "__file__", None) or ""
            if not file or not _os.path.samefile(_os.path.dirname(file), folder):
                raise ImportError(
                    f"hitl has a package called '{name}', and your program has loaded another one ({file or 'a folder'}): import "
                    f"hitl first if you need only hitl's, else give yours another name, for a process can have one '{name}'."
                )
            continue
        spec = _util.spec_from_file_location(name, _os.path.join(folder, "__init__.py"), submodule_search_locations=[folder])
        assert spec is not None
        assert spec.loader is not None
        module = _sys.modules[name] = _util.module_from_spec(spec)
        spec.loader.exec_module(module)


_take_own_rooms()

if TYPE_CHECKING:
    from data.errors import HitlError
    from hitl import arbiter as Arbiter
    from hitl.scripting.dataset import SymmetricDataset
    from hitl.scripting.evaluation import evaluate
    from hitl.scripting.interface import TakeoverInterface
    from hitl.scripting.own_game import open_env
    from hitl.scripting.replay import SymmetricReplay
    from hitl.scripting.sb3_buffer import SymmetricReplayBuffer as SymmetricReplayBuffer
    from hitl.scripting.script_store import ScriptStore as Store
    from hitl.scripting.takeover import Takeover
    from trainer.learner.tqc import TQC
    from trainer.presets import PRESETS as presets  # noqa: N811

_NAMES = {
    "Arbiter": "hitl.arbiter",
    "HitlError": "data.errors:HitlError",
    "Store": "hitl.scripting.script_store:ScriptStore",
    "SymmetricDataset": "hitl.scripting.dataset:SymmetricDataset",
    "SymmetricReplay": "hitl.scripting.replay:SymmetricReplay",
    "SymmetricReplayBuffer": "hitl.scripting.sb3_buffer:SymmetricReplayBuffer",
    "TQC": "trainer.learner.tqc:TQC",
    "Takeover": "hitl.scripting.takeover:Takeover",
    "TakeoverInterface": "hitl.scripting.interface:TakeoverInterface",
    "evaluate": "hitl.scripting.evaluation:evaluate",
    "open_env": "hitl.scripting.own_game:open_env",
    "presets": "trainer.presets:PRESETS",
}
"""What ``from hitl import …`` offers, and where it is."""

__all__ = [  # without SymmetricReplayBuffer, which needs an extra
    "TQC",
    "Arbiter",
    "HitlError",
    "Store",
    "SymmetricDataset",
    "SymmetricReplay",
    "Takeover",
    "TakeoverInterface",
    "evaluate",
    "open_env",
    "presets",
]


def __getattr__(name: str) -> object:
    if name not in _NAMES:
        raise AttributeError(f"module 'hitl' has no attribute '{name}'")
    from pkgutil import resolve_name

    found: object = resolve_name(_NAMES[name])
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_NAMES})
