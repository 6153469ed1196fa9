"""The live side: games, arbiter, pads, session, policy, and the command line."""

import importlib.util as _util
import os as _os
import sys as _sys

__version__ = "0.1.0"


def _take_own_rooms() -> None:
    """Load ``data``, ``takeover_ui`` and ``trainer`` from beside this package, not from the current folder.

    ``python -m`` and a new process search the current folder first, and folders of these names are common where agents are
    trained.
    """
    root = _os.path.dirname(_os.path.dirname(_os.path.abspath(__file__)))
    for name in ("data", "takeover_ui", "trainer"):
        if name in _sys.modules:
            continue
        folder = _os.path.join(root, name)
        spec = _util.spec_from_file_location(name, _os.path.join(folder, "__init__.py"), submodule_search_locations=[folder])
        assert spec is not None
        assert spec.loader is not None
        module = _sys.modules[name] = _util.module_from_spec(spec)
        spec.loader.exec_module(module)


_take_own_rooms()
