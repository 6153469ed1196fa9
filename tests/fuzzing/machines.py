"""Readers of what other machines send: checkpoints, messages."""

# ruff: noqa: PT018 (an assertion is one thing that is asked of an answer)

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
import pickle
import tempfile
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from tests.fuzzing.episodes import mutate_run, samples
from tests.fuzzing.harness import Reader, RefusedError
from tests.fuzzing.mutate import dump_json, dump_odd, mutate_bytes, mutate_value
from tests.fuzzing.stores import ACTIONS, NAMES, check_new_steps, empty_store


@functools.cache
def checkpoint_bytes() -> bytes:
    """Return a small checkpoint of the daemon's kind."""
    import torch

    from trainer.checkpoints.files import save
    from trainer.checkpoints.meta import CheckpointMeta
    from trainer.config import BARE
    from trainer.learner.tqc import TQC

    learner = TQC(4, 2, BARE.with_values(hidden=8, layers=1, quantiles=3, drop_per_critic=1, actor_average=0.99))
    learner.updates = 100
    with tempfile.TemporaryDirectory() as name:
        meta = CheckpointMeta.of(learner, NAMES, ACTIONS, numbers={"online_steps": 24, "owed_updates": 0.0})
        file, _ = save(Path(name), learner, meta, {"rng.replay": torch.Generator().get_state()})
        return (Path(name) / file).read_bytes()


