"""Every number of the learner under the field's name, and the presets."""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from data.demos import Rule
from data.errors import UsageError, shown
from data.suggest import did_you_mean
from trainer.networks.registry import NETWORKS


@dataclass(frozen=True)
class TrainConfig:
    """What the learner, the replay and the daemon are set to. Immutable; ``with_values`` makes changed copies.

    The defaults are the preset ``hitl``; ``PLAIN`` is the learner without what that adds.
    """

    # Networks
    network: str = "mlp"
    """``mlp``, ``residual``, ``simba``, ``recurrent`` (an LSTM before the mlp) or ``cnn`` (convolutions before it); see
    ``trainer.networks.actor_critic``."""
    hidden: int = 128
    layers: int = 2
    """Hidden layers, or blocks of the residual networks."""
    layer_norm_critic: bool = True
    layer_norm_actor: bool = True
    init_gas_bias: float = 0.0
    """Added at the start to the bias of the first action's mean."""
    log_std_max: float = -1.0
    """Upper bound of the policy's log standard deviation before the squash. Where the critic likes both ends of an action better
    than its middle, a wide spread is a coin toss between them: the noisy policy then drives in a way that the greedy one,
    which is evaluated, never does."""

    # The recurrent network (R2D2, Kapturowski et al. 2019; trainer.networks.recurrent, trainer.replay.sequences)
    rnn_size: int = 64
    """Units of the LSTM in front of the actor's mlp, and of the one in front of the critics'."""
    rnn_layers: int = 1
    sequence: int = 20
    """Consecutive steps that are learned from together, and that the gradient goes back through. A batch holds ``batch_size``
    steps, so it holds ``batch_size`` / ``sequence`` sequences."""
    burn_in: int = 20
    """Steps before each sequence that only bring the memory to where it was; the loss is not taken on them (R2D2, sec. 3)."""

    # The network for pictures (trainer.networks.pictures)
    image: tuple[int, ...] = ()
    """Frames, rows and columns of the picture at the end of each observation; left empty, its names tell."""
    cnn_filters: tuple[int, ...] = (32, 64, 64, 64)
    """Filters of the convolutions; each one halves the picture."""
    cnn_output: int = 256
    """Numbers that the picture becomes before it meets the rest of the observation."""
    frozen_effnet: bool = False
    """See with torchvision's EfficientNet-B0, trained on photographs and never changed here, instead of convolutions of its
    own (Tan and Le 2019)."""

    # TQC (Kuznetsov et al. 2020)
    critics: int = 2
    quantiles: int = 25
    drop_per_critic: int = 2
    """Largest target quantiles left out for each critic in the target (the pool loses critics x this)."""
    drop_pool: int | None = None
    """Largest target quantiles left out of the whole pool; replaces ``drop_per_critic`` when set."""
    target_critics: int | None = None
    """Random subset of target critics in each target (REDQ, Chen et al. 2021); all when None."""
    critic_loss: str = "quantile_huber"
    """``quantile_huber`` (TQC's), or ``mse`` for critics of one quantile: the squared error of SAC, REDQ and RLPD."""
    gamma: float = 0.9925
    n_step: int = 3
    stalled_steps: int = 40
    """In an episode that ended because the car no longer moved on, the returns of so many of the agent's last steps go on to that
    end. What standing there brought is known; a guess n steps on would be one about standing too, which vouches for itself and
    takes thousands of updates to fade. (Not with a recurrent network, whose sequences reach n steps ahead.)"""
    stop_at_driver_change: bool = True
    """Whether n-step returns end where the driver changes; otherwise the human's rescue pays for the agent's blunder."""
    polyak: float = 0.995
    """Share of the old target kept in each update."""
    actor_average: float | None = 0.99
    """Share of the old average kept in each update, for the averaged actor that checkpoints drive with; None drives with the
    newest weights. One decision (brake here or not) flips a whole evaluation; the average does not follow every flip."""
    actor_average_growth: float = 0.25
    """The average spans at least this share of the updates done since the last new demo: soon after a takeover it follows the
    weights closely, and later it holds ever more firmly what has proved itself (a suffix average that grows, after Rakhlin,
    Shamir and Sridharan 2012). 0: one span for ever."""
    actor_average_most: float = 0.9999
    """Largest share of the old average kept then."""
    alpha: float = 0.01
    """Temperature, or where it starts when learned."""
    learn_alpha: bool = False
    target_entropy: float | None = None
    """For the learned temperature; minus the number of actions times ``entropy_per_action`` when None."""
    entropy_per_action: float = 1.0
    backup_clip: float | None = None
    """Targets are held within plus or minus this."""

    # Optimisers
    lr_actor: float = 1e-4
    lr_critic: float = 3e-4
    lr_alpha: float = 3e-4
    betas_actor: tuple[float, float] = (0.9, 0.999)
    betas_critic: tuple[float, float] = (0.9, 0.999)
    adam_eps: float = 1e-8
    l2_actor: float = 0.0
    l2_critic: float = 0.0
    """L2 penalty, added to the gradient (torch's Adam ``weight_decay``)."""
    weight_decay_actor: float = 0.0
    weight_decay_critic: float = 0.0
    """Decoupled weight decay (AdamW), times the learning rate."""
    optimizer_actor: str = "adam"
    optimizer_critic: str = "adam"
    """``adam`` or ``sgd``."""
    grad_clip_actor: float | None = 10.0
    grad_clip_critic: float | None = 10.0
    """Largest norm of the whole gradient."""
    clip_weights: float | None = None
    """Every weight is held within plus or minus this after each update."""
    schedule: str = ""
    """Learning rates over updates: empty, ``cosine`` (warm restarts), ``linear`` (to ``schedule_min``)."""
    schedule_period: int = 100_000
    schedule_growth: int = 2
    """Each cosine period is this many times the one before."""
    schedule_min: float = 1e-6

    # How often
    batch_size: int = 256
    utd: float = 2.0
    """Critic updates for each new online step."""
    actor_every: int = 1
    """One actor update after this many critic updates."""
    warmup_steps: int = 500
    """Online steps before the first update."""
    max_updates: int | None = None
    """Training ends after so many updates; it goes on for ever when None."""
    max_debt_steps: int = 200_000
    """Updates owed for more online steps than this are forgiven (a trainer started late does not catch up for days)."""

    # Sampling (RLPD, Ball et al. 2023)
    demo_fraction: float = 0.5
    """Share of demo rows in every mini-batch as soon as there are demos; 0 with ``one_replay``."""
    takeover_priority: float = Rule.takeover_priority
    """Weight of a takeover's step in the demo half, times the segment's own priority."""
    lap_priority: float = Rule.lap_priority
    star_priority: float = Rule.star_priority
    """Factor for segments with the verdict ``star``."""
    takeover_min_s: float = Rule.takeover_min_s
    """A takeover shorter than this shows nothing: the shortest press makes one of 0.3 s, so it was cut off at once.
    (This and the two below do not hold for takeovers that the player judged good or star, or gave a priority of their own.)"""
    takeover_min_m: float = Rule.takeover_min_m
    """A takeover that led less far (m) shows standing still. A correction at speed is far beyond it: 0.3 s at 10 m/s are 3 m."""
    takeover_held_s: float = Rule.takeover_held_s
    """A takeover that begins with its episode and is over within this is a key still held from the episode before."""
    takeover_fraction: float = 1 / 16
    """Least share of every mini-batch that comes from takeovers, however many laps there are: 16 rows of 256. Never more by this
    rule than one copy of each takeover step; 0 leaves it to the priorities alone."""
    demo_copies: float = 4.0
    """A batch holds at most this many copies of each demo step on average, so few demos are not worn out."""
    one_replay: bool = Rule.one_replay
    """Laps and takeovers lie in the one replay instead of a half of their own (the reference recipe)."""
    demo_weight: float = 1.0
    """With ``one_replay``: how much likelier a demo step is drawn; falls to 1 over ``demo_weight_decay``."""
    demo_weight_decay: int = 200_000
    """Samples in the replay at which ``demo_weight`` has fallen to 1."""
    demo_min_fraction: float = 0.0
    demo_max_fraction: float = 1.0
    """With ``one_replay``: bounds of the demo share of a batch."""
    demo_repeat: int = 1
    """With ``one_replay``: how often each demo step is laid into the replay."""
    learn_from_evaluation: bool = False
    """Whether evaluation episodes are online data too."""
    recent_fraction: float = 0.5
    """Share of the online half that is drawn from the newest ``recent_steps`` online steps only: what has just been tried is
    learned from at once, however much lies in the memory (after Wang and Ross 2019)."""
    recent_steps: int = 2000
    own_finishes: int = 10
    """So many of the agent's best unaided finishes of each track are demos as well, and cloned as such: what it can already do
    is not unlearned while the critic is still wrong about the rest (self-imitation, Oh et al. 2018)."""
    own_priority: float = 1.0
    """Weight of their steps in the demo half."""
    takeovers_online: bool = True
    """Whether the human's steps of live episodes are online data as well as demos (RLPD with HIL-SERL's rule), or demos alone."""
    failed_takeovers: bool = Rule.failed_takeovers
    """Whether a takeover that did not clear its corner is a demo without the player saying so."""
    capacity: int = 1_000_000
    """Steps held; the oldest online episodes go first, demos stay."""

    # From takeovers more than demos
    handover_cost: float = 0.0
    """Taken from the reward of the last agent step before a takeover (RLIF, Luo et al. 2023)."""
    skip_before_takeover_s: float = 0.0
    """Seconds of agent steps before a takeover that are never drawn (Sirius, Liu et al. 2022)."""
    human_weight: float = 1.0
    """Weight of human rows in the critic loss."""
    iwr_weight: float = 1.0
    """Weight of takeover rows against lap rows in the cloning loss (IWR, Mandlekar et al. 2020)."""
    bc_weight: float = 10.0
    """Cloning of the demos (the human's, and the agent's own finishes) in the actor loss; 0 is off. In full force where they fill
    ``demo_fraction`` of a batch, and weaker with their share below that: a handful of rows must not outweigh all the others."""
    bc_loss: str = "mse"
    """``mse`` of the greedy action, or ``nll`` (log-likelihood of the executed action)."""
    bc_scale_q: bool = False
    """Multiply the cloning loss by the batch mean of abs(Q) (TD3+BC, Fujimoto and Gu 2021, the other way round)."""
    bc_q_filter: bool = False
    """Clone only rows whose executed action the critic finds better than the agent's (Nair et al. 2018)."""
    bc_decay_steps: int = 0
    """Online steps over which the cloning weight falls linearly to ``bc_weight_end``; 0 is no decay."""
    bc_weight_end: float = 0.0
    bc_follow_passes: bool = False
    """The daemon lowers ``bc_scale`` as the agent's own evaluations get through."""
    bc_floor: float = 0.1
    """``bc_scale`` that remains then: what was won is held."""

    # Daemon
    checkpoint_seconds: float = 3.0
    """Seconds between checkpoints at the start; the pause grows with the run, up to ``checkpoint_seconds_max``."""
    checkpoint_seconds_max: float = 60.0
    checkpoint_updates: int | None = None
    """A checkpoint after so many updates instead."""
    on_collapse: str = "warn"
    """When evaluation falls significantly below the best: ``warn`` says so; ``back`` also goes back to the best by itself."""
    collapse_evaluations: int = 2
    """With ``back``: so many evaluations in a row must lie below; one alone is often up again at the next."""
    collapse_pause: int = 20_000
    """With ``back``: no second return to the same best within so many updates."""
    keep_checkpoints: int = 20
    """Newest files kept; the best one and evaluated ones stay as well."""
    metrics_every: int = 100
    """Updates between two looks at the metrics (and at the learner's health)."""
    threads: int = 1
    explosion: float = 1e4
    """The run counts as exploded, and goes back to its last good checkpoint, when |Q| passes so many times the largest reward
    seen: in units of the reward, whatever these are."""
    seed: int = 0

    def __post_init__(self) -> None:
        """Raise UsageError for values that make no sense."""
        _check(self)

    @property
    def dropped(self) -> int:
        """Target quantiles left out of the pool of all target critics."""
        used = self.target_critics or self.critics
        return self.drop_per_critic * used if self.drop_pool is None else self.drop_pool

    def with_values(self, **values: Any) -> TrainConfig:
        """Return a copy with some values changed. Raises UsageError for unknown names."""
        known = {f.name for f in fields(self)}
        for name in values:
            if name not in known:
                raise UsageError(
                    f"There is no training setting '{shown(name)}': `hitl config show` lists them.{did_you_mean(name, known)}"
                )
        return dataclasses.replace(self, **values)

    def with_text(self, *pairs: str) -> TrainConfig:
        """Return a copy changed by ``key=value`` texts; values are JSON, or bare words for texts."""
        values: dict[str, Any] = {}
        for pair in pairs:
            name, sep, text = pair.partition("=")
            if not sep:
                raise UsageError(f"'{pair}' is not of the form key=value.")
            try:
                values[name.strip()] = json.loads(text)
            except (ValueError, RecursionError):  # no JSON, or a number of thousands of digits
                values[name.strip()] = {"true": True, "false": False, "none": None}.get(text.lower(), text)
        return self.with_values(**_typed(values))

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(self).items()}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> TrainConfig:
        """Read what ``to_dict`` gave; settings this version does not know are left out (``unknown_settings`` names them).

        Missing ones are those of ``PLAIN``: what an older version had no setting for, it did not do.
        """
        known = {f.name for f in fields(cls)}
        return dataclasses.replace(PLAIN, **_typed({k: v for k, v in values.items() if k in known}))


