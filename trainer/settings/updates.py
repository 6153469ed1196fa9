"""One update: its targets, its losses, its optimisers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from trainer.settings.bounds import Beta, NotNegative, Positive, Share


@dataclass(frozen=True)
class UpdateSettings:
    """What an update of TQC is set to."""

    # TQC (Kuznetsov et al. 2020)
    learner: Literal["fast", "plain"] = "fast"
    """``fast``, with gradients written by hand, or ``plain``: the same update by autograd, where a loss is easily changed; two to
    three times slower (trainer.learner.plain)."""
    critics: Annotated[int, Meta(ge=1, le=100)] = 2
    """Critics in the ensemble."""
    quantiles: Annotated[int, Meta(ge=1, le=1000)] = 25
    """Quantiles of each critic."""
    drop_per_critic: Annotated[int, Meta(ge=0, le=1000)] = 2
    """Largest target quantiles left out for each critic in the target (the pool loses critics x this)."""
    drop_pool: Annotated[int, Meta(ge=0, le=100_000)] | None = None
    """Largest target quantiles left out of the whole pool; replaces ``drop_per_critic`` when set."""
    target_critics: Annotated[int, Meta(ge=1, le=100)] | None = None
    """Size of the random subset of target critics in each target (REDQ, Chen et al. 2021); all when none."""
    critic_loss: Literal["quantile_huber", "mse"] = "quantile_huber"
    """TQC's, or ``mse`` for critics of one quantile: the squared error of SAC, REDQ and RLPD."""
    gamma: Annotated[float, Meta(gt=0, le=1)] | None = None
    """Discount for each step; when none, it follows from ``horizon_s``."""
    horizon_s: Positive = 20 / 3
    """Seconds that the agent looks ahead: a step's discount is 1 - 1 / (``horizon_s`` x steps in a second), 0.9925 at 20 Hz."""
    n_step: Annotated[int, Meta(ge=1, le=1000)] | None = None
    """Rewards summed before the bootstrap; when none, those of ``n_step_s``."""
    n_step_s: NotNegative = 0.15
    """Seconds of rewards summed before the bootstrap, one step at least: three at 20 Hz."""
    stalled_steps: Annotated[int, Meta(ge=0, le=1000)] | None = None
    """``stalled_s`` in steps, as earlier versions had it; takes precedence when set."""
    stalled_s: Annotated[float, Meta(ge=0, le=60)] = 2.0
    """In an episode that ended because the car no longer moved on, the returns of so many of the agent's last seconds go on to
    that end: a guess about standing vouches for itself and takes thousands of updates to fade. (Not with a recurrent network.)"""
    stop_at_driver_change: bool = True
    """End n-step returns where the driver changes; otherwise the human's takeover pays for the agent's blunder."""
    polyak: Share = 0.995
    """Share of the old target kept in each update."""
    actor_average: Share | None = 0.99
    """Share of the old average kept in each update, for the averaged actor that checkpoints drive with; none drives with the
    newest weights. One decision (brake here or not) flips a whole evaluation; the average does not follow every flip."""
    actor_average_growth: NotNegative = 0.25
    """The average spans at least this share of the updates done since the last new demo: soon after a takeover it follows the
    weights closely, and later it holds ever more firmly what has proved itself (a suffix average that grows, after Rakhlin,
    Shamir and Sridharan 2012). 0: one span for ever."""
    actor_average_most: Share = 0.9999
    """Largest share of the old average kept then."""
    alpha: float = 0.01
    """Temperature, or where it starts when learned."""
    learn_alpha: bool = False
    """Learn the temperature."""
    target_entropy: float | None = None
    """For the learned temperature; minus the number of actions times ``entropy_per_action`` when none."""
    entropy_per_action: float = 1.0
    """See ``target_entropy``."""
    backup_clip: Positive | None = None
    """Targets are held within plus or minus this."""
    lr_actor: NotNegative = 1e-4
    """Learning rate of the actor (Adam)."""
    lr_critic: NotNegative = 3e-4
    """Learning rate of the critics."""
    lr_alpha: NotNegative = 3e-4
    """Learning rate of the temperature."""
    betas_actor: tuple[Beta, Beta] = (0.9, 0.999)
    """Adam's averages, of the actor."""
    betas_critic: tuple[Beta, Beta] = (0.9, 0.999)
    """Adam's averages, of the critics."""
    weight_decay_actor: NotNegative = 0.0
    """Decoupled weight decay of the actor (AdamW), times the learning rate."""
    grad_clip_actor: Positive | None = 10.0
    """Largest norm of the actor's whole gradient."""
    grad_clip_critic: Positive | None = 10.0
    """Largest norm of the critics' whole gradient."""
