"""`hitl` whose headless sessions drive ten times as fast as real time, and no faster: what they wait for is not starved by them.

Run as a script, with the command's words behind it.
"""

import sys
import time

from hitl.cli import main
from hitl.games import open_game
from hitl.timing.clocks import LockstepClock

STEP_S = 0.005


class Paced(LockstepClock):
    """Takes some time for each tick."""

    def wait_for_send(self) -> None:
        time.sleep(STEP_S)
        super().wait_for_send()


if __name__ == "__main__":
    open_game.LockstepClock = Paced  # type: ignore[misc]
    sys.exit(main(sys.argv[1:]))
