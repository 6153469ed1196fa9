"""`python -m hitl`."""

import os
import sys

if not sys.flags.safe_path and sys.path and sys.path[0] == os.getcwd():
    # Python searches the current folder first, where a random.py or a rich/ of the user's would break us. Their own
    # environments are still found there, unless it is a home: that may come from another person.
    here = sys.path.pop(0)
    is_ours = os.path.realpath(here) == os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    if is_ours or not any(os.path.lexists(name) for name in ("store.sqlite", "settings.toml")):
        sys.path.append(here)

from hitl.cli import main

if __name__ == "__main__":
    sys.exit(main())
