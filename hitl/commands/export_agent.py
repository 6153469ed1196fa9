"""`hitl export agent OUT`: what drives here, as a file that your own programs run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from data.errors import UsageError, shown
from data.files.replacing import refuse_present
from hitl.arguments import Parser, add_agent, agent_given, whole
from hitl.home import Home, add_home, home_path, in_home

if TYPE_CHECKING:
    from torch import nn

    from data.store import Store
    from hitl.settings import AgentSettings
    from trainer.checkpoints.meta import CheckpointMeta
    from trainer.networks.actor_critic import Actor

FORMS = (".pt", ".ts", ".onnx", ".zip")
MOST = 50_000  # steps that it is taught with, the newest ones


def main(argv: list[str]) -> int:
    """Write the file."""
    parser = Parser(
        prog="hitl export agent",
        description="Write the actor that drives without noise, the proven one where there is one, as TorchScript (.pt, .ts) or "
        "ONNX (.onnx); where it drives beside an agent, the two as one program. Or back into the archive of Stable-Baselines3 "
        "that an agent came in (.zip): that archive's network is taught on the recorded observations to do the same.",
    )
    add_home(parser, or_last_demo=True)
    parser.add_argument("out", type=Path, metavar="OUT", help="the file to make; its ending says which form")
    parser.add_argument(
        "--checkpoint", default="latest", metavar="WHICH", help="best, latest, a number or a file name (default: latest)"
    )
    add_agent(parser)
    parser.add_argument("--track", metavar="TRACK", help="for an agent with ours beside it: the track that a program is for")
    parser.add_argument("--seed", type=whole(0), default=0, help="of the teaching of a .zip (default: 0)")
    args = parser.parse_args(argv)
    if args.out.suffix.lower() not in FORMS:
        parser.error(f"OUT must end in one of {', '.join(FORMS)}")
    refuse_present(args.out)

    from hitl.drivers.policy import find_checkpoint
    from trainer.checkpoints.files import load_policy

    home = home_path(args)
    record = find_checkpoint(home, args.checkpoint)
    actor, meta = load_policy(home.checkpoints / record.name)
    _need_ours(record.name, meta)
    if args.out.suffix.lower() == ".zip":
        print(in_home(_into_archive(home, args.out, actor, meta, agent_given(args), args.seed), args.home))
        return 0
    from hitl.agents.export import programs

    module, beside = programs.driving_module(actor), ""
    if not meta.drives_alone:
        module, beside = _together(home, module, meta, agent_given(args), args.track or "")
    write = programs.write_onnx if args.out.suffix.lower() == ".onnx" else programs.write_torchscript
    write(module, len(meta.observation_names), args.out, placed=bool(beside))
    taken = f"{len(meta.observation_names)} numbers{' and the metres along the track' if beside else ''}"
    print(
        f"{args.out.name} does what {record.name} does without noise{beside}: {taken} in, "
        f"{len(meta.action_names)} out ({', '.join(meta.action_names)}), from -1 to 1."
    )
    return 0


def _need_ours(name: str, meta: CheckpointMeta) -> None:
    """Raise UsageError where a checkpoint drives nowhere: what would go out is the agent as it came in."""
    if meta.drives_alone or any(meta.zones_on(track) for track in meta.zones):
        return
    if meta.config.get("frozen_teaches"):
        raise UsageError(
            f"With {name} your agent still drives, and not ours, which is learning what it does: there is nothing to export yet. "
            "It takes at least five drives of your agent without help (`hitl play --agent FILE`) and a trainer (`hitl train`). "
            "`hitl train status` says how near ours is; export again once it drives."
        )
    raise UsageError(
        f"With {name} ours has not learned to take over anywhere yet, so there is nothing to export: help the agent "
        "(`hitl play --agent FILE`), and let a trainer learn from that (`hitl train`)."
    )


def _together(
    home: Home, ours: nn.Module, meta: CheckpointMeta, given: dict[str, object], track: str
) -> tuple[nn.Module, str]:
    """Return the agent that drove here and ours beside it as one, and which is where; only ours, and "", where that is all.

    ``track``: the name of the one that it is for. Raises UsageError where it is another, or must be named.
    """
    from hitl.agents.export.together import together
    from hitl.agents.opening import open_agent
    from trainer.checkpoints.meta import EVERYWHERE

    tracks = [name for name in meta.zones if meta.zones_on(name)]
    if track not in tracks and (track or len(tracks) > 1):
        known = ", ".join(f"'{name}'" for name in tracks)
        raise UsageError(f"Ours takes over on {known}: say with --track which one the program is for.")
    zones = meta.zones[track or tracks[0]]
    if zones in ([(-EVERYWHERE, EVERYWHERE)], [(0.0, 0.0)]):  # a game without a road; from 0 to 0 m in older checkpoints
        return ours, ""
    agent = open_agent(_wanted(home, given), home, tuple(meta.observation_names), tuple(meta.action_names))
    places = ", ".join(f"{low:.0f} to {high:.0f} m" for low, high in zones)
    said = f" where you helped on '{shown(track or tracks[0])}' ({places}), and elsewhere what '{agent.identity.name}' does"
    return together(agent, ours, zones), said


def _wanted(home: Home, given: dict[str, object], ending: str = "") -> AgentSettings:
    """Return how an agent is opened: the one that is set or ``given``, or else the newest that drove here, from a file with this
    ``ending``.

    Raises UsageError where there is none.
    """
    from data.store import Store
    from hitl.agents.keeping import kept_settings, known_agents
    from hitl.agents.own_code import named_agent
    from hitl.settings import load

    wanted = named_agent(home, load(home, "agent", over={"agent": given}))
    if wanted.use not in ("", "none"):
        return wanted
    with Store.open_existing(home.store_path) as store:
        known = [k for k in known_agents(store) if str(k.get("name", "")).lower().endswith(ending)]
    if not known:
        what = "agent of Stable-Baselines3 has driven here: name its archive" if ending else "agent has driven here: name it"
        raise UsageError(f"No {what} with --agent FILE.")
    return kept_settings(home, known[-1])


def _into_archive(
    home: Home, out: Path, actor: Actor, meta: CheckpointMeta, given: dict[str, object], seed: int
) -> str:
    """Write a copy of the agent's archive that drives as the actor does, and return what is to be said of it."""
    from data.files.paths import as_typed
    from data.store import Store
    from data.words import number_of
    from hitl.agents.export.sb3 import distill
    from hitl.agents.opening import file_of, open_agent

    wanted = _wanted(home, given, ".zip")
    archive = file_of(wanted, home)
    if archive is None or archive.suffix.lower() != ".zip":
        raise UsageError(
            "Only an archive of Stable-Baselines3 can be written as .zip: name it with --agent FILE, or export a .pt."
        )
    agent = open_agent(wanted, home, tuple(meta.observation_names), tuple(meta.action_names))
    with Store.open_existing(home.store_path) as store:
        left = distill(agent, archive, _episodes(store, meta), _along(actor), out, seed)
    shown_by = ["--agent-normalize", as_typed(wanted.normalize)] if wanted.normalize else []
    shown_by += ["--agent-stack", str(wanted.stack)] if wanted.stack > 1 else []
    command = " ".join(["hitl eval --agent-alone", "--agent", as_typed(out), *shown_by])
    return (
        f"{out.name} is '{archive.name}' with a network that was taught on {number_of(left.steps, 'step')} to drive as here. "
        f"On episodes held out, its actions (-1 to 1) are {left.mean:.3f} off on average, 95 % of them less than "
        f"{left.p95:.3f}, at most {left.most:.2f}. Measure it by itself: `{command}`."
    )