def unknown_settings(checkpoint: str, values: Mapping[str, Any]) -> str:
    """Return a sentence about the settings in a checkpoint that this version does not know; empty where it knows them all."""
    known = {f.name for f in fields(TrainConfig)}
    unknown = [f"{shown(name, 40)} = {shown(json.dumps(values[name]), 40)}" for name in sorted(values) if name not in known]
    if not unknown:
        return ""
    more = f" and {len(unknown) - 5} more" if len(unknown) > 5 else ""
    return (
        f"The checkpoint '{checkpoint}' was trained with settings that this version does not know "
        f"({', '.join(unknown[:5])}{more}): they have no effect here. Install the version that wrote it to go on as it was."
    )


def _typed(values: dict[str, Any]) -> dict[str, Any]:
    """Turn JSON lists into the tuples, and whole numbers into the floats, that the fields want."""
    kinds = {f.name: str(f.type) for f in fields(TrainConfig)}
    result = {}
    for name, value in values.items():
        kind = kinds.get(name, "")
        if isinstance(value, list):
            value = tuple(value)
        elif isinstance(value, int) and not isinstance(value, bool) and kind.startswith("float"):
            value = float(value) if abs(value) < 1e300 else math.inf  # hundreds of digits are too large for a float
        elif isinstance(value, float) and value.is_integer() and kind.startswith("int"):
            value = int(value)
        wrong = (
            (kind.startswith("bool") and not isinstance(value, bool))
            or (kind.startswith("int") and not (type(value) is int or (value is None and "None" in kind)))
            or (kind.startswith("float") and not (type(value) is float or (value is None and "None" in kind)))
            or (kind == "str" and not isinstance(value, str))
            or (kind.startswith("tuple") and not (isinstance(value, tuple) and all(type(v) in (int, float) for v in value)))
        )
        if wrong:
            raise UsageError(f"The training setting '{name}' cannot be {shown(repr(value))}: it is of kind {kind}.")
        result[name] = value
    return result


