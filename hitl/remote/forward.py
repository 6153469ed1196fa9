"""A worker's side: its messages go out, the trainer's state and its weights come back."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from data.errors import HitlError, InputFileError, shown
from data.files import held
from data.files.left_behind import remove_left_behind
from data.store import Store
from data.words import number_of
from hitl.home import Home
from hitl.remote.checks import check_trainers
from hitl.remote.elsewhere import FarTrainer
from hitl.remote.link import Access, connection
from hitl.remote.outbox import Outbox
from hitl.remote.reach import Reach
from hitl.remote.wire import WorkerGreeting

SILENCE_S = 6.0  # without a message from the trainer, after which nothing more is sent
AGAIN_S = 3.0  # without progress, after which what was not acknowledged is sent again
POLL_S = 0.02
GREETING_S = 1.0  # between two greetings of a silent trainer; five times that of one that answers
ASK_S = 3.0  # between two tries to get weights

REST_BY = "`hitl worker --send-only`"


class TrainerMessages:
    """Receives the trainer's messages, through our own server or tmrl's.

    They are consumables and not broadcasts, because a broadcast reaches tmrl's own workers too, and they take all that they
    receive for weights. Each message is asked for once: when the connection is made, and when the last one has come.
    """

    def __init__(self, endpoint: Any) -> None:
        self._endpoint = endpoint
        self._link: Any = None

    def listen(self) -> tuple[list[dict[str, Any]], bool]:
        """Return the trainer's messages, and whether the connection is a new one."""
        link = connection(self._endpoint)
        new = link is not None and link is not self._link
        if new:
            self._link = link
            self._endpoint.notify({"workers": 1})
        heard = [message for message in self._endpoint.receive_all() if isinstance(message, dict)]
        if heard:
            self._endpoint.notify({"workers": len(heard)})
        return heard, new


def forward(
    endpoint: Any, home: Home, name: str | None, stopping: Callable[[], bool], say: Callable[[str], None], *, to: Access,
    everything: bool, rest_by: str = REST_BY,
) -> bool:
    """Send until told to stop, and then until everything has arrived or the trainer no longer answers.

    ``name``: see `Outbox`; ``rest_by``: the command that sends what waits. Returns whether everything has arrived.
    """
    outbox, inbound = _outbox(home, name, everything, stopping, say), TrainerMessages(endpoint)
    reach = Reach(endpoint, to, "trainer", "The trainer answers; recordings are sent to it.", time.monotonic(), home.root)
    far = FarTrainer(home.root)
    heard = moved = greeted = asked = 0.0
    connected, until, trouble = False, None, ""
    refused: set[str] = set()  # weights that could not be used
    nonsense: set[str] = set()  # what was said of messages that are none
    while True:
        now = time.monotonic()
        messages, greet = inbound.listen()
        for message in messages:
            try:
                check_trainers(message, outbox.worker, outbox.run)
            except ValueError as error:
                if (text := f"A message from the trainer was left out: {shown(error, 120)}.") not in nonsense:
                    nonsense.add(text)
                    say(text)
                continue
            if message.get("kind") == "state":
                far.heard(message, now)
                if outbox.may_send(message):
                    heard = now
                if outbox.acknowledged(message["acks"].get(outbox.run, 0)):
                    moved = now
                if (told := shown(message.get("trouble") or "", 200)) != trouble:
                    trouble = told
                    say(_stored(outbox, trouble))
                wanted = message.get("weights") or ""
                if wanted and wanted not in refused and now - asked > ASK_S and is_missing(home, wanted):
                    asked = now
                    endpoint.produce({"kind": "want", "worker": outbox.worker, "name": outbox.name}, "trainers")
            elif message.get("kind") == "weights" and not take_weights(home, message, say):
                refused.add(message["name"])
        alive = heard > 0 and now - heard < SILENCE_S
        if greet or now - greeted > (5 * GREETING_S if alive else GREETING_S):
            greeted = now
            if connection(endpoint) is not None:  # else it would only be kept for later
                endpoint.produce(WorkerGreeting(outbox.worker, outbox.name), "trainers")
        if alive != connected:
            connected, moved = alive, now
        if told := reach.news(alive, now):
            say(told if alive or stopping() else f"{told} {_waits(outbox)}")  # at the end the last line counts what waits
        if stopping() and until is None:
            until = now + 15.0
        if alive:
            if outbox.waiting and now - moved > AGAIN_S:
                outbox.resend()
                moved = now
            while (made := outbox.next()) is not None:
                moved = now if outbox.waiting == 1 else moved
                endpoint.produce(made, "trainers")
        while outbox.said:
            say(outbox.said.pop(0))
        if until is not None and ((alive and not outbox.waiting) or now > until or (not alive and now > until - 9.0)):
            break
        time.sleep(POLL_S)
    unsent = outbox.unsent()
    whole = not unsent and outbox.is_empty()
    if unsent:
        rest = f"; {number_of(unsent, 'step waits', 'steps wait')} here: {rest_by} sends the rest"
    elif not whole:
        rest = f"; reviews or ends of drives wait here: {rest_by} sends them"
    else:
        rest = " at the trainer" if alive else "; nothing waits here to be sent"
    say(f"{number_of(outbox.steps, 'step has', 'steps have')} arrived{rest}.")
    outbox.close()
    return whole


