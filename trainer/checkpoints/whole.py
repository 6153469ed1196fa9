"""Whether a checkpoint's file looks whole, told without loading it: from its head alone, and fast."""

from __future__ import annotations

import json
from pathlib import Path

MOST_HEAD = 1 << 24  # bytes
LOST = "None of the {n} that were written can be read: they are damaged or gone."
FRESH = (
    "put the folder `checkpoints` back from a copy; without one, `hitl train --fresh` learns anew from all that is recorded here."
)


def is_whole(path: Path) -> bool:
    """Tell whether a file is there and has a head and the length that this tells; its weights may be altered all the same."""
    try:
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            if not 2 <= size <= MOST_HEAD:
                return False
            head = json.loads(file.read(size))
        ends = [int(part["data_offsets"][1]) for name, part in head.items() if name != "__metadata__"]
        return path.stat().st_size == 8 + size + max(ends, default=0)
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError):
        return False
