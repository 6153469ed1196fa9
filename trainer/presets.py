"""Named starting points of a run."""

from __future__ import annotations

from typing import NoReturn

from data.errors import UsageError, shown
from data.suggest import did_you_mean
from trainer.config import BARE, TrainConfig


class UnknownPresetError(UsageError, KeyError):
    """There is no preset of that name. A KeyError, too, as of any other table."""

    __str__ = Exception.__str__  # KeyError's puts quotes around the sentence


class Presets(dict[str, TrainConfig]):
    """Presets by their names. They are those of the whole process, and no one changes them."""

    def __missing__(self, name: object) -> TrainConfig:
        """Raise UsageError for a name that is none."""
        known = ", ".join(self)
        raise UnknownPresetError(f"There is no preset '{shown(name)}'. Known ones: {known}.{did_you_mean(str(name), self)}")

    def _refuse(self, *_: object, **__: object) -> NoReturn:
        raise UsageError(
            "The presets are the same for all of a process, so they cannot be changed: make settings of your own of one, for "
            "example presets['plain'].with_values(gamma=0.9), or a table of your own by dict(presets)."
        )

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __reduce__(self) -> str:
        """Copied, or in another process, they are that process's own: made anew, each would be set."""
        return "PRESETS"


PRESETS: dict[str, TrainConfig] = Presets({
    # Ours: small LayerNorm networks, half demos, unfiltered cloning of human rows and of the agent's own finishes, half of
    # the online rows from the newest steps, and an averaged actor to drive with that follows closely after a takeover.
    "hitl": TrainConfig(),
    # Where there is no road, and so nothing that is known of rewards and lengths: a learned temperature, a free spread and no
    # average. Returns reach over less time than on a road: more is better for LunarLander, and worse for Pendulum.
    # Help is learned from as in ``hitl``.
    "plain": TrainConfig(
        hidden=256,
        gamma=0.99,
        n_step_s=0.08,
        alpha=0.1,
        learn_alpha=True,
        log_std_max=2.0,
        lr_actor=3e-4,
        actor_average=None,
        recent_fraction=0.0,
        scale_observations=True,
        scale_rewards=True,
        utd=1.0,
        warmup_steps=100,
    ),
    # Ball et al. 2023, Table 2 (state-based), and their code where the paper is silent: E 10, Z 2, UTD 20, LayerNorm critics of
    # squared error, 1-step, entropy in the backup, a temperature learned from 1 towards an entropy of half the actions, the actor
    # once for 20 critic updates.
    # One quantile per critic makes TQC's critic a plain mean; the minimum over Z = 2 is drop_pool 1 of the pool of 2.
    "rlpd": BARE.with_values(
        hidden=256,
        layers=3,
        critics=10,
        quantiles=1,
        target_critics=2,
        drop_per_critic=0,
        drop_pool=1,
        critic_loss="mse",
        layer_norm_actor=False,
        gamma=0.99,
        n_step=1,
        alpha=1.0,
        learn_alpha=True,
        entropy_per_action=0.5,
        utd=20.0,
        actor_every=20,
        warmup_steps=5000,
        takeover_priority=1.0,
        star_priority=1.0,
        demo_copies=1e9,
    ),
    # The reference recipe with a correct critic and correct n-step returns.
    "run_l": BARE.with_values(
        network="residual",
        hidden=256,
        layers=3,
        drop_pool=8,
        init_gas_bias=0.8,
        lr_actor=1e-5,
        lr_critic=5e-5,
        lr_alpha=5e-5,
        betas_actor=(0.997, 0.997),
        betas_critic=(0.997, 0.997),
        target_entropy=-3.0,
        grad_clip_actor=1.0,
        grad_clip_critic=1.0,
        backup_clip=100.0,
        batch_size=512,
        utd=6.0,
        warmup_steps=5000,
        checkpoint_updates=1000,
        one_replay=True,
        demo_fraction=0.0,
        demo_weight=1.15,
        takeover_priority=1.0,
        star_priority=1.0,
    ),
})
"""Named starting points; ``hitl`` is the default."""


def preset_called(name: object) -> TrainConfig:
    """Return the preset of that name. Raises UsageError."""
    return PRESETS[name if isinstance(name, str) else str(name)]
