"""`python -m hitl`."""

import os
import sys

if not sys.flags.safe_path and sys.path and sys.path[0] == os.getcwd():
    # Python searches the current folder first, where a random.py or a rich/ of the user's would break us. Their own
    # environments are still found there.
    sys.path.append(sys.path.pop(0))

from hitl.cli import main

if __name__ == "__main__":
    sys.exit(main())
