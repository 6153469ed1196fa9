"""What to type for a package that is not installed: the one place that says it.

On the package index, ``hitl`` is another people's program. Ours is called `DISTRIBUTION` there, and only there.
"""

from __future__ import annotations

import sys
from importlib import metadata

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
    try:
        metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return False
    return True
