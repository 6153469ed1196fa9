"""Deterministic episodes of an actor alone, all at once: what an evaluation in a session measures, many times as fast.

The episodes are those of ``SessionSetup.evaluate`` for the same seeds: same starts, same environment, same greedy actions. Only the
session around them (clock, arbiter, recorder) is left out, and the actor answers all cars that still drive in one pass.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass
class Solo:
    """One episode: its return, steps, farthest metre and why it ended."""

    total: float = 0.0
    steps: int = 0
    progress: float = 0.0
    reason: str = ""


class Evaluator:
    """Cars on one track, built once and driven again for each evaluation."""

    def __init__(self, track: Any, episodes: int = 20) -> None:
        from hitl.games.embedded_env import DrivingEnv

        self.envs = [DrivingEnv(track) for _ in range(episodes)]

    def __call__(self, actor: Any, first_seed: int) -> list[Solo]:
        """Drive one episode a car, from the starts of ``first_seed`` and those that follow it.

        ``actor`` answers observations (B, O) with actions (B, A) by ``act(observations, deterministic)``, both as tensors.
        """
        import torch

        results = [Solo() for _ in self.envs]
        seen = np.stack([env.reset(seed=first_seed + k)[0] for k, env in enumerate(self.envs)])
        driving = list(range(len(self.envs)))
        while driving:
            actions = actor.act(torch.from_numpy(seen[driving]), True).numpy()
            still = []
            for k, action in zip(driving, actions, strict=True):
                observation, reward, terminated, truncated, info = self.envs[k].step(action)
                result = results[k]
                result.total += reward
                result.steps += 1
                result.progress = max(result.progress, info["progress"])
                if terminated or truncated:
                    result.reason = info["reason"]
                else:
                    seen[k] = observation
                    still.append(k)
            driving = still
        return results
