"""Stands for SuperTuxKart's engine program: it speaks the same lines over the pipe, drives a point, and fails as it is told.

`stand_in_engine.py HOW TRACK KART`: HOW is `well`, or how the first of these processes in its folder fails (those after it are
well): `fatal` (exits while loading), or `crash:N`, `exit:N`, `hang:N`, `garbage:N` at step N.
"""

import json
import math
import os
import signal
import sys
import time
from pathlib import Path

how, _, at = sys.argv[1].partition(":")
mark = Path("failed-once")
failing = how != "well" and not mark.exists()
if failing:
    mark.touch()
Path("told.json").write_text(json.dumps({"words": sys.argv[2:], "env": dict(os.environ)}))
print("the stand-in prints this", file=sys.stderr)
if failing and how == "fatal":
    print("\x1b[1;31m[fatal  ] [FileManager]: Not all assets found.\n\x1b[0m", file=sys.stderr)
    sys.exit(1)
x = y = z = heading = speed = 0.0
steps = 0


def fail() -> None:
    if how == "crash":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif how == "exit":
        sys.exit(1)
    elif how == "hang":
        time.sleep(600)
    print("no JSON at all", flush=True)


print(json.dumps("ready"), flush=True)


def asked():
    """Yield each request, and of one to drive again all its parts, of which the last is answered."""
    for line in sys.stdin:
        name, *values = json.loads(line)
        if name != "replay":
            yield name, values, True
            continue
        start, again = values
        yield "restart", start, not again
        for number, step in enumerate(again, 1):
            yield "step", step, number == len(again)


for name, values, answers in asked():
    if name == "restart":
        x, y, z, heading, speed = values
    else:
        gas, brake, steer, dt, *_ = values
        steps += 1
        if failing and steps == int(at):
            fail()
            continue
        speed = min(max(0.0, speed + (6.0 * gas - 12.0 * brake) * dt), 20.0)
        turn = -steer * 0.2 * speed
        heading += turn * dt
        x, y = x + speed * math.cos(heading) * dt, y + speed * math.sin(heading) * dt
    state = [x, y, z, math.remainder(heading, math.tau), speed * math.cos(heading), speed * math.sin(heading), 0.0]
    if answers:
        print(json.dumps(state), flush=True)
