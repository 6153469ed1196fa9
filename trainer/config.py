"""Every number of the learner under the field's name. Named starting points are in ``trainer.presets``.

What a setting means is said where it is: in ``trainer.settings``, or here for those of the daemon.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from data.demos import UNNAMED
from data.errors import UsageError
from data.files.validation import SettingPlace, checked
from trainer.settings.batches import BatchSettings
from trainer.settings.bounds import NotNegative, Positive
from trainer.settings.guidance import GuidanceSettings
from trainer.settings.networks import NetworkSettings
from trainer.settings.updates import UpdateSettings


class Times(NamedTuple):
    """Settings in seconds, in a game whose rate is known."""

    gamma: float
    """Discount for each step."""
    n_step: int
    stalled_steps: int


@dataclass(frozen=True)
class TrainConfig(GuidanceSettings, BatchSettings, UpdateSettings, NetworkSettings):  # read from the last to the first
    """What the learner, the replay and the daemon are set to. Immutable; ``with_values`` makes changed copies.

    The defaults are the preset ``hitl``; ``BARE`` is the learner without what that adds. Raises UsageError for values that make
    no sense.
    """

    # Daemon
    checkpoint_seconds: NotNegative = 3.0
    """Seconds between checkpoints at the start; the pause grows with the run, up to ``checkpoint_seconds_max``."""
    checkpoint_seconds_max: NotNegative = 60.0
    """Longest pause (s) between two checkpoints."""
    checkpoint_updates: Annotated[int, Meta(ge=1, le=10**12)] | None = None
    """A checkpoint after so many updates instead."""
    keep_checkpoints: Annotated[int, Meta(ge=1, le=10**6)] = 20
    """Newest files kept; the best one and evaluated ones stay as well."""
    metrics_every: Annotated[int, Meta(ge=1, le=10**9)] = 100
    """Updates between two looks at the metrics (and at the learner's health)."""
    threads: Annotated[int, Meta(ge=1, le=1024)] = 1
    """Threads of torch."""
    explosion: Positive = 1e4
    """The run counts as exploded, and goes back to its last good checkpoint, when |Q| passes so many times the largest reward
    seen."""
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    """Of the networks and of what is drawn."""

    def __post_init__(self) -> None:
        """Check each value and make it what its field wants, then what must go together."""
        for name, value in checked(TrainConfig, vars(self), SettingPlace(error=UsageError)).items():
            object.__setattr__(self, name, value)
        pool = (self.target_critics or self.critics) * self.quantiles
        for good, text in (
            (self.network != "cnn" or len(self.image) in (0, 3), "image is three numbers: frames, rows and columns"),
            (self.critic_loss != "mse" or self.quantiles == 1, "critic_loss mse is for critics of one quantile"),
            ((self.target_critics or 1) <= self.critics, f"target_critics is at most critics, {self.critics} here"),
            (not (self.frozen_agent and self.network == "recurrent"), "frozen_agent is not for the recurrent network"),
            (self.dropped < pool, f"{self.dropped} dropped of {pool} target quantiles leaves none"),
        ):
            if not good:
                raise UsageError(f"These training settings make no sense: {text}.")

    def times(self, hz: float = 20.0) -> Times:
        """Return what is set in seconds as it is in a game of ``hz`` steps in a second."""
        if self.network == "recurrent":
            hz = 20.0  # its sequences have one length, whatever comes
        return Times(
            # Twelve places: more than anyone writes, and what is meant by 0.9925 comes out as 0.9925.
            gamma=max(0.0, round(1 - 1 / (self.horizon_s * hz), 12)) if self.gamma is None else self.gamma,
            n_step=max(1, round(self.n_step_s * hz)) if self.n_step is None else self.n_step,
            stalled_steps=round(self.stalled_s * hz) if self.stalled_steps is None else self.stalled_steps,
        )

    @property
    def scales_observations(self) -> bool:
        """Whether observations are scaled: where it is asked for, and the network takes plain vectors."""
        return self.scale_observations and self.network not in ("recurrent", "cnn")

    @property
    def taught(self) -> bool:
        """Whether another agent teaches this one, which then drives everywhere."""
        return self.frozen_agent and self.frozen_teaches

    @property
    def dropped(self) -> int:
        """Target quantiles left out of the pool of all target critics."""
        used = self.target_critics or self.critics
        return self.drop_per_critic * used if self.drop_pool is None else self.drop_pool

    def with_values(self, **values: Any) -> TrainConfig:
        """Return a copy with some values changed. A time that is set replaces its steps. Raises UsageError for unknown names."""
        found = checked(TrainConfig, values, SettingPlace(error=UsageError))
        replaced = {steps: None for seconds, steps in IN_STEPS.items() if seconds in found}
        return dataclasses.replace(self, **(replaced | found))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Read what ``to_dict`` gave, without what has no effect here (``trainer.retired.unknown_settings`` names it).

        That is what this version does not know, and numbers that it does not allow: earlier ones checked fewer of them. What is
        missing then is as in ``BARE``: what an older version had no setting for, it did not do.
        """
        return BARE.with_values(**{k: v for k, v in values.items() if k in NAMES and not beyond_bounds(k, v)})


NAMES = frozenset(f.name for f in fields(TrainConfig))
SHAPE_FIELDS = (
    "network", "hidden", "layers", "layer_norm_critic", "layer_norm_actor", "critics", "quantiles", "rnn_size", "rnn_layers",
    "image", "cnn_filters", "cnn_output", "frozen_effnet", "scale_observations",
)  # fmt: skip
"""Settings that must agree before weights fit."""
IN_STEPS = {"horizon_s": "gamma", "n_step_s": "n_step", "stalled_s": "stalled_steps"}
"""What may also be set for a step, or in steps; that takes precedence."""


def seconds_of(steps: str) -> set[str]:
    """Return the setting in seconds that one in steps takes precedence over; empty where there is none."""
    return {name for name, other in IN_STEPS.items() if other == steps}


def beyond_bounds(name: str, value: object) -> bool:
    """Whether a value is a number that this setting does not allow."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        checked(TrainConfig, {name: value}, SettingPlace(error=UsageError))
    except UsageError:
        return True
    return False


BARE = TrainConfig(
    image_shift=0,
    shared_encoder=False,
    gamma=0.9925,
    n_step=3,
    own_finishes=0,
    finishes_kept="best",
    lap_utd=0.0,
    recent_fraction=0.0,
    recent_drives=0,
    actor_average=None,
    actor_average_growth=0.0,
    stalled_steps=0,
    takeover_fraction=0.0,
    kind_fraction=0.0,
    q_after_laps=1.0,
    log_std_max=2.0,
    lr_actor=3e-4,
    utd=1.0,
    grad_clip_actor=None,
    grad_clip_critic=None,
    **UNNAMED,
)
"""TQC with half and half batches, and nothing else: what other recipes are built on, and what a checkpoint means by settings that
it does not name. A setting that is added later and changes how a run learns is off here, but for ``past_action_dropout``: a run
that clones goes on without the fault that this mends."""
PLAIN = BARE
"""Its name in scripts of earlier versions; the preset ``plain`` is something else."""
