"""`python -m hitl`."""

import os
import sys

if not sys.flags.safe_path and sys.path and sys.path[0] == os.getcwd():
    # Python looks first where one stands: a folder of the user's that holds a random.py or a rich/ must not end us. Their own
    # environments are still found there.
    sys.path.append(sys.path.pop(0))

from hitl.cli import main

if __name__ == "__main__":
    sys.exit(main())
