"""docs/by_pad.md, followed word by word: a worker, the game and hitl as processes of their own, and a person at a pad."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from data.exchange.trackmaniarl.reading import read_demonstration
from data.records import AGENT, HUMAN
from data.store import Store
from hitl.cli import main
from hitl.home import Home
from hitl.remote.link import free_port
from hitl.road.track import load_track
from tests.support.demonstrations import write_geometry
from tests.support.pad_line import QUIT, SHOULDER, PadOut
from tests.support.places import MODULES, ROOT
from tests.support.stand_in_game import stand_in_track

pytestmark = pytest.mark.realtime
PAGE = (ROOT / "docs" / "by_pad.md").read_text("utf-8")
MINE, THEIRS = "My Pad", "Xbox 360 Controller"
MAP = "StandInMapUid"
ROAD = """name = "short"
segments = [{straight = 40}, {radius = 20, angle = 70, corner = "bend"}, {straight = 20}]
"""


def commands():
    """Return the commands of the page, each as it stands there."""
    return [shlex.split(line)[1:] for line in re.findall(r"^    (hitl .*)$", PAGE, re.M)]


def blocks():
    """Return the indented blocks that are not commands."""
    return [b.replace("    ", "") for b in re.findall(r"(?:^    (?!hitl ).*\n)+", PAGE, re.M)]


class Process:
    """One of the three, with what it has printed so far."""

    all = []  # noqa: RUF012

    def __init__(self, *command, **environment):
        Process.all.append(self)
        path = os.pathsep.join([str(MODULES), str(ROOT), os.environ.get("PYTHONPATH", "")])
        self.process = subprocess.Popen(
            [sys.executable, "-u", "-m", *map(str, command)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, env=os.environ | {"PYTHONPATH": path} | environment,
        )  # fmt: skip
        self.lines = []
        self._thread = threading.Thread(target=lambda: self.lines.extend(self.process.stdout), daemon=True)
        self._thread.start()

    def said(self, text, timeout=30.0):
        """Wait until it has printed a text."""
        until = time.monotonic() + timeout
        while not any(text in line for line in self.lines[:]):
            assert time.monotonic() < until, f"not said: {text}\n{''.join(self.lines)}"
            time.sleep(0.02)

    def end(self):
        self.process.kill()
        self.process.wait()
        self._thread.join(5.0)


@pytest.fixture
def place(tmp_path, monkeypatch):
    """The folder in which the reader types, and the game."""
    (tmp_path / "short.toml").write_text(ROAD)
    write_geometry(tmp_path / "geometry.npz", stand_in_track(load_track(tmp_path / "short.toml")))
    with np.load(tmp_path / "geometry.npz") as file:
        np.savez_compressed(tmp_path / "geometry.npz", **{**file, "map_uid": np.asarray(MAP)})
    port, session, relay = free_port(), free_port(), free_port()
    settings, run = (block.replace("9010", str(relay)) for block in blocks())
    home = Home(tmp_path / "home").create()
    (home.root / "settings.toml").write_text(f"{settings}port = {port}\nsession_port = {session}\n")
    (tmp_path / "run.yaml").write_text(f"environment:\n  kwargs:\n    config:\n      {run}")
    monkeypatch.setenv("HITL_HOME", str(home.root))
    monkeypatch.chdir(tmp_path)
    started = []

    def start(*command, **environment):
        started.append(Process(*command, **environment))
        return started[-1]

    game = start("tests.support.stand_in_game", port, 33, session, tmp_path / "short.toml")
    game.said("ready")
    yield tmp_path, home, start, str(port)
    for process in reversed(started):
        process.end()


def wait_for(found, timeout=30.0):
    until = time.monotonic() + timeout
    while not (value := found()):
        assert time.monotonic() < until, "".join("".join(p.lines) for p in Process.all)
        time.sleep(0.05)
    return value


def plugged(pads, port):
    """Plug a pad in, unless no one listens there yet."""
    try:
        pads.append(PadOut(port))
    except OSError:
        return False
    pads[0].send()
    return True


def hold(pad, seconds, *, gas=0.0, buttons=SHOULDER):
    """Hold these for a while."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            pad.send(gas=gas, buttons=buttons)
        except OSError:
            return  # the session is over
        time.sleep(0.02)