def _episodes(store: Store, meta: CheckpointMeta) -> Iterator[tuple[NDArray[np.float32], NDArray[np.bool_]]]:
    """Yield the newest episodes with the checkpoint's layout, up to ``MOST`` steps in all.

    Of each the observations (T, O), and where the checkpoint's actor drives (T,): everywhere, unless it does so beside an agent.
    """
    from data.numbers import usable_rows

    count, tracks = 0, {session.id: session.track for session in store.sessions()}
    observation_names, action_names = tuple(meta.observation_names), tuple(meta.action_names)
    for episode in reversed(store.episodes(closed=False)):
        if (episode.observation_names, episode.action_names) != (observation_names, action_names) or count >= MOST:
            continue
        steps = store.steps(episode, columns=("observation", "progress"))
        seen, metres = steps.observation, steps.progress
        inside = np.full(len(seen), meta.drives_alone)
        for low, high in meta.zones_on(tracks.get(episode.session_id, "")):
            inside |= ((metres >= low) & (metres <= high)) | np.isnan(metres)
        if len(seen) and usable_rows(seen, seen).all():
            count += len(seen)
            yield seen.copy(), inside  # torch wants what it may write to


def _along(actor: Actor) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return what gives the actor's actions (T, A) along an episode's observations (T, O)."""
    import torch

    from trainer.networks.actor_critic import remember

    def along(seen: NDArray[np.float32]) -> NDArray[np.float32]:
        memory = remember(actor)
        if memory is None:
            return actor.act(torch.from_numpy(seen), True).numpy()
        chosen = []
        for observation in torch.from_numpy(seen):
            action = actor.act(observation[None], True, None, memory)
            memory.stepped(action)
            chosen.append(action)
        return torch.cat(chosen).numpy()

    return along
