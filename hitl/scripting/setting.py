"""What is known of somebody else's environment: its numbers and their names, its rate, its road where it has one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from gymnasium import spaces
from gymnasium.envs.registration import EnvSpec
from msgspec import Meta

from data.errors import UsageError
from data.files.validation import SettingPlace, checked, filled
from data.ranges import ActionRange
from data.records import ROADLESS, Corner, SessionInfo
from data.store import Store
from data.suggest import did_you_mean
from hitl.arbiter import GatingSettings
from hitl.games.base import AT_REST, VehicleState
from hitl.games.gym.controls import action_names, controls_for, further, stating_bounds, still, unbounded
from hitl.games.gym.ids import named
from hitl.games.gym.pace import own_pace
from hitl.games.pictures import SpaceSight
from hitl.games.world import no_road
from hitl.home import Home
from hitl.pads.base import Control
from hitl.road.known_tracks import file_under, known_corners
from hitl.road.track import Track
from hitl.scripting.answers import place_of
from hitl.settings import CONTROLS, PictureSettings, load

PLACE = SettingPlace(error=UsageError, noun="argument", in_python=True)


@dataclass
class _Given:
    """What a script may say, as the checks of settings read it."""

    hz: Annotated[float, Meta(gt=0.0, le=1000.0)] | None = None
    track: str = ""
    progress: str = ""


def _check(hz: object, track: object, progress: object, controls: Sequence[str | Control]) -> None:
    """Refuse what cannot be meant, before anything is recorded by it. Raises UsageError."""
    given = {"track": track, "progress": progress, "hz": hz.item() if isinstance(hz, np.number) else hz}
    checked(_Given, {name: value for name, value in given.items() if value is not None}, PLACE)
    for control in controls:
        word = control.removeprefix("-") if isinstance(control, str) else getattr(control, "name", control)
        if word not in CONTROLS:
            raise UsageError(f"A pad has no control {word!r}: give {', '.join(CONTROLS)}.{did_you_mean(str(word), CONTROLS)}")


@dataclass
class _Switches:
    """What is on or off."""

    overlay: bool = False
    real_time: bool | None = None


def check_switches(**switches: object) -> None:
    """Raise UsageError for a switch that is neither on nor off; 1 and 0, and numpy's booleans, are."""
    given = {name: value.item() if isinstance(value, np.generic) else value for name, value in switches.items()}
    meant = {name: bool(value) if value in (0, 1) else value for name, value in given.items() if isinstance(value, int)}
    checked(_Switches, {name: value for name, value in (given | meant).items() if value is not None}, PLACE)


def check_gating(gating: object) -> None:
    """Raise UsageError for what is no way to take the wheel."""
    if not isinstance(gating, GatingSettings):
        raise UsageError(f'{gating!r} is no way to take the wheel: give gating=Arbiter.GatingSettings(mode="hold"), for example.')
    filled(GatingSettings(), asdict(gating), PLACE)


