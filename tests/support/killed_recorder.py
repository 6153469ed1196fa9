"""A session that records until it is killed, and notes beside it what it has recorded and when."""

import os
import time
from multiprocessing.connection import Connection

from data.recording.recorder import Recorder
from tests.support.recorded import session_info, step_row

STEP_S = 0.004  # between two steps, at least


def record(store: str, notes: str, ready: Connection) -> None:
    """Record into the store; a note is a line "episode t" that is written before the next step is taken."""
    fd = os.open(notes, os.O_WRONLY | os.O_CREAT)
    with Recorder(store, session_info()) as recorder:
        os.write(fd, f"{recorder.uuid}\n".encode())
        ready.send("ready")
        while True:
            number = recorder.begin_episode()
            takeover = None
            for i in range(60):
                if i % 20 == 8:
                    takeover = recorder.begin_segment("takeover", "stick")
                if takeover is not None and i % 20 == 14:
                    recorder.end_segment(takeover)
                recorder.step(step_row(i, int(8 <= i % 20 < 14)))
                os.write(fd, f"{number} {i}\n".encode())
                time.sleep(STEP_S)
            recorder.end_episode("terminated", "off_road")
