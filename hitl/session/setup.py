"""Everything a session needs, put together: game, task, environment, policy, human side, recorder."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from types import TracebackType

from data.errors import CheckpointError, StoreError, UsageError
from data.recording.recorder import Recorder
from data.records import SessionInfo
from data.store import Corner as StoredCorner
from data.store import Store
from data.suggest import did_you_mean
from data.tracks import plain
from hitl.drivers.human import HumanSide, device_hub
from hitl.drivers.policy import CheckpointPolicy
from hitl.games.open_game import open_world
from hitl.home import Home
from hitl.protocols import EpisodeResult, Tick
from hitl.road.corner_mining import same_stretch
from hitl.road.corners import Corner
from hitl.road.known_tracks import file_under
from hitl.road.track import Track
from hitl.session.help_requests import PolicyForesight
from hitl.session.offers import CornerOffers
from hitl.session.session import Session
from hitl.session_options import SessionOptions
from hitl.timing.clocks import Lateness, punctual


def _alike(corner: StoredCorner, span: tuple[float, float]) -> bool:
    """Tell whether a corner begins and ends there, as far as a line with other decimals can tell."""
    return abs(corner.from_m - span[0]) <= 1.0 and abs(corner.to_m - span[1]) <= 1.0


class SessionSetup:
    """A session ready to drive. Use it as a context manager: leaving it writes down what is left and lets go of the game."""

    def __init__(
        self,
        home: Home,
        options: SessionOptions,
        *,
        wheel: Callable[[Track], HumanSide] | None = None,
        watch: Callable[[Tick], None] | None = None,
        stop: Callable[[], bool] = lambda: False,
        tell: Callable[[str, str], None] = lambda level, text: None,
    ) -> None:
        self._quiet = contextlib.ExitStack()
        # First of all: a wrong track or a game that is not there must leave nothing behind.
        self.world = world = open_world(options, home)
        self.home, self.options = home.create(), options
        self.env, self.track, self.task, self._clock = world.env, world.track, world.task, world.clock
        self.observation_names, self.action_names = world.observation_names, world.action_names
        try:
            if options.kind == "evaluation":
                self._need_checkpoint()
            self._assemble(wheel, watch, stop, tell)
        except BaseException:
            world.close()
            raise

    def _need_checkpoint(self) -> None:
        """Raise CheckpointError before anything is made: a try that fails leaves nothing in the store."""
        with Store.open(self.home.store_path) as store:
            if not store.checkpoints():
                raise CheckpointError("This home folder has no checkpoint yet: train first (`hitl train`).")

    def _assemble(
        self,
        wheel: Callable[[Track], HumanSide] | None,
        watch: Callable[[Tick], None] | None,
        stop: Callable[[], bool],
        tell: Callable[[str, str], None],
    ) -> None:
        home, options, world = self.home, self.options, self.world
        said = self._file_track()
        self.corners: tuple[Corner, ...] = self._known_corners()
        self.offers = CornerOffers(self.corners, options.help.offer, self._only(), options.help.offer_s)
        self.policy = CheckpointPolicy(home, self.observation_names, self.action_names, seed=options.seed)
        self._told_agent = False
        self.policy.on_load = lambda learned_on: self._compare_agent(learned_on, tell)
        per_minute = options.help.requests_per_minute
        self.foresight = (
            PolicyForesight(home, self.policy, self.track.name, per_minute, world.task.settings.hz)
            if per_minute > 0
            else None
        )
        self.human = wheel(self.track) if wheel else None
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
            self.env,
            self.policy,
            self.recorder,
            action_names=self.action_names,
            observation_names=self.observation_names,
            corners=self.corners,
            human=self.human,
            settings=options.gating,
            clock=world.clock,
            hz=world.task.settings.hz,
            watch=watch,
            stop=stop,
            freeze=world.hold,
            release=world.release,
            controls=world.controls,
            tell=tell,
            offers=self.offers,
            foresight=self.foresight,
        )
        self.session.rumble, self.session.rule = options.help.rumble, self._rule
        self.session.greedy_every = options.greedy_every
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
        for corner in self.corners:
            if corner.name == name:
                return corner
        known = ", ".join(f"'{c.name}'" for c in self.corners) or "none yet"
        meant = did_you_mean(name, [c.name for c in self.corners])
        raise UsageError(f"Track '{self.track.name}' has no corner '{name}'; its corners are {known}.{meant}")

    def _file_track(self) -> list[str]:
        """Call the track what the store calls it, which knows it by its line; return what the player must be told."""
        self._digest = ""
        if not self.world.has_line:
            return []
        with Store.open(self.home.store_path) as store:
            self.track, self._digest, said = file_under(store.conn, self.track)
        return said

    def _known_corners(self) -> tuple[Corner, ...]:
        """Return the track's corners and those that the player has named, and make sure that the store knows them."""
        with Store.open(self.home.store_path) as store:
            self._rule = store.rule()
            stored = {c.name: c for c in store.corners(self.track.name)}
            for corner in self.track.corners:
                here = (corner.from_m, corner.to_m)
                renamed = any(c.source == "player" and same_stretch((c.from_m, c.to_m), here) for c in stored.values())
                # What the track itself names is where the track says, whatever another one of its name has left here.
                moved = corner.name in stored and stored[corner.name].source == "track" and not _alike(stored[corner.name], here)
                if moved or (corner.name not in stored and not renamed):
                    store.upsert_corner(self.track.name, corner.name, corner.from_m, corner.to_m, "track")
            named = [Corner(c.name, c.from_m, c.to_m) for c in store.corners(self.track.name)]
        return tuple(sorted(named, key=lambda c: c.from_m))

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
        return getattr(self._clock, "lateness", None)

    def star(self) -> None:
        """Give the verdict ``star`` to what the player starred since the last call. It waits for the disk.

        While the store cannot be written, the stars are kept for the next call.
        """
        if not self.session.starred or not self.written(5.0):
            return
        numbers = self.session.starred
        with contextlib.suppress(StoreError), Store.open(self.home.store_path, busy_timeout_s=1.0) as store:
            ids = [
                row[0]
                for number in numbers
                for row in store.conn.execute(
                    "SELECT id FROM segments WHERE session_id = ? AND number = ?", (self.recorder.session_id, number)
                )
            ]
            if ids:
                store.label(ids, verdict="star")
            self.session.starred = []

    def evaluate(self, episodes: int = 20, first_seed: int = 1_000_000) -> list[EpisodeResult]:
        """Drive deterministic episodes without help, all with the checkpoint that drives the first one."""
        was_fixed = self.policy.fixed
        self.policy.begin_episode()
        results = []
        self.policy.fixed = True  # the trainer may write newer ones meanwhile
        try:
            for k in range(episodes):
                results.append(self.session.episode("evaluation", seed=first_seed + k))
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
