"""Files that another program has open for itself alone, as on Windows: no one else reads, writes, replaces or deletes them."""

from __future__ import annotations

import builtins
import contextlib
import errno
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from data.files import held

SHARING_VIOLATION = 32


def refusal(path: Any) -> PermissionError:
    """Return what Windows says of a file in use."""
    error = PermissionError(errno.EACCES, "The process cannot access the file", str(path))
    error.winerror = SHARING_VIOLATION  # type: ignore[attr-defined]
    return error


@contextlib.contextmanager
def in_use(*paths: Path) -> Iterator[None]:
    """Have a program hold these files during the block; nothing waits long for them."""
    names = {os.path.abspath(path) for path in paths}

    def checked(real: Callable[..., Any]) -> Callable[..., Any]:
        def act(path: Any, *more: Any, **options: Any) -> Any:
            for one in (path, *more[:1]):
                if isinstance(one, str | os.PathLike) and os.path.abspath(one) in names:
                    raise refusal(one)
            return real(path, *more, **options)

        return act

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(held, "PATIENCE_S", 0.05)
        patch.setattr(held, "_given_up", {})
        patch.setattr(builtins, "open", checked(io.open))
        patch.setattr(io, "open", builtins.open)
        for name in ("open", "unlink", "remove", "rename", "replace"):
            patch.setattr(os, name, checked(getattr(os, name)))
        yield