def _outbox(home: Home, name: str | None, everything: bool, stopping: Callable[[], bool], say: Callable[[str], None]) -> Outbox:
    """Return the outbox as soon as what was sent before can be read; until then, the session drives on."""
    told = False
    while True:
        try:
            return Outbox(home, name, everything)
        except InputFileError as error:
            if stopping():
                raise
            if not told:
                say(f"{error} What is driven is kept here, and will be sent as soon as it can be read.")
            told = True
        time.sleep(AGAIN_S)


def _stored(outbox: Outbox, trouble: str) -> str:
    """Say that the trainer's store takes nothing now, and why, or that it takes it again."""
    if not trouble:
        return "The trainer stores what is sent again."
    waiting = number_of(outbox.unsent(), "step waits", "steps wait")
    return f"The trainer's machine cannot store what is sent ({trouble}): {waiting} here, and will be sent again."


def _waits(outbox: Outbox) -> str:
    """Return what becomes of the recordings while nobody answers."""
    if unsent := outbox.unsent():
        return f"{number_of(unsent, 'step waits', 'steps wait')} here, and will be sent as soon as it answers."
    return "What is driven is kept here, and will be sent as soon as it answers."


def is_missing(home: Home, name: str) -> bool:
    """Return whether there are no weights of that name here."""
    try:
        return not (home.checkpoints / Path(name).name).exists()
    except OSError:  # no file can be called so
        return True


def take_weights(home: Home, message: dict[str, Any], say: Callable[[str], None]) -> bool:
    """Write a checkpoint that was sent into this home; returns whether it can be used."""
    from trainer.checkpoints.meta import CheckpointMeta
    from trainer.checkpoints.packed import unpack

    name = Path(str(message["name"])).name
    if not name.endswith(".safetensors"):
        return False
    if not is_missing(home, name):
        return True
    remove_left_behind(home.checkpoints, r"\..*\.", r"\.part")
    half = home.checkpoints / f".{name}.{os.getpid()}.part"
    try:
        data = message["data"]
        if not isinstance(data, bytes):
            raise TypeError("they are not a file")
        meta = CheckpointMeta.from_json(json.loads(unpack(data)[1]))
        half.write_bytes(data)
        held.replace(half, home.checkpoints / name)
        with Store(home.store_path) as store:
            store.add_checkpoint(
                name, hashlib.sha256(data).hexdigest(), meta.updates, meta.env_steps, meta.kind, meta.config,
            )  # fmt: skip
    except (HitlError, OSError, sqlite3.Error, KeyError, TypeError, ValueError) as error:
        with contextlib.suppress(OSError):
            held.unlink(half)
        say(f"Weights from the trainer could not be used: {shown(error, 200)}")
        return False
    say(f"New weights from the trainer: {number_of(meta.updates, 'update')}.")
    return True