def test_a_running_worker_drives_through_hitl_and_a_person_takes_over(place):
    folder, home, start, game_port = place
    play, export, train, alone = commands()
    mine_port, their_port = free_port(), free_port()
    pads = (f"{mine_port}:{MINE}", f"{their_port}:{THEIRS}")

    mine = []
    hitl = start(
        "tests.support.hitl_with_pads", *pads, "--", *play, "--headless", "--pad", "sdl", "--pad-name", "my",
        STAND_IN_PORT=game_port,
    )  # fmt: skip
    wait_for(lambda: plugged(mine, mine_port))
    hitl.said("No new pad has been plugged in, so nothing is pressed until it is there")
    worker = start("tests.support.their_worker", folder / "run.yaml", their_port, folder / "geometry.npz")
    hitl.said(f"The pad '{THEIRS}' drives.")

    def helped_to_the_finish():
        hold(mine[0], 1.0, gas=0.3)
        hold(mine[0], 2.0, buttons=0)
        with Store(home.store_path, read_only=True) as store:
            return any(e.reason == "finish" and e.human_steps for e in store.episodes())

    wait_for(helped_to_the_finish, 90.0)
    worker.end()  # it dies at full speed
    hitl.said(f"The pad '{THEIRS}' is gone, so nothing is pressed until it is there")
    again = start("tests.support.their_worker", folder / "run.yaml", their_port, folder / "geometry.npz")
    hitl.said(f"The pad '{THEIRS}' drives again.")
    again.said("finished", 60.0)
    again.said("begins")  # it restarted by itself, and hitl with it
    wait_for(lambda: hold(mine[0], 0.2, buttons=QUIT) or hold(mine[0], 0.1, buttons=0) or hitl.process.poll() is not None)
    mine[0].close()
    assert hitl.process.returncode == 0, "".join(hitl.lines)
    assert "finished" in "".join(worker.lines)
    assert "Traceback" not in "".join(worker.lines + hitl.lines)

    assert main(export) == 0
    with Store(home.store_path, read_only=True) as store:
        assert store.newest_agent() is None
        (known,) = store.agents().values()
        finished = [e for e in store.episodes() if e.reason == "finish"]
        takeovers = [s for s in store.segments() if s.kind == "takeover"]
        steps = [store.steps(e) for e in store.episodes()]
    assert known == {"kind": "pad", "name": known["name"], "sha256": "", "settings": {}}
    assert len(finished) >= 2
    assert takeovers
    human = np.concatenate([s.driver == HUMAN for s in steps])
    executed, proposed = (np.concatenate([getattr(s, name) for s in steps]) for name in ("executed", "proposed"))
    assert (executed[~human] == proposed[~human]).all()
    assert np.median(executed[human, 0]) == pytest.approx(0.263, abs=0.01), "what the person drove, with their pad's dead zone"
    assert not executed[human, 2].any()
    assert proposed[human, 2].any(), "what the worker would have steered meanwhile"
    laps = [read_demonstration(path) for path in (folder / "with-their-worker").glob("*.npz")]
    assert any((lap.driver == HUMAN).any() and (lap.driver == AGENT).any() for lap in laps)

    # Ours learns an agent of its own from all this, which drives without the program; untrained, it drives at random.
    assert train == ["train", "--background"]
    ours = start("hitl", *alone, "--headless", "--pad", "none", STAND_IN_PORT=game_port)

    def drives():
        assert ours.process.poll() is None, "".join(ours.lines)
        with Store(home.store_path, read_only=True) as store:
            assert len({s.observation_names for s in store.sessions()}) == 1
            return store.newest_session().id not in store.agents()

    wait_for(drives, 60.0)