def _make_checkpoint(rng: Random) -> bytes:
    """Break it; often with a sum that is right, as an attacker would."""
    import torch
    from safetensors.torch import load, save

    from trainer.checkpoints.packed import digest

    data = checkpoint_bytes()
    kind = rng.random()
    if kind < 0.15:
        return data[: rng.randrange(len(data))]
    if kind < 0.35:
        return mutate_bytes(rng, data)
    if kind < 0.5:  # the header of safetensors itself
        size = int.from_bytes(data[:8], "little")
        header = json.loads(data[8 : 8 + size])
        raw = dump_json(mutate_value(rng, header))
        return rng.choice((len(raw), size, 2**40, 2**63, 0)).to_bytes(8, "little") + raw + data[8 + size :]
    tensors = load(data)
    text = json.loads(json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")])["__metadata__"]["hitl"])
    meta = dump_json(mutate_value(rng, text)).decode("utf-8", "replace") if kind < 0.8 else json.dumps(text)
    for _ in range(rng.randint(0, 2)):
        name = rng.choice(list(tensors))
        change = rng.randrange(5)
        if change == 0:
            del tensors[name]
        elif change == 1:
            tensors[name] = torch.zeros(rng.choice(((0,), (1,), (3, 3), (1, 8, 8), ())))
        elif change == 2:
            tensors[name] = tensors[name].to(
                rng.choice((torch.float16, torch.int64, torch.float64, torch.uint8, torch.bool))
            )
        elif change == 3 and tensors[name].dtype in (torch.float32, torch.float64):
            tensors[name] = torch.full_like(tensors[name], rng.choice((math.nan, math.inf, 1e30)))
        else:
            tensors["more." + name] = torch.zeros(2)
    arrays = {name: value.numpy() for name, value in tensors.items()}
    return save(tensors, {"hitl": meta, "digest": digest(arrays, meta)})


def _use_checkpoint(data: bytes, folder: Path) -> None:
    import torch

    from data.errors import HitlError
    from data.tables.checkpoints import CheckpointRecord
    from trainer.checkpoints.files import load_policy
    from trainer.checkpoints.packed import policy_only
    from trainer.daemon.resume import begin
    from trainer.daemon.wish import Wish

    path = folder / "000000100-aaaaaaaa.safetensors"
    path.write_bytes(data)
    refusals: list[HitlError] = []
    names = {f.name for f in dataclasses.fields(CheckpointRecord)}
    values = {
        "id": 1, "name": path.name, "sha256": hashlib.sha256(data).hexdigest(), "updates": 100, "env_steps": 24,
        "kind": "train", "config": {}, "parent": None, "best": False, "created": "2026-01-01T00:00:00.000Z",
    }  # fmt: skip
    record_ = CheckpointRecord(**{k: v for k, v in values.items() if k in names})

    def policy() -> None:
        actor, meta = load_policy(path)
        action = actor.act(torch.zeros(1, len(meta.observation_names)))
        assert action.shape == (1, len(meta.action_names)) and bool(torch.isfinite(action).all()), (
            "actions that are none"
        )
        policy_only(path)

    def go_on() -> None:
        start = begin(Wish.of({}), [record_], folder, lambda text: None)
        assert start is not None
        start.budget(24, 8), start.generator()
        assert start.learner.updates >= 0
        assert start.learner.healthy(), "weights that are not finite"

    for work in (policy, go_on):
        try:
            work()
        except HitlError as error:
            refusals.append(error)
    if refusals:
        raise refusals[0]


def _message() -> dict[str, Any]:
    at = np.zeros(4, "<f4").tobytes()
    act = np.zeros(2, "<f4").tobytes()
    session = {
        "uuid": "u" * 32, "kind": "play", "env": "box2d", "track": "hairpin", "hz": 20.0,
        "observation_names": json.dumps(NAMES), "action_names": json.dumps(ACTIONS), "reward": "{}", "seed": 1,
        "driver": "pad", "frame_shape": None, "started": "2026-01-01T00:00:00.000Z",
    }  # fmt: skip
    step = ("step", 0, 0, 1, 0.5, 0, 0, 1.0, 0.0, 0.0, 0.0, 0.0, 9.0, None, 5, at, act, act)
    ops = (
        ("episode", 0, "drive", None, 5, "2026-01-01T00:00:00.000Z"), step, (*step[:2], 1, *step[3:]),
        ("segment", 0, 0, "takeover", 0, "stick", None, 1.0, "2026-01-01T00:00:00.000Z"),
        ("stop", 0, 2, "cleared", False),
        ("end", 0, "terminated", None, at, 2, 1.0, 1.0, "2026-01-01T00:00:01.000Z"),
        ("event", "2026-01-01T00:00:00.000Z", "info", "note", "hello", None),
    )  # fmt: skip
    return {
        "kind": "data", "worker": "w" * 32, "name": "den", "run": "r" * 32, "seq": 1, "base": 0, "session": session,
        "ops": ops, "checkpoints": {5: "a.safetensors"},
    }  # fmt: skip


def _sound_message() -> bytes:
    from hitl.remote.codec import encode

    return encode(_message())


def _buffer(rng: Random) -> bytes:
    """Return samples as a worker of tmrl's own sends them."""
    from hitl.remote.wire import BUFFER

    state = {
        "memory": samples(rng), "stat_train_return": 1.0, "stat_test_return": 0.0, "stat_train_steps": 8,
        "stat_test_steps": 0, "maxlen": 100,
    }  # fmt: skip
    inside = dump_odd(rng, None)
    while len(inside) < 20:
        try:
            inside = pickle.dumps(mutate_run(rng, state), protocol=2)
        except (TypeError, ValueError, OverflowError, RecursionError, UnicodeError):
            continue
    return b"\x80\x04c" + BUFFER.replace(" ", "\n").encode() + b"\n)\x81" + inside[2:-1] + b"b."


def _make_message(rng: Random) -> bytes:
    from hitl.remote.codec import encode

    if rng.random() < 0.25:
        data = _buffer(rng)
        return mutate_bytes(rng, data, 4) if rng.random() < 0.35 else data

    value = rng.choice(
        (
            {"kind": "state", "acks": {"r": 1}},
            {"kind": "weights", "name": "000000100-aaaaaaaa.safetensors", "data": checkpoint_bytes()},
            _message(),
            _message(),
            _message(),
        )
    )
    try:
        data = encode(mutate_value(rng, value, 4))
    except (TypeError, ValueError, RecursionError, OverflowError):
        data = encode(value)
    return mutate_bytes(rng, data, 4) if rng.random() < 0.35 else data


def _use_message(data: bytes, folder: Path) -> None:
    """Hear it as the trainer's side does, and as the worker's."""
    from data.exchange.unpickle import Holder
    from data.store import Store
    from hitl.home import Home
    from hitl.remote.forward import take_weights
    from hitl.remote.receive import Inbox, _take
    from hitl.remote.tmrl_samples import TmrlSamples
    from hitl.remote.wire import Unreadable, unpack

    message = unpack(data)
    if isinstance(message, Unreadable):
        raise RefusedError(message.why)
    if not isinstance(message, dict | Holder):
        raise RefusedError("no message")
    home = Home(folder).create()
    home.store_path.write_bytes(empty_store())
    said: list[str] = []
    inbox, foreign = Inbox(home), TmrlSamples(home)
    try:
        if isinstance(message, Holder):
            foreign.take(message.state, said.append)
        elif message.get("kind") == "weights" and "name" in message:
            take_weights(home, message, said.append)
        else:
            _take(inbox, message, said.append)
    finally:
        inbox.close()
        foreign.close()
    with Store(home.store_path) as store:
        left = [t for t in store.check() if "cut off" not in t]
        assert not left, f"what was taken is not sound: {left}"
        from data.reading.follow import Follower

        with Follower(home.store_path) as follower:
            check_new_steps(follower.poll())
    assert not [p.name for p in home.checkpoints.iterdir() if p.suffix != ".safetensors"], "a half file is left"
    if said and not said[0].startswith("New weights"):
        raise RefusedError(said[0])


READERS = (
    Reader("checkpoint", _make_checkpoint, _use_checkpoint, checkpoint_bytes),
    Reader("message", _make_message, _use_message, _sound_message),
)
