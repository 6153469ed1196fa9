"""Everything a session needs, put together: game, task, environment, policy, human side, recorder."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Any

from data.errors import CheckpointError, DeviceError, StoreError, UsageError, shown
from data.recording.recorder import Recorder
from data.records import Corner, SessionInfo
from data.store import Store
from data.tables.tracks import plain
from hitl.agents.beside import BesidePolicy
from hitl.agents.pad import PadPolicy
from hitl.agents.policy import ForeignPolicy
from hitl.coach import past
from hitl.coach.earned import Earned
from hitl.coach.observer import Coaching
from hitl.coach.rules import Coach, Said, Say, Tell, in_english
from hitl.coach.speeds import Speeds
from hitl.drivers.human import HumanSide, button_names, device_hub, persons_pad
from hitl.drivers.policy import NO_CHECKPOINT, CheckpointPolicy, NetworkPolicy
from hitl.games.open_game import open_world
from hitl.games.world import World
from hitl.home import Home
from hitl.protocols import EpisodeResult, Tick
from hitl.road.corners import corner_called
from hitl.road.known_tracks import file_under, known_corners
from hitl.road.time_lost import stored_time_lost
from hitl.road.track import Track
from hitl.session.help_requests import PolicyForesight
from hitl.session.offers import CornerOffers
from hitl.session.session import Session
from hitl.session_options import SessionOptions
from hitl.timing.clocks import Lateness, LockstepClock, punctual
from takeover_ui.language import ENGLISH

MakePolicy = Callable[[tuple[str, ...], tuple[str, ...]], NetworkPolicy | ForeignPolicy]


class SessionSetup:
    """A session ready to drive. Use it as a context manager: leaving it writes down what is left and lets go of the game."""

    _told_agent = False

    def __init__(
        self,
        home: Home,
        options: SessionOptions,
        *,
        policy: MakePolicy | None = None,
        human: Callable[[Track], HumanSide] | None = None,
        watch: Callable[[Tick], None] | None = None,
        stop: Callable[[], bool] = lambda: False,
        tell: Tell = lambda level, text: None,
        say: Say | None = None,
        world: World | None = None,
    ) -> None:
        """``world``: what the options name, where it is open already; it is closed as one that is opened here.

        ``say`` is told what the coach says, and what comes of the player's buttons; None: ``tell`` is, in English.

        ``policy`` is called with the names of observation and action; None: the home's newest checkpoint drives.
        """
        with contextlib.ExitStack() as stack:
            # First of all: a wrong track or a game that is not there must leave nothing behind.
            self.world = world = world if world is not None else open_world(options, home)
            stack.callback(world.close)
            if options.hurries and getattr(world.env, "save", None) is None:
                raise UsageError(
                    f"--call-me goes back to a moment before the agent failed, and '{shown(options.env)}' cannot go back: leave "
                    "it out, watch, and take over where the agent needs you."
                )
            self.home, self.options, self._tell, self._say = home.create(), options, tell, say or in_english(tell)
            self.env, self.track, self.task = world.env, world.track, world.task
            self.observation_names, self.action_names = world.observation_names, world.action_names
            if options.kind == "evaluation" and policy is None:
                self._need_checkpoint()
            said = self._file_track()
            self._compare_map()
            self.corners: tuple[Corner, ...] = self._known_corners()
            if options.only_corner:
                self.corner(options.only_corner)
            offer = options.help.offer
            lost = self._time_lost() if offer == "slow" else {}
            self._coached = say is not None and options.coach.say != "off" and bool(self.corners)
            self._known = self._tried() if self._coached or offer in ("failing", "slow") else {}
            self.offers = CornerOffers(self.corners, offer, options.only_corner, options.help.offer_s, lost, self._known)
            driving: Any = (policy or self._newest_checkpoint)(self.observation_names, self.action_names)
            self.policy = driving  # a CheckpointPolicy, unless another was asked for
            if isinstance(driving, PadPolicy):
                stack.callback(driving.close)
                driving.fit(world.controls, world.bends)
            elif isinstance(foreign := getattr(driving, "frozen", driving), ForeignPolicy):
                foreign.compare(world.scaled)
            self.foresight: PolicyForesight | None = None
            if (per_minute := options.help.requests_per_minute) > 0:
                layout = self.observation_names, self.action_names
                self.foresight = PolicyForesight(
                    home, driving, self.track.name, layout, per_minute, self.task.settings.hz, options.env
                )
            self.human = human(self.track) if human else None
            if self.human is not None:
                self.human.keep_time(self.task.settings.hz)
            world.heed(stop)
            # Now that the player's own pad is known, and that of another program.
            world.plug(driving.pad.hub if isinstance(driving, PadPolicy) else device_hub(self.human))
            self.recorder = Recorder(home.store_path, self._info())
            coaching = self._coaching(say) if say is not None and self._coached else None
            stack.callback(self.recorder.close)
            if world.map_uid:
                self.recorder.event("map", f"The map is {world.map_uid}.", data={"map_uid": world.map_uid})
            if isinstance(driving, NetworkPolicy):
                driving.track = self.track.name
            if isinstance(driving, ForeignPolicy | BesidePolicy):
                known = driving.agent.identity
                self.recorder.event("agent", f"The agent '{known.name}' ({known.kind}) drives.", data=known.as_dict())
            for sentence in said:
                self._tell_track(sentence)
            for one in world.told if persons_pad(self.human) is not None else ():
                self._say(one)
            for sentence in world.warned:
                self.recorder.event("notice", sentence, level="warning")
                tell("warning", sentence)
            self.session = Session(
                world,
                driving,
                self.recorder,
                options,
                offers=self.offers,
                human=self.human,
                foresight=self.foresight,
                rule=self._rule,
                earned=self._earned(),
                coaching=coaching,
                watch=watch or (lambda tick: None),
                stop=stop,
                tell=tell,
                say=say,
            )
            if options.real_time:
                stack.enter_context(punctual())
            self._stack = stack.pop_all()

    def _need_checkpoint(self) -> None:
        """Raise CheckpointError before anything is recorded: a try that fails leaves nothing in the store."""
        with Store(self.home.store_path) as store:
            if not store.checkpoints():
                raise CheckpointError(NO_CHECKPOINT)

    def _newest_checkpoint(self, observation_names: tuple[str, ...], action_names: tuple[str, ...]) -> CheckpointPolicy:
        """Return the policy that drives by the home's newest checkpoint."""
        ready = not isinstance(self.world.clock, LockstepClock)
        policy = CheckpointPolicy(self.home, observation_names, action_names, seed=self.options.seed, ready=ready)
        policy.on_load = self._compare_agent
        return policy

    def _info(self) -> SessionInfo:
        return SessionInfo(
            kind=self.options.kind,
            env=self.options.env,
            track=self.track.name,
            hz=self.task.settings.hz,
            observation_names=self.observation_names,
            action_names=self.action_names,
            reward=self.world.reward,
            seed=self.options.seed,
            driver=self.human.name if self.human else "",
            frame_shape=self.world.frame_shape or None,
            track_digest=self._digest,
        )

    def corner(self, name: str) -> Corner:
        """Return the corner of that name, the track's or the player's. Raises UsageError."""
        if not self.corners and not self.world.has_line:
            raise UsageError(f"'{self.track.name}' has no road, and so no corner '{name}'.")
        return corner_called(name, self.corners, self.track.name)

    def _tried(self) -> dict[str, list[bool]]:
        """Return by corner whether the agent passed it in its attempts alone before this session, oldest first."""
        with contextlib.suppress(StoreError), Store(self.home.store_path, read_only=True) as store:
            return past.attempts(store, self.track.name, self.corners, self.options.env)
        return {}

    def _coaching(self, say: Say) -> Coaching:
        """Return the coach, who knows from the store how the agent did here before."""
        speeds = Speeds()
        with contextlib.suppress(StoreError), Store(self.home.store_path, read_only=True) as store:  # else the recorder says so
            speeds = past.speeds(store, self.track.name, self.corners, self.options.env)
        coach = Coach(self.corners, self._known, ordinary=self._rule.ordinary)
        return Coaching(coach, self.corners, say, self.task.settings.hz, speeds, self._key)

    def _earned(self) -> Earned | None:
        """Return what was earned before, where there is no road to tell whether a takeover went well."""
        if self.world.has_line:
            return None
        with contextlib.suppress(StoreError), Store(self.home.store_path, read_only=True) as store:
            return past.earned(store, self.track.name)
        return None

    def _key(self, meaning: str) -> str:
        return button_names(persons_pad(self.human), meaning)

    def _file_track(self) -> list[str]:
        """Call the track what the store calls it, which knows it by its line; return what the player must be told."""
        self._digest = ""
        if not self.world.has_line:
            return []
        with Store(self.home.store_path) as store:
            self.track, self._digest, said = file_under(store, self.track)
        return said

    def _compare_map(self) -> None:
        """Raise DeviceError where the game has loaded another map than the one that the track is of."""
        loaded = self.world.map_uid
        if not loaded:
            return
        with Store(self.home.store_path) as store:
            maps = store.map_uids()
        known = self.track.map_uid or maps.get(self.track.name, "")
        if known and known != loaded:
            other = next((f" ('{track}')" for track, uid in maps.items() if uid == loaded), "")
            raise DeviceError(
                f"The game has loaded the map {shown(loaded)}{other}, and the line '{self.track.name}' is of the map "
                f"{shown(known)}: load that one, or name the line of this one with --track. If this is a new version of the "
                "same map, record its line again with `hitl line record`."
            )

    def _known_corners(self) -> tuple[Corner, ...]:
        """Return the track's corners and those that the player has named, and make sure that the store knows them."""
        with Store(self.home.store_path) as store:
            self._rule = store.rule()
            return known_corners(store, self.track)

    def _time_lost(self) -> dict[str, float]:
        """Return the seconds that the agent loses in a lap, by corner."""
        with Store(self.home.store_path, read_only=True) as store:
            found = stored_time_lost(store, self.track.name, self.corners, env=self.options.env)
        return {one.corner: one.lost for one in found if one.lost is not None}

    @property
    def known_by(self) -> dict[str, str]:
        """The track's name by its digest; empty where there is no line."""
        return {self._digest: plain(self.track.name)} if self._digest else {}

    def _compare_agent(self, learned_on: Mapping[str, str]) -> None:
        """Tell the player, once, that the agent has learned on other tracks than this one."""
        if self._told_agent or not learned_on or not self._digest or self._digest in learned_on:
            return
        self._told_agent = True
        name = plain(self.track.name)
        same = name in learned_on.values()
        others = f"'{name}'" if same else ", ".join(f"'{other}'" for other in dict.fromkeys(learned_on.values()))
        said = Said("same_name" if same else "other_track", values={"others": others})
        self._say(said)
        self.recorder.event("track", said.text(ENGLISH))

    def _tell_track(self, sentence: str) -> None:
        self._tell("info", sentence)
        self.recorder.event("track", sentence)

    @property
    def lateness(self) -> Lateness | None:
        """How punctual the actions are; None in lock-step."""
        return getattr(self.world.clock, "lateness", None)

    def evaluate(
        self,
        episodes: int = 20,
        first_seed: int = 1_000_000,
        begins: Callable[[int], None] = lambda number: None,
        over: Callable[[EpisodeResult], None] = lambda result: None,
    ) -> list[EpisodeResult]:
        """Drive deterministic episodes without help, all with the checkpoint that drives the first one.

        Fewer come back, perhaps none, where the player leaves meanwhile. ``begins`` is told the number of each, from 1, and
        ``over`` how it went.
        """
        was_fixed = self.policy.fixed
        self.policy.begin_episode()
        results = []
        self.policy.fixed = True  # the trainer may write newer ones meanwhile
        try:
            for k in range(episodes):
                begins(k + 1)
                result = self.session.episode("evaluation", seed=first_seed + k)
                if result.reason == "stopped":
                    break
                results.append(result)
                over(result)
        finally:
            self.policy.fixed = was_fixed
        return results

    def written(self, timeout: float = 30.0) -> bool:
        """Wait until everything recorded so far is in the store; tells whether it is."""
        deadline = time.monotonic() + timeout
        while not self.recorder.flush(1.0):
            if self.recorder.closed or time.monotonic() > deadline:
                return False
        return True

    def close(self) -> None:
        """Write down what is left and let go of the game."""
        self._stack.close()

    def __enter__(self) -> SessionSetup:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
