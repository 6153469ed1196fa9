"""`python -m hitl`."""

import sys

from hitl.cli import main

if __name__ == "__main__":
    sys.exit(main())
