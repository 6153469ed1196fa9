"""Every number of the learner under the field's name. Named starting points are in ``trainer.presets``."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal, NamedTuple

from msgspec import Meta

from data.demos import DemoRule
from data.errors import UsageError
from data.files.validation import OneOf, SettingPlace, checked
from trainer.networks.registry import NETWORKS

Share = Annotated[float, Meta(ge=0, le=1)]
Positive = Annotated[float, Meta(gt=0)]
NotNegative = Annotated[float, Meta(ge=0)]
Steps = Annotated[int, Meta(ge=0, le=10**12)]
Size = Annotated[int, Meta(ge=1, le=4096)]
"""Far more than anyone trains with: a setting from a file must not ask for all the memory there is."""
Beta = Annotated[float, Meta(ge=0, lt=1)]


class Times(NamedTuple):
    """Settings in seconds, in a game whose rate is known."""

    gamma: float
    """Discount for each step."""
    n_step: int
    stalled_steps: int


@dataclass(frozen=True)
class TrainConfig:
    """What the learner, the replay and the daemon are set to. Immutable; ``with_values`` makes changed copies.

    The defaults are the preset ``hitl``; ``PLAIN`` is the learner without what that adds. Raises UsageError for values that make
    no sense.
    """

    # Network
    network: Annotated[str, OneOf(NETWORKS)] = "mlp"
    """``recurrent`` has an LSTM in front of the mlp, ``cnn`` convolutions (``trainer.networks.actor_critic``)."""
    hidden: Size = 128
    """Units of each hidden layer."""
    layers: Annotated[int, Meta(ge=1, le=64)] = 2
    """Hidden layers, or blocks of the residual networks."""
    layer_norm_critic: bool = True
    """LayerNorm in the critics."""
    layer_norm_actor: bool = True
    """LayerNorm in the actor."""
    init_gas_bias: float = 0.0
    """Added at the start to the bias of the first action's mean."""
    log_std_max: Annotated[float, Meta(ge=-20, le=10)] = -1.0
    """Upper bound of the policy's log standard deviation before the squash. Where the critic likes both ends of an action better
    than its middle, a wide spread is a coin toss between them: the noisy policy then drives in a way that the greedy one,
    which is evaluated, never does."""

    # Units
    scale_observations: bool = False
    """Networks see each number of an observation in a unit that makes it about 1, so that the units of a game do not matter; what
    is so already stays as it is. (Not the recurrent network and that for pictures.)"""
    scale_rewards: bool = False
    """Learn from rewards in units of what is usually paid for a step, so that a game that pays in thousandths or thousands is
    learned as well: cloning weight, temperature and the width of the Huber loss are made for rewards of about 1."""

    # Recurrent network (R2D2, Kapturowski et al. 2019)
    rnn_size: Size = 64
    """Units of the actor's LSTM, and of the critics'."""
    rnn_layers: Annotated[int, Meta(ge=1, le=64)] = 1
    """Layers of each LSTM."""
    sequence: Size = 20
    """Consecutive steps that are learned from together, and that the gradient goes back through. A batch of ``batch_size`` steps
    holds ``batch_size`` / ``sequence`` sequences."""
    burn_in: Annotated[int, Meta(ge=0, le=4096)] = 20
    """Steps before each sequence that only bring the memory to where it was, without a loss (R2D2, sec. 3)."""

    # Network for pictures
    image: tuple[Size, ...] = ()
    """Frames, rows and columns of the picture at the end of each observation; left empty, its names tell."""
    cnn_filters: Annotated[tuple[Size, ...], Meta(min_length=1)] = (32, 64, 64, 64)
    """Filters of the convolutions; each one halves the picture."""
    cnn_output: Size = 256
    """Numbers that the picture becomes before it meets the rest of the observation."""
    frozen_effnet: bool = False
    """Use torchvision's EfficientNet-B0 (Tan and Le 2019), trained on photographs and never changed here, instead of convolutions
    of its own."""
    image_shift: Annotated[int, Meta(ge=0, le=64)] = 4
    """Pictures that are learned from are shifted at random, by so many of 84 rows at most and at least by one (DrQ, Kostrikov et
    al. 2020): what is learned then holds for the picture beside as well. 0 is off."""
    shared_encoder: bool = True
    """The actor sees with the critics' encoder, which its own loss does not change (DrQ-v2, Yarats et al. 2021). A run that
    began with two of them keeps both."""

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

    # Sampling (RLPD, Ball et al. 2023)
    batch_size: Annotated[int, Meta(ge=1, le=2**20)] = 256
    """Steps in a batch."""
    utd: Positive = 2.0
    """Critic updates for each new online step."""
    actor_every: Annotated[int, Meta(ge=1, le=10**6)] = 1
    """One actor update after this many critic updates."""
    warmup_steps: Steps = 500
    """Online steps before the first update."""
    max_debt_steps: Steps = 200_000
    """Updates owed for more online steps than this are forgiven (a trainer started late does not catch up for days)."""
    capacity: Annotated[int, Meta(ge=1, le=10**9)] = 1_000_000
    """Steps held; the oldest online episodes go first, demos stay."""
    demo_fraction: Share = 0.5
    """Share of demo rows in every mini-batch as soon as there are demos; 0 with ``one_replay``."""
    demo_copies: NotNegative = 4.0
    """A batch holds at most this many copies of each demo step on average, so few demos are not worn out."""
    lap_priority: NotNegative = DemoRule.lap_priority
    """Weight of a lap's step in the demo half, times the segment's own priority."""
    star_priority: NotNegative = DemoRule.star_priority
    """Factor for segments with the verdict ``star``."""
    recent_fraction: Share = 0.5
    """Share of the online half that is drawn from the newest ``recent_steps`` online steps only: what has just been tried is
    learned from at once, however much lies in the memory (after Wang and Ross 2019)."""
    recent_steps: Annotated[int, Meta(ge=1, le=10**9)] = 2000
    """See ``recent_fraction``."""
    recent_drives: Annotated[int, Meta(ge=0, le=10**6)] = 4
    """So many drives are newest whatever their length: a lap of two minutes has more steps than ``recent_steps``."""
    one_replay: bool = DemoRule.one_replay
    """Laps and takeovers lie in the one replay instead of a half of their own (the reference recipe)."""
    demo_weight: NotNegative = 1.0
    """With ``one_replay``: how much likelier a demo step is drawn; it falls to 1 as the replay fills to 200,000 samples."""

    # Takeovers
    takeover_priority: NotNegative = DemoRule.takeover_priority
    """Weight of a takeover's step in the demo half, times the segment's own priority."""
    takeover_fraction: Share = 1 / 16
    """Least share of every mini-batch that comes from takeovers, however many laps there are: 16 rows of 256. Never more by this
    rule than one copy of each takeover step; 0 leaves it to the priorities alone."""
    takeover_min_s: NotNegative = DemoRule.takeover_min_s
    """A takeover shorter than this (s) shows nothing: the shortest press makes one of 0.3 s, so it was cut off at once.
    (This and the two below do not hold for takeovers that the player judged good or star, or gave a priority of their own.)"""
    takeover_min_m: NotNegative = DemoRule.takeover_min_m
    """A takeover that led less far (m) shows standing still. A correction at speed is far beyond it: 0.3 s at 10 m/s are 3 m."""
    takeover_held_s: NotNegative = DemoRule.takeover_held_s
    """A takeover that begins with its episode and is over within this (s) is a key still held from the episode before."""
    kind_fraction: Annotated[float, Meta(ge=0, le=0.5)] = 0.25
    """Least share of laps, and of the agent's finishes, in the demo rows that are no takeovers: two hundred laps do not
    drown ten finishes, nor the other way round. 0 leaves it to the priorities."""
    takeovers_online: bool = True
    """The human's steps of live episodes are online data as well as demos (RLPD with HIL-SERL's rule), not demos alone."""
    failed_takeovers: bool = DemoRule.failed_takeovers
    """A takeover that did not clear its corner is a demo, too, but for its end."""
    failed_laps: bool = DemoRule.failed_laps
    """A lap that was not finished is a demo, too, but for its end: for who finishes none. Beside finished laps it is no help."""
    failed_cut_s: NotNegative = DemoRule.failed_cut_s
    """Seconds at the end of a failed takeover or lap, half of it at most, that are no demo: there the mistake lies. (The player's
    good or star makes all of it one.)"""
    handover_cost: float = 0.0
    """Taken from the reward of the last agent step before a takeover (RLIF, Luo et al. 2023)."""
    skip_before_takeover_s: NotNegative = 0.0
    """Seconds of agent steps before a takeover that are never drawn (Sirius, Liu et al. 2022)."""
    human_weight: NotNegative = 1.0
    """Weight of human rows in the critic loss."""

    # Cloning
    bc_weight: NotNegative = 10.0
    """Cloning of the demos (the human's, and the agent's own finishes) in the actor loss, by the squared error of the greedy
    action; 0 is off. In full force where they fill ``demo_fraction`` of a batch, and weaker with their share below that: a
    handful of rows must not outweigh all the others."""
    hand_delay_s: NotNegative = 0.0
    """A human's action answers what was seen so many seconds before, and is cloned as the answer to that. The critic learns what
    was done when."""
    bc_q_filter: bool = False
    """Clone only rows whose executed action the critic finds better than the agent's (Nair et al. 2018)."""
    iwr_weight: NotNegative = 1.0
    """Weight of takeover rows against lap rows in the cloning loss (IWR, Mandlekar et al. 2020)."""

    q_weight: Share = 1.0
    """Weight of Q, and of the entropy, in the actor's loss (``q_after_laps`` in that of an agent that began with laps). With 0 it
    only clones."""

    # Laps before the first drive
    lap_utd: NotNegative = 1 / 3
    """Updates for each step of the laps: what they show is learned before anything is driven, by cloning. Twenty laps of fifteen
    seconds are 2,000 updates."""
    q_after_laps: Share = 0.1
    """Weight of Q in the actor's loss of an agent that began with laps. With more it soon becomes faster than its laps, and loses
    all of it after some 8,000 driven steps."""
    q_warmup_updates: Annotated[int, Meta(ge=0, le=10**9)] = 30_000
    """Updates on its own drives over which that weight grows from 0: critics that have seen nothing but laps are wrong about
    everything beside them (Zhou et al. 2025 describe what then happens)."""

    # Beside an agent of another make
    frozen_agent: bool = False
    """Another agent drives, and stays as it is: this one learns to take over from it where the human did, and nowhere else."""
    frozen_before_s: NotNegative = 2.0
    """Where it takes over: so many seconds before the human's takeovers began."""
    frozen_after_s: NotNegative = 1.0
    """Until so many seconds after they ended."""
    frozen_teaches: bool = False
    """With ``frozen_agent``: this agent first learns to do what the other one does, which is asked for its action wherever a
    drive has been. Then it drives everywhere, instead of taking over in places, and learns on. On in a run that begins beside
    an agent which can be asked."""
    frozen_bound: NotNegative = 0.05
    """With ``frozen_teaches``, it drives once its actions (-1 to 1) are no further than this from the other agent's, on average
    over every fifth of that one's drives, from which it does not learn."""

    # Own finishes (self-imitation, Oh et al. 2018)
    own_finishes: Annotated[int, Meta(ge=0, le=10_000)] = 10
    """So many of the agent's unaided finishes of each track are demos as well, and cloned as such: what it can already do
    is not unlearned while the critic is still wrong about the rest."""
    finishes_kept: Literal["newest", "best"] = "newest"
    """Which ones: of a hundred laps at the edge of the road the best ten are the luckiest, and to clone these drives off it."""
    own_prefixes: Annotated[int, Meta(ge=0, le=10_000)] = 0
    """So many of the agent's unaided drives that came farthest are demos, too, until some seconds before their farthest point,
    as long as it has not finished the track."""

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
        missing then is as in ``PLAIN``: what an older version had no setting for, it did not do.
        """
        return PLAIN.with_values(**{k: v for k, v in values.items() if k in NAMES and not beyond_bounds(k, v)})


NAMES = frozenset(f.name for f in fields(TrainConfig))
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


PLAIN = TrainConfig(
    image_shift=0,
    shared_encoder=False,
    gamma=0.9925,
    n_step=3,
    bc_weight=0.0,
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
    failed_takeovers=False,
    q_after_laps=1.0,
    log_std_max=2.0,
    lr_actor=3e-4,
    utd=1.0,
    grad_clip_actor=None,
    grad_clip_critic=None,
)
"""TQC with half and half batches, and nothing else: what other recipes are built on, and what a checkpoint means by settings that
it does not name. A setting that is added later and changes how a run learns is off here."""
