"""Windows' keyboard: SendInput by scan code. Never run on Windows so far; the layout of the structures follows its headers.

No library does it for us: games read scan codes, which pynput does not send, and pydirectinput is for Windows alone.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Collection
from typing import Any

from data.errors import DeviceError

# Scan code, and whether the key is one of those beside the number block.
SCAN = {
    "gas": (0x48, True), "brake": (0x50, True), "left": (0x4B, True), "right": (0x4D, True), "restart": (0x53, True),
    "confirm": (0x1C, False), "respawn": (0x1C, False),
}  # fmt: skip
EXTENDED, UP, SCANCODE, KEYBOARD = 0x1, 0x2, 0x8, 1


class _Key(ctypes.Structure):
    _fields_ = (
        ("vk", ctypes.c_uint16), ("scan", ctypes.c_uint16), ("flags", ctypes.c_uint32), ("time", ctypes.c_uint32),
        ("extra", ctypes.c_size_t),
    )  # fmt: skip


class _Mouse(ctypes.Structure):  # the largest of the three kinds: it decides the size
    _fields_ = (
        ("dx", ctypes.c_int32), ("dy", ctypes.c_int32), ("data", ctypes.c_uint32), ("flags", ctypes.c_uint32),
        ("time", ctypes.c_uint32), ("extra", ctypes.c_size_t),
    )  # fmt: skip


class _Kind(ctypes.Union):
    _fields_ = (("key", _Key), ("mouse", _Mouse))


class Input(ctypes.Structure):
    """Windows' INPUT."""

    _fields_ = (("type", ctypes.c_uint32), ("of", _Kind))


def _load_user32() -> Any:
    library = vars(ctypes)["WinDLL"]("user32", use_last_error=True)
    library.GetForegroundWindow.argtypes, library.GetForegroundWindow.restype = [], ctypes.c_void_p
    library.GetWindowThreadProcessId.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_ulong)]
    library.GetWindowThreadProcessId.restype = ctypes.c_ulong
    library.SendInput.argtypes = [ctypes.c_uint, ctypes.POINTER(Input), ctypes.c_int]
    library.SendInput.restype = ctypes.c_uint
    return library


def _process_name(process: int) -> str:
    """Return the file name of a process's program, "" where Windows does not tell."""
    import psutil

    try:
        return str(psutil.Process(process).name())
    except psutil.Error:  # it has just ended, or may not be asked
        return ""


class WindowsKeyboard:
    """``user32``: the library, or what stands for it; ``name_of``: what tells the name of a process by its number."""

    def __init__(self, user32: Any = None, name_of: Callable[[int], str] | None = None) -> None:
        self._user32: Any = user32 or _load_user32()
        self._name_of = name_of or _process_name

    def in_front(self) -> Collection[str]:
        """Return the program of the window in front."""
        process = ctypes.c_ulong(0)
        self._user32.GetWindowThreadProcessId(self._user32.GetForegroundWindow(), ctypes.byref(process))
        return {self._name_of(process.value).lower()} if process.value else ()

    def key(self, name: str, down: bool) -> None:
        """Press or release a key. Raises DeviceError when Windows refuses.

        It does not refuse keys for a program that runs as administrator: it drops them. The game then shows that it obeys none
        (``TrackManiaGame``).
        """
        scan, extended = SCAN[name]
        flags = SCANCODE | (EXTENDED if extended else 0) | (0 if down else UP)
        event = Input(KEYBOARD, _Kind(key=_Key(0, scan, flags, 0, 0)))
        if self._user32.SendInput(1, ctypes.byref(event), ctypes.sizeof(event)) != 1:
            raise DeviceError(
                "Windows lets no keys be pressed now: unlock the screen, and start TrackMania without administrator's rights."
            )