@dataclass
class Setting:
    """An environment as takeovers see it."""

    scaled: ActionRange
    """Between our actions and the environment's."""
    see: SpaceSight
    controls: tuple[str | Control, ...]
    """What of a pad moves each action number."""
    info: SessionInfo
    track: Track
    has_line: bool
    progress: str = ""
    """Where an environment's ``info`` holds the metres along its road; empty where it does not. A number that only goes by that
    name may be a share of the lap: takeovers would then seem to lead nowhere."""
    corners: tuple[Corner, ...] = ()
    to_tell: str = ""
    """A sentence for a person who drives, on what moves action numbers beyond a car's controls, where nobody chose that."""
    unbounded: str = ""
    """A sentence where some action numbers have no bounds, and what is taken for them."""

    @classmethod
    def of(
        cls,
        name: str,
        observation_space: spaces.Space[Any],
        action_space: spaces.Space[Any],
        own: Any,
        *,
        controls: Sequence[str] | None = None,
        hz: float | None = None,
        track: str = "",
        progress: str = "",
        home: Path | None = None,
    ) -> Setting:
        """Look at the spaces, and at what the innermost environment or interface ``own`` says of itself.

        ``home``: where it is recorded; pictures are seen there as its settings say, by `hitl play` as well.

        Raises UsageError for actions that are not a plain vector of continuous numbers, or for the wrong number of controls;
        DeviceError for observations of no fixed size.
        """
        if not isinstance(action_space, spaces.Box) or len(action_space.shape) != 1 or not action_space.shape[0]:
            raise UsageError(
                f"The actions of {name} are {action_space}; only a plain vector of continuous actions (a Box) can be taken over."
            )
        chosen = (controls,) if isinstance(controls, str) else tuple(controls or ())
        _check(hz, track, progress, chosen)
        scaled, see = ActionRange(action_space), SpaceSight(observation_space, _pictures(home))
        size, road = len(scaled), getattr(own, "track", None)
        has_line = isinstance(road, Track) and road.line.length > 2.0
        said: tuple[str, ...] = tuple(getattr(own, "action_names", ()))
        names = said if len(said) == size else action_names(name, size)
        if controls is not None and len(chosen) != size:
            raise UsageError(f"{name} takes {size} action numbers: give `controls` one word for each.")
        guessed = () if chosen or (len(said) == size and has_line) else controls_for(name, scaled, {})
        seen = tuple(getattr(own, "observation_names", ()))
        task = getattr(own, "task", None)
        return cls(
            scaled,
            see,
            chosen or guessed or said,
            SessionInfo(
                kind="play",
                env=_env_of(own, name, has_line),
                track=track or (road.name if isinstance(road, Track) else name.rsplit(":", 1)[-1]),
                hz=_rate(own) if hz is None else float(hz),
                observation_names=seen if len(seen) == see.size else see.names,
                action_names=names,
                reward=task.reward.settings.as_dict() if task is not None and hasattr(task, "reward") else {},
                frame_shape=see.image[1:] or None,
            ),
            road if isinstance(road, Track) and has_line else no_road(track or name.rsplit(":", 1)[-1]),
            has_line,
            progress or ("progress" if has_line else ""),
            to_tell=_to_tell(guessed),
            unbounded=unbounded(name, scaled, _stated_how(own, scaled)),
        )

    def place(self, info: dict[str, Any]) -> tuple[VehicleState, float]:
        """Return the car, and its progress (m); zeros where the environment does not tell."""
        return place_of(info, self.progress) if self.progress else (AT_REST, 0.0)

    def file(self, path: Path) -> dict[str, Any]:
        """Let the store know the road, and learn from it the corners; return what of the session's description changes."""
        if not self.has_line:
            return {}
        with Store(path) as store:
            self.track, digest, _ = file_under(store, self.track)
            self.corners = known_corners(store, self.track)
        return {"track": self.track.name, "track_digest": digest}


def _pictures(home: Path | None) -> PictureSettings:
    return PictureSettings() if home is None else load(Home(home), "pictures").pictures


def _to_tell(controls: Sequence[Control]) -> str:
    """Return a sentence where action numbers are moved by more than a car has, or by nothing; else ""."""
    names, parts = still(controls), []
    if more := further(controls):
        parts.append(f"you also move {more}")
    if names:
        parts.append(f"nothing moves {' and '.join(names) if len(names) < 3 else f'{len(names)} of its {len(controls)} numbers'}")
    said = f"While you drive, {', and '.join(parts)}. To choose otherwise, give `controls` one word for each action number."
    return said if parts else ""


def _stated_how(own: Any, scaled: ActionRange) -> str:
    """Return how the bounds of an environment's, or an rtgym interface's, actions are stated."""
    if hasattr(own, "get_action_space"):
        return "in the Box that its get_action_space returns."
    return f"put {stating_bounds(scaled)} around the environment, and Takeover around that."


def _env_of(own: Any, name: str, has_line: bool) -> str:
    """Return the word behind ``--env`` that opens the same environment, so that the session drives by the same checkpoints."""
    if (word := getattr(own, "env_word", "")) or has_line:
        return str(word) or name
    spec = getattr(own, "spec", None)
    return f"{ROADLESS}{named(spec) if isinstance(spec, EnvSpec) and spec.id == name else name}"


def _rate(own: Any) -> float:
    """Return the steps a second that an environment tells: rtgym's, ours, Gymnasium's by its frames, or else 20."""
    if (seconds := getattr(own, "time_step_duration", None)) is not None and float(seconds) > 0:
        return 1.0 / float(seconds)
    settings = getattr(getattr(own, "task", None), "settings", None)
    return float(getattr(settings, "hz", 0.0) or getattr(own, "hz", 0.0) or own_pace(own))
