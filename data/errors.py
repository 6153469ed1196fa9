"""Errors that are sentences to a player: what happened, what it means, what to do next."""

from __future__ import annotations

import errno
import os
import re
import stat
import sys

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")
"""What a terminal obeys, or shows in another order, in place of showing it."""

JOINER = "\u200d"
"""Makes one picture of several: a family of persons."""


def visible(text: str) -> str:
    """Return foreign text with nothing in it that a terminal would obey; its lines stay lines."""
    return CONTROL.sub(lambda found: found[0] if found[0] in "\n\t" else "?", text)


def shown(value: object, most: int = 60) -> str:
    """Return foreign text as it may stand in a sentence: on one line, nothing unprintable, cut to ``most`` characters."""
    text = "".join(c if c.isprintable() or c == JOINER else " " if c.isspace() else "?" for c in str(value)[: 4 * most])
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"


def is_reader_gone(error: OSError) -> bool:
    """Tell whether something could not be printed because the reader of the pipe has gone away: `hitl segments | more`, then q.

    Windows calls that an invalid argument, and much else, too: it is of a pipe where no file is named and the output is one.
    """
    if isinstance(error, BrokenPipeError):
        return True
    if sys.platform != "win32" or error.errno != errno.EINVAL or error.filename is not None:
        return False
    try:
        return stat.S_ISFIFO(os.fstat(1).st_mode)
    except OSError:
        return False


class HitlError(Exception):
    """An error whose text is meant for the player; the command line prints it without a traceback.

    ``exit_code`` is the process exit status; see the table in ``docs/architecture.md``.
    """

    exit_code = 1


class UsageError(HitlError):
    """The command line asked for something that makes no sense."""

    exit_code = 2


class InputFileError(HitlError):
    """A file that was given (track, line, player run, config) cannot be used."""

    exit_code = 3


class StoreError(HitlError):
    """The store cannot be used: newer than this program, damaged, or locked."""

    exit_code = 4


class NoStoreError(StoreError):
    """There is no store yet, or only the empty file that one begins as."""


class StoreGoneError(StoreError):
    """The store that is followed was deleted or moved away."""


class StoreReplacedError(StoreError):
    """Another file lies where the store that is followed was."""


class NotAStoreError(StoreError):
    """Where the store should be lies a file of another kind."""


class DamagedStoreError(StoreError):
    """The store's file is damaged or not whole."""


class NewerStoreError(StoreError):
    """A newer version of hitl has written the store."""


class DiskFullError(StoreError):
    """The store cannot be opened or written because its disk is full."""


class CheckpointError(HitlError):
    """A checkpoint cannot be used: altered, half-written, or made for other observations."""

    exit_code = 5


class DeviceError(HitlError):
    """The environment or a device cannot be used: unknown game, no pad, no display."""

    exit_code = 6


class TrainingError(HitlError):
    """Training cannot go on."""

    exit_code = 7
