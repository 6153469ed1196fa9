"""Everything a session needs, put together: game, task, environment, policy, human side, recorder."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from data.errors import CheckpointError, StoreError
from data.recording.recorder import Recorder
from data.records import Corner, SessionInfo
from data.store import Store
from data.tables.tracks import plain
from hitl.drivers.human import HumanSide, device_hub
from hitl.drivers.policy import CheckpointPolicy, NetworkPolicy
from hitl.games.open_game import open_world
from hitl.home import Home
from hitl.protocols import EpisodeResult, Tick
from hitl.road.corner_mining import same_stretch
from hitl.road.corners import corner_called
from hitl.road.known_tracks import file_under
from hitl.road.track import Track
from hitl.session.help_requests import PolicyForesight
from hitl.session.offers import CornerOffers
from hitl.session.session import Session
from hitl.session_options import SessionOptions
from hitl.timing.clocks import Lateness, punctual

MakePolicy = Callable[[tuple[str, ...], tuple[str, ...]], NetworkPolicy]


def _alike(corner: Corner, span: tuple[float, float]) -> bool:
    """Tell whether a corner begins and ends there, as far as a line with other decimals can tell."""
    return abs(corner.from_m - span[0]) <= 1.0 and abs(corner.to_m - span[1]) <= 1.0


class SessionSetup:
    """A session ready to drive. Use it as a context manager: leaving it writes down what is left and lets go of the game."""

    def __init__(
        self,
        home: Home,
        options: SessionOptions,
        *,
        policy: MakePolicy | None = None,
        human: Callable[[Track], HumanSide] | None = None,
        watch: Callable[[Tick], None] | None = None,
        stop: Callable[[], bool] = lambda: False,
        tell: Callable[[str, str], None] = lambda level, text: None,
    ) -> None:
        """``policy`` is called with the names of observation and action; None: the home's newest checkpoint drives."""
        self._quiet = contextlib.ExitStack()
        # First of all: a wrong track or a game that is not there must leave nothing behind.
        self.world = world = open_world(options, home)
        self.home, self.options = home.create(), options
        self.env, self.track, self.task = world.env, world.track, world.task
        self.observation_names, self.action_names = world.observation_names, world.action_names
        try:
            if options.kind == "evaluation":
                self._need_checkpoint()
            self._assemble(policy or self._checkpoints(tell), human, watch, stop, tell)
        except BaseException:
            world.close()
            raise

    def _need_checkpoint(self) -> None:
        """Raise CheckpointError before anything is made: a try that fails leaves nothing in the store."""
        with Store(self.home.store_path) as store:
            if not store.checkpoints():
                raise CheckpointError("This home folder has no checkpoint yet: train first (`hitl train`).")

    def _checkpoints(self, tell: Callable[[str, str], None]) -> MakePolicy:
        """Return what makes the policy that drives by the home's newest checkpoint."""
        self._told_agent = False

        def made(observation_names: tuple[str, ...], action_names: tuple[str, ...]) -> CheckpointPolicy:
            policy = CheckpointPolicy(self.home, observation_names, action_names, seed=self.options.seed)
            policy.on_load = lambda learned_on: self._compare_agent(learned_on, tell)
            return policy

        return made

    def _assemble(
        self,
        policy: MakePolicy,
        human: Callable[[Track], HumanSide] | None,
        watch: Callable[[Tick], None] | None,
        stop: Callable[[], bool],
        tell: Callable[[str, str], None],
    ) -> None:
        home, options, world = self.home, self.options, self.world
        said = self._file_track()
        self.corners: tuple[Corner, ...] = self._known_corners()
        self.offers = CornerOffers(self.corners, options.help.offer, self._only(), options.help.offer_s)
        driving = policy(self.observation_names, self.action_names)
        self.policy: Any = driving  # a CheckpointPolicy, unless another was asked for
        per_minute = options.help.requests_per_minute
        self.foresight = (
            PolicyForesight(home, driving, self.track.name, per_minute, world.task.settings.hz)
            if per_minute > 0
            else None
        )
        self.human = human(self.track) if human else None
        world.heed(stop)
        world.plug(device_hub(self.human))  # now that the player's own pad is known
        self.recorder = Recorder(
            home.store_path,
            SessionInfo(
                kind=options.kind,
                env=options.env,
                track=self.track.name,
                hz=world.task.settings.hz,
                observation_names=self.observation_names,
                action_names=self.action_names,
                reward=world.reward,
                seed=options.seed,
                driver=self.human.name if self.human else "",
                frame_shape=world.frame_shape or None,
                track_digest=self._digest,
            ),
        )
        for sentence in said:
            tell("info", sentence)
            self.recorder.event("track", sentence)
        self.session = Session(
            world,
            driving,
            self.recorder,
            options,
            offers=self.offers,
            human=self.human,
            foresight=self.foresight,
            rule=self._rule,
            watch=watch or (lambda tick: None),
            stop=stop,
            tell=tell,
        )
        if options.real_time:
            self._quiet.enter_context(punctual())

    def _only(self) -> str:
        """Return the only corner that may be driven, "" for all; raise UsageError where there is none of that name."""
        name = self.options.only_corner
        if name:
            self.corner(name)
        return name

    def corner(self, name: str) -> Corner:
        """Return the corner of that name, the track's or the player's. Raises UsageError."""
        return corner_called(name, self.corners, self.track.name)

    def _file_track(self) -> list[str]:
        """Call the track what the store calls it, which knows it by its line; return what the player must be told."""
        self._digest = ""
        if not self.world.has_line:
            return []
        with Store(self.home.store_path) as store:
            self.track, self._digest, said = file_under(store, self.track)
        return said

    def _known_corners(self) -> tuple[Corner, ...]:
        """Return the track's corners and those that the player has named, and make sure that the store knows them."""
        with Store(self.home.store_path) as store:
            self._rule = store.rule()
            stored = {c.name: c for c in store.corners(self.track.name)}
            source = store.corner_sources(self.track.name)
            for corner in self.track.corners:
                here = (corner.from_m, corner.to_m)
                renamed = any(
                    source[c.name] == "player" and same_stretch((c.from_m, c.to_m), here) for c in stored.values()
                )
                # What the track itself names is where the track says, whatever another one of its name has left here.
                moved = corner.name in stored and source[corner.name] == "track" and not _alike(stored[corner.name], here)
                if moved or (corner.name not in stored and not renamed):
                    store.upsert_corner(self.track.name, corner.name, corner.from_m, corner.to_m, "track")
            return tuple(store.corners(self.track.name))

    @property
    def known_by(self) -> dict[str, str]:
        """The track's name by its digest; empty where there is no line."""
        return {self._digest: plain(self.track.name)} if self._digest else {}

    def _compare_agent(self, learned_on: Mapping[str, str], tell: Callable[[str, str], None]) -> None:
        """Tell the player, once, that the agent has learned on other tracks than this one."""
        if self._told_agent or not learned_on or not self._digest or self._digest in learned_on:
            return
        self._told_agent = True
        name = plain(self.track.name)
        others = ", ".join(f"'{other}'" for other in dict.fromkeys(learned_on.values()))
        which = f"another track called '{name}'" if name in learned_on.values() else others
        sentence = (
            f"The agent has learned on {which} and not on this one yet. It drives, and learns this one beside the other; "
            "to train an agent for this track alone, give it a home folder of its own (--home)."
        )
        tell("info", sentence)
        self.recorder.event("track", sentence)

    @property
    def lateness(self) -> Lateness | None:
        """How punctual the actions are; None in lock-step."""
        return getattr(self.world.clock, "lateness", None)

    def star(self) -> None:
        """Give the verdict ``star`` to what the player starred since the last call. It waits for the disk.

        While the store cannot be written, the stars are kept for the next call.
        """
        numbers = self.session.segments.starred
        if not numbers or not self.written(5.0):
            return
        with contextlib.suppress(StoreError), Store(self.home.store_path, busy_timeout_s=1.0) as store:
            ids = [s.id for s in store.segments(session=self.recorder.session_id, numbers=numbers)]
            if ids:
                store.label(ids, verdict="star")
            self.session.segments.starred = []

    def evaluate(self, episodes: int = 20, first_seed: int = 1_000_000) -> list[EpisodeResult]:
        """Drive deterministic episodes without help, all with the checkpoint that drives the first one.

        Fewer come back, perhaps none, where the player leaves meanwhile.
        """
        was_fixed = self.policy.fixed
        self.policy.begin_episode()
        results = []
        self.policy.fixed = True  # the trainer may write newer ones meanwhile
        try:
            for k in range(episodes):
                result = self.session.episode("evaluation", seed=first_seed + k)
                if result.reason == "stopped":
                    break
                results.append(result)
        finally:
            self.policy.fixed = was_fixed
        return results

    def written(self, timeout: float = 30.0) -> bool:
        """Wait until everything recorded so far is in the store; tells whether it is."""
        deadline = time.monotonic() + timeout
        while not self.recorder.flush(1.0):
            if time.monotonic() > deadline:
                return False
        return True

    def close(self) -> None:
        """Write down what is left and let go of the game."""
        self._quiet.close()
        self.recorder.close()
        self.world.close()

    def __enter__(self) -> SessionSetup:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
