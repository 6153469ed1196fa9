"""tmrl's own Server and RolloutWorker as processes: ``python -m tests.support.tmrl_roles ROLE PORT PASSWORD FOLDER``.

``server``: until it is ended. ``worker``: a RolloutWorker in a small environment, with this project's actor, until it is ended;
it prints how much the weights in force have learned. ``expert``: the same with an actor of its own that takes no weights.
"""

from __future__ import annotations

import logging
import sys
import time
from pathlib import Path

import gymnasium
import numpy as np

from hitl.games.tmrl.importing import import_tmrl
from hitl.remote.link import free_port
from tests.support.stand_in_game import stand_in_track
from tests.support.tmrl_data import prepare

STEPS = 20  # in an episode


class Small(gymnasium.Env):
    """An observation of two parts, three actions; each step pays the first."""

    observation_space = gymnasium.spaces.Tuple(
        (gymnasium.spaces.Box(-1, 1, (1,), np.float32), gymnasium.spaces.Box(-1, 1, (3,), np.float32))
    )
    action_space = gymnasium.spaces.Box(-1, 1, (3,), np.float32)

    def reset(self, *, seed=None, options=None):
        self.t = 0
        return self.see(np.zeros(3)), {}

    def step(self, action):
        self.t += 1
        return self.see(action), float(action[0]), False, self.t >= STEPS, {}

    def see(self, action):
        return np.array([self.t / STEPS], np.float32), np.asarray(action, np.float32)


def serve(port: int, password: str, folder: Path) -> None:
    networking = import_tmrl(folder, "tmrl.networking")
    server = networking.Server(port=port, password=password, local_port=free_port(), security=None)
    print("listens", flush=True)
    while server:
        time.sleep(1.0)


def work(port: int, password: str, folder: Path, expert: bool) -> None:
    networking = import_tmrl(folder, "tmrl.networking")
    from hitl.remote.tmrl_actor import HitlActor

    class Own(HitlActor):
        def load(self, path, device):
            raise AssertionError("weights of another program came here")

    worker = networking.RolloutWorker(
        env_cls=Small, actor_module_cls=Own if expert else HitlActor, server_ip="127.0.0.1", server_port=port,
        password=password, local_port=free_port(), security=None, model_path=str(folder / f"{expert}.tmod"),
        model_path_history=str(folder / "history"),
    )  # fmt: skip
    logging.getLogger().setLevel(logging.WARNING)
    while True:
        worker.run(nb_episodes=1, verbose=False, expert=expert)
        print(f"updates {worker.actor.updates} heard {worker.actor._actor is not None}", flush=True)
        time.sleep(0.3)


if __name__ == "__main__":
    role, port, password, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4]) / sys.argv[1]
    folder.mkdir(parents=True)
    prepare(folder, stand_in_track())
    serve(port, password, folder) if role == "server" else work(port, password, folder, role == "expert")
