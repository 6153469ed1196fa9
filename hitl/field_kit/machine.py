"""The machine: system, processor, memory, Python, packages, graphics card."""

from __future__ import annotations

import platform
import shutil
import sys
from importlib import metadata

from hitl.field_kit.site import FigureDict, Site

PACKAGES = (
    "gymnasium", "box2d", "inputs", "msgspec", "numpy", "psutil", "pygame-ce", "rich", "rtgym", "safetensors", "sqlite-utils",
    "torch", "tmrl", "tlspyo", "vgamepad", "python-xlib", "pyarrow", "minari",
)  # fmt: skip
"""Whose versions can explain how a session goes."""
LOAD_S = 1.0


def measure(site: Site) -> FigureDict:
    """Return what the machine is."""
    import psutil

    return {
        "system": platform.system(),
        "system_release": platform.release().partition("-")[0],  # behind it a kernel of one's own has a name
        "system_version": _system_version(),
        "architecture": platform.machine(),
        "processor": platform.processor(),
        "cores_physical": psutil.cpu_count(logical=False),
        "cores_logical": psutil.cpu_count(),
        "memory_gb": psutil.virtual_memory().total / 1e9,
        "memory_free_gb": psutil.virtual_memory().available / 1e9,
        "processor_busy_percent": psutil.cpu_percent(LOAD_S),
        "python": platform.python_version(),
        "python_64_bit": sys.maxsize > 2**32,
        **{f"version_{name.replace('-', '_')}": _version(name) for name in PACKAGES},
        **_torch(),
    }


def _system_version() -> str:
    """Return Windows' build, or a Linux distribution's name: the kernel's own text may hold the name of a machine."""
    if sys.platform == "win32":
        return platform.version()
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", "")
    except (OSError, AttributeError):
        return ""


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _torch() -> FigureDict:
    import torch

    there = torch.cuda.is_available()
    return {
        "torch_cuda": torch.version.cuda,
        "cuda_usable": there,
        "nvidia_driver": shutil.which("nvidia-smi") is not None,
        "graphics_card": torch.cuda.get_device_name(0) if there else None,
        "graphics_memory_gb": torch.cuda.get_device_properties(0).total_memory / 1e9 if there else None,
    }