_MOST = {
    "hidden": 4096, "layers": 64, "critics": 100, "quantiles": 1000, "n_step": 1000, "batch_size": 2**20, "actor_every": 10**6,
    "capacity": 10**9, "rnn_size": 4096, "rnn_layers": 64, "sequence": 4096, "cnn_output": 4096,
}  # fmt: skip
"""Far beyond what anybody trains with: a setting from a file must not ask for all the memory there is."""
_FLOATS = tuple(f.name for f in fields(TrainConfig) if "float" in str(f.type))


def _check(c: TrainConfig) -> None:
    def need(good: bool, text: str) -> None:
        if not good:
            raise UsageError(f"These training settings make no sense: {text}.")

    for name in _FLOATS:
        values = getattr(c, name) if isinstance(getattr(c, name), tuple) else (getattr(c, name),)
        good = all(v is None or (isinstance(v, int | float) and abs(v) < 1e300) for v in values)  # NaN is not, either
        need(good, f"{name} must be a finite number, not {shown(getattr(c, name))}")
    need(c.network in NETWORKS, f"network '{shown(c.network)}' is not one of {', '.join(NETWORKS)}")
    need(c.network != "cnn" or len(c.image) in (0, 3), "image is three numbers: frames, rows and columns")
    need(min((1, *c.image, *c.cnn_filters)) >= 1 and len(c.cnn_filters) >= 1, "image and cnn_filters must be at least 1")
    need(max((1, *c.image, *c.cnn_filters)) <= 4096, "image and cnn_filters must be at most 4096")
    need(c.burn_in >= 0, "burn_in must not be negative")
    losses = ("quantile_huber", "mse")
    need(c.critic_loss in losses, f"critic_loss '{shown(c.critic_loss)}' is not quantile_huber or mse")
    need(c.critic_loss != "mse" or c.quantiles == 1, "critic_loss mse is for critics of one quantile")
    need(c.on_collapse in ("warn", "back"), f"on_collapse '{shown(c.on_collapse)}' is not warn or back")
    need(c.collapse_evaluations >= 1 and c.collapse_pause >= 0, "collapse_evaluations must be at least 1")
    need(c.bc_loss in ("mse", "nll"), f"bc_loss '{shown(c.bc_loss)}' is not mse or nll")
    need(c.schedule in ("", "cosine", "linear"), f"schedule '{shown(c.schedule)}' is not cosine or linear")
    for which in (c.optimizer_actor, c.optimizer_critic):
        need(which in ("adam", "sgd"), f"optimizer '{shown(which)}' is not adam or sgd")
    for name, most in _MOST.items():
        need(1 <= getattr(c, name) <= most, f"{name} must be 1 to {most:,}")
    need(0 <= c.stalled_steps <= 1000, "stalled_steps must be 0 to 1,000")
    need(c.explosion > 0, "explosion must be more than 0")
    need(0 <= c.seed < 2**63, "seed must be 0 or more, and less than 2 to the 63rd")
    need(-20.0 <= c.log_std_max <= 10.0, "log_std_max must be -20 to 10")
    for betas in (c.betas_actor, c.betas_critic):
        need(len(betas) == 2 and all(0 <= v < 1 for v in betas), "betas are two numbers from 0 to 1")
    need(c.target_critics is None or 1 <= c.target_critics <= c.critics, "target_critics must be 1 to critics")
    pool = (c.target_critics or c.critics) * c.quantiles
    need(0 <= c.dropped < pool, f"{c.dropped} dropped of {pool} target quantiles leaves none")
    rule = (c.takeover_priority, c.lap_priority, c.star_priority, c.takeover_min_s, c.takeover_min_m, c.takeover_held_s)
    need(min(rule) >= 0, "priorities and the limits of takeovers must not be negative")
    need(0 < c.gamma <= 1 and 0 <= c.polyak <= 1, "gamma and polyak lie between 0 and 1")
    need(0 <= c.demo_fraction <= 1, "demo_fraction lies between 0 and 1")
    need(0 <= c.takeover_fraction <= 1, "takeover_fraction lies between 0 and 1")
    need(c.utd > 0 and c.metrics_every >= 1 and c.threads >= 1, "utd, metrics_every and threads must be positive")


