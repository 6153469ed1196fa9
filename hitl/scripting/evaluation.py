"""How good a policy is alone: the episodes of `hitl eval`, for any policy in any environment."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gymnasium
from numpy.typing import NDArray

from data.errors import CheckpointError, HitlError, UsageError, shown
from data.files.paths import user_path
from data.numbers import whole
from data.ranges import ActionRange
from data.words import number_of
from hitl.games.pictures import SpaceSight
from hitl.protocols import EpisodeResult
from hitl.scripting.answers import action_of, place_of, reason_of
from hitl.scripting.takeover import Takeover
from hitl.settings import PictureSettings

FIRST_SEED = 1_000_000
"""The first start of `hitl eval`; each further ``seed`` begins a thousand later."""
Act = Callable[[Any], NDArray[Any]]


def evaluate(policy: Any, env: gymnasium.Env[Any, Any], episodes: int = 20, seed: int = 0) -> list[EpisodeResult]:
    """Drive deterministic episodes without help and return how each went, with the starts of `hitl eval --seed SEED`.

    ``policy``: a learner of hitl, the file of a checkpoint, a model of SB3's kind (``predict``), or a function from an
    observation to an action of the environment. Each result has ``total`` (the return), ``steps``, ``reason``, ``progress``
    (farthest metre; 0 where the environment does not tell) and, where there is a road, ``passed`` by corner. In a
    :class:`hitl.Takeover` the episodes are recorded as evaluations, and no one can take the wheel. Raises CheckpointError for a
    file that cannot be used, UsageError for a learner of other sizes than the environment's, for what a policy gives that is no
    action there, and for what is no single environment.
    """
    if isinstance(env, gymnasium.vector.VectorEnv) or hasattr(env, "num_envs"):
        raise UsageError("Episodes are driven one after the other: give one single environment instead of a vectorised one.")
    if not isinstance(env, gymnasium.Env):
        raise UsageError(
            f"{shown(repr(env))} is no Gymnasium environment: give the policy first, then one made by gymnasium.make(ID)."
        )
    episodes, seed = whole("episodes", episodes), whole("seed", seed, 0)
    took = env.wheel if isinstance(env, Takeover) else None
    purpose = took.purpose if took is not None else ""
    track: Any = getattr(env.unwrapped, "track", None)
    corners = getattr(track, "corners", ())
    results = []
    begin, act = _act_of(policy, env, seed)
    try:
        if took is not None:
            took.purpose = "evaluation"
        for k in range(episodes):
            begin()
            result = EpisodeResult("evaluation")
            observation, info = env.reset(seed=FIRST_SEED + 1000 * seed + k)
            over = False
            while not over:
                observation, reward, terminated, truncated, info = env.step(act(observation))
                result.total += float(reward)
                result.steps += 1
                result.progress = max(result.progress, place_of(info)[1])
                over = bool(terminated or truncated)
            result.reason = reason_of(info, bool(terminated))
            results.append(result.judge(corners))
    finally:
        if took is not None:
            took.purpose = purpose
    return results


def _act_of(policy: Any, env: gymnasium.Env[Any, Any], seed: int) -> tuple[Callable[[], None], Act]:
    """Return what is to be called as an episode begins, and the action for an observation."""
    if isinstance(policy, str | Path):
        from hitl.drivers.policy import ActorPolicy
        from trainer.checkpoints.files import load_policy

        file = user_path(policy)
        if zipfile.is_zipfile(file):
            raise CheckpointError(
                f"'{shown(file.name)}' is no checkpoint of hitl: it is an archive, as Stable-Baselines3 and PyTorch write them. "
                "Load it with what wrote it (as `SAC.load`), and give `evaluate` the model itself."
            )
        actor, meta = load_policy(file)
        if not meta.drives_alone:
            raise CheckpointError(
                f"The checkpoint '{Path(policy).name}' has learned to take over from another agent, and cannot drive alone: "
                "`hitl eval` with --agent measures the two together."
            )
        sizes = len(meta.observation_names), len(meta.action_names)
        return _driving(ActorPolicy(actor, seed), env, sizes, CheckpointError, _pictures_of(meta.observation_names))
    if hasattr(policy, "driving"):
        from hitl.session.lockstep import LearnerPolicy

        return _driving(LearnerPolicy(policy, seed), env, (policy.observation_size, policy.action_size), UsageError)
    if hasattr(policy, "predict"):
        return lambda: None, _acting(env, lambda observation: policy.predict(observation, deterministic=True)[0])
    if not callable(policy):
        raise UsageError(
            "A policy is a learner, the file of a checkpoint, a model with `predict`, or a function from an observation to an "
            f"action, not {shown(repr(policy))}."
        )
    return lambda: None, _acting(env, policy)


def _acting(env: gymnasium.Env[Any, Any], ask: Callable[[Any], Any]) -> Act:
    """Return somebody else's policy, whose actions are looked at where the environment takes a Box."""
    if not isinstance(space := env.action_space, gymnasium.spaces.Box):
        return ask
    return lambda observation: action_of(ask(observation), space.shape, "policy's action")


def _pictures_of(names: Sequence[str]) -> PictureSettings | None:
    """Return how a checkpoint that learned from these observations sees pictures; None where it saw none."""
    from trainer.replay.pixels import image_of

    image = image_of(names)
    return PictureSettings(image[1], image[2], image[0]) if image else None


def _driving(
    policy: Any,
    env: gymnasium.Env[Any, Any],
    sizes: tuple[int, int],
    error: type[HitlError],
    pictures: PictureSettings | None = None,
) -> tuple[Callable[[], None], Act]:
    """Let a network of ours drive: it sees one vector and acts in [-1, 1].

    ``sizes``: how many numbers it takes and gives. Raises ``error`` for an environment of others.
    """
    see, scaled = SpaceSight(env.observation_space, pictures), ActionRange(env.action_space)
    if sizes != (see.size, len(scaled)):
        raise error(
            f"This agent is for {number_of(sizes[0], 'observed number')} and {number_of(sizes[1], 'action number')}, and this "
            f"environment has {see.size} and {len(scaled)}. It can be evaluated where it was driven."
        )

    def begin() -> None:
        see.begin()
        policy.begin_episode()

    def act(observation: Any) -> NDArray[Any]:
        action = policy.act(see(observation), True)
        policy.stepped(action)
        return scaled(action)

    return begin, act
