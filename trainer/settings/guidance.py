"""What is learned from the human, from other agents, and from the agent's own best drives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from msgspec import Meta

from data.demos import DemoRule
from trainer.settings.bounds import NotNegative, Share


@dataclass(frozen=True)
class GuidanceSettings:
    """What guides the actor beside its critics, and what counts as a demo."""

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
    past_action_dropout: Share = 0.5
    """In this share of the human's rows the actor is shown the past actions of another row, where observations hold such: else
    it learns to go on with what it does, and never begins to brake (Bansal et al. 2019)."""
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
    where the human has not helped, in every fifth of that one's drives without help, from which it does not learn."""

    # Own finishes (self-imitation, Oh et al. 2018)
    own_finishes: Annotated[int, Meta(ge=0, le=10_000)] = 10
    """So many of the agent's unaided finishes of each track are demos as well, and cloned as such: what it can already do
    is not unlearned while the critic is still wrong about the rest."""
    finishes_kept: Literal["newest", "best"] = "newest"
    """Which ones: of a hundred laps at the edge of the road the best ten are the luckiest, and to clone these drives off it."""
    own_prefixes: Annotated[int, Meta(ge=0, le=10_000)] = 0
    """So many of the agent's unaided drives that came farthest are demos, too, until some seconds before their farthest point,
    as long as it has not finished the track."""