PLAIN = TrainConfig(
    bc_weight=0.0,
    own_finishes=0,
    recent_fraction=0.0,
    actor_average=None,
    actor_average_growth=0.0,
    stalled_steps=0,
    takeover_fraction=0.0,
    log_std_max=2.0,
    lr_actor=3e-4,
    utd=1.0,
    grad_clip_actor=None,
    grad_clip_critic=None,
)
"""TQC with half and half batches, and nothing else: what other recipes are built on, and what a checkpoint means by settings that
it does not name. A setting that is added later and changes how a run learns is off here."""

PRESETS: dict[str, TrainConfig] = {
    # Ours: small LayerNorm networks, half demos, unfiltered cloning of human rows and of the agent's own best finishes, half of
    # the online rows from the newest steps, and an averaged actor to drive with that follows closely after a takeover.
    "hitl": TrainConfig(),
    # Ball et al. 2023, Table 2 (state-based), and their code where the paper is silent: E 10, Z 2, UTD 20, LayerNorm critics of
    # squared error, 1-step, entropy in the backup, a temperature learned from 1 towards an entropy of half the actions, the actor
    # once for 20 critic updates.
    # One quantile per critic makes TQC's critic a plain mean; the minimum over Z = 2 is drop_pool 1 of the pool of 2.
    "rlpd": PLAIN.with_values(
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
    "run_l": PLAIN.with_values(
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
}
"""Named starting points; ``hitl`` is the default."""
