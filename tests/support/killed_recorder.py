"""A session that records until it is killed, and notes beside it what it has recorded and when.

Usage: killed_recorder.py STORE NOTES; a note is a line "episode t time" written before the next step is taken.
"""

import os
import sys
import time

from data.recording.recorder import Recorder
from tests.support.recorded import session_info, step_row


def main() -> None:
    store, notes = sys.argv[1:]
    fd = os.open(notes, os.O_WRONLY | os.O_CREAT)
    with Recorder(store, session_info()) as recorder:
        os.write(fd, f"{recorder.uuid}\n".encode())
        print("ready", flush=True)
        while True:
            number = recorder.begin_episode()
            token = None
            for i in range(60):
                if i % 20 == 8:
                    token = recorder.begin_segment("takeover", "stick")
                if token is not None and i % 20 == 14:
                    recorder.end_segment(token)
                recorder.step(step_row(i, int(8 <= i % 20 < 14)))
                os.write(fd, f"{number} {i} {time.monotonic()}\n".encode())
                time.sleep(0.004)
            recorder.end_episode("terminated", "off_road")


main()
