"""What an agent from elsewhere costs: from its file to its first action, and what it adds to a tick.

    python benchmarks/foreign_agents.py [--json FILE]

Each agent has two hidden layers of 256 and sees and does what the embedded game's do. Loading is measured with torch imported
already, as in a session, and the network read from the disk each time. A tick is `ForeignPolicy.act` and `stepped`, the median
and the 99th percentile of 3,000. ONNX is measured where onnx and onnxruntime are installed.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).parent.parent))

import numpy as np
import torch
from common import parser, print_table, write_report
from sb3_contrib import TQC
from sb3_twin import _Nothing
from stable_baselines3 import PPO, SAC, TD3
from torch import nn

from hitl.agents.export.programs import write_onnx, write_torchscript
from hitl.agents.opening import open_agent
from hitl.agents.policy import ForeignPolicy
from hitl.demo.shipped import open_shipped
from hitl.home import Home
from hitl.settings import AgentSettings
from trainer.checkpoints.files import load

TICKS, LOADS = 3000, 7


class Gru(nn.Module):
    """As tmrl's recurrent actor names its layers."""

    def __init__(self, seen: int, done: int) -> None:
        super().__init__()
        self.rnn, self.mlp = nn.GRU(seen, 100, 2, batch_first=True), nn.Sequential(nn.Linear(100, 256), nn.ReLU())
        self.mu_layer = nn.Linear(256, done)


def agents(folder: Path, seen: int, done: int) -> Iterator[tuple[str, str, int]]:
    """Yield (label, what to open, how many observations it sees at once) of each kind."""
    env = _Nothing(seen, done)

    def made(kind: Any, env: _Nothing = env, **more: Any) -> Any:
        return kind("MlpPolicy", env, policy_kwargs={"net_arch": [256, 256]}, device="cpu", **more)

    for kind in (SAC, TQC, TD3):
        made(kind, buffer_size=1).save(folder / kind.__name__)
        yield f"SB3 {kind.__name__}", str(folder / kind.__name__), 1
    made(PPO).save(folder / "PPO")
    yield "SB3 PPO", str(folder / "PPO"), 1
    made(SAC, _Nothing(4 * seen, done), buffer_size=1).save(folder / "stack")
    yield "SB3 SAC, 4 stacked", str(folder / "stack"), 4
    torch.save(Gru(seen, done).state_dict(), folder / "gru.tmod")
    yield "tmrl, recurrent", str(folder / "gru.tmod"), 1
    net = nn.Sequential(nn.Linear(seen, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(), nn.Linear(256, done), nn.Tanh())
    write_torchscript(net, seen, folder / "a.pt")
    yield "TorchScript", str(folder / "a.pt"), 1
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
    except ImportError:
        print("ONNX is left out: onnx and onnxruntime are not installed here.")
    else:
        write_onnx(net, seen, folder / "a.onnx")
        yield "ONNX", str(folder / "a.onnx"), 1
    yield "checkpoint", "latest", 1


def main() -> None:
    """Measure, print the table, write the JSON."""
    args = parser(__doc__.splitlines()[0]).parse_args()
    torch.set_num_threads(1)
    figures: dict[str, float] = {}
    rows = []
    with tempfile.TemporaryDirectory() as name:
        home = Home(Path(name) / "home")
        open_shipped(home)
        meta = load(next(home.checkpoints.glob("*.safetensors")))[1]
        seen, done = tuple(meta.observation_names), tuple(meta.action_names)
        looks = np.random.default_rng(0).normal(size=(TICKS, len(seen))).astype(np.float32)
        for label, use, stack in agents(Path(name), len(seen), len(done)):
            loads, ticks = [], []
            for _ in range(LOADS):
                begin = time.perf_counter()
                policy = ForeignPolicy(open_agent(AgentSettings(use=use, stack=stack), home, seen, done), len(seen))
                policy.begin_episode()
                policy.act(looks[0], True)
                loads.append(time.perf_counter() - begin)
            policy.begin_episode()
            for look in looks:
                begin = time.perf_counter()
                policy.stepped(policy.act(look, True))
                ticks.append((time.perf_counter() - begin) * 1e3)
            key = label.lower().replace(", ", "_").replace(" ", "_")
            first, usual = loads[0], float(np.median(ticks))
            late = float(np.quantile(ticks, 0.99))
            figures |= {f"load_s_{key}": round(first, 3), f"tick_ms_{key}": round(usual, 4), f"tick_ms_p99_{key}": round(late, 4)}
            rows.append((label, f"{first:.3f}", f"{np.median(loads):.3f}", f"{usual:.3f}", f"{late:.3f}"))
    columns = ("agent", "s to the first action, first time", "again", "ms a tick", "99 %")
    print_table("agents from elsewhere", columns, rows)
    write_report(args.json, figures)


if __name__ == "__main__":
    main()
