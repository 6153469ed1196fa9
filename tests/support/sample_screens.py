"""Sample views and reports: real tracks driven by the scripted driver, without a store or a display."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache

import numpy as np

from hitl.drivers.scripted import ScriptedDriver
from hitl.games.driving_env import DrivingEnv
from hitl.road.track import load_track
from takeover_ui.report.contents import CornerRow, DrivenLine, EpisodePoint, EvaluationPoint, Report, Score
from takeover_ui.view import LapView, RecorderState, Scene, TrainerState, View


@dataclass
class Drive:
    """One driven episode as columns."""

    points: list[tuple[float, float]] = field(default_factory=list)
    heading: list[float] = field(default_factory=list)
    velocity: list[tuple[float, float]] = field(default_factory=list)
    yaw_rate: list[float] = field(default_factory=list)
    progress: list[float] = field(default_factory=list)
    speed: list[float] = field(default_factory=list)
    action: list[tuple[float, ...]] = field(default_factory=list)
    total: list[float] = field(default_factory=list)
    reason: str = ""


@cache
def scene(track: str = "default") -> Scene:
    loaded = load_track(track)
    return Scene(loaded.name, loaded.line.points, loaded.half_width, loaded.line.length, loaded.corners)


@cache
def drive(track: str = "default", seed: int = 0, blunder_at: float | None = None) -> Drive:
    """One lap of the scripted driver; from ``blunder_at`` metres on it holds the gas and barely steers."""
    env = DrivingEnv(track)
    driver = ScriptedDriver(env.track, seed=seed)
    result = Drive()
    _, info = env.reset(seed=seed)
    total, done = 0.0, False
    while not done:
        state = info["state"]
        action = driver.act(state, info["place"])
        if blunder_at is not None and info["progress"] > blunder_at:
            action = np.array([0.6, action[1] * 0.3], np.float32)
        result.points.append((state.x, state.y))
        result.heading.append(state.heading)
        result.velocity.append((state.vx, state.vy))
        result.yaw_rate.append(state.yaw_rate)
        result.progress.append(info["progress"])
        result.speed.append(state.speed)
        result.action.append(tuple(float(a) for a in action))
        _, reward, terminated, truncated, info = env.step(action)
        total += reward
        result.total.append(total)
        done = terminated or truncated
    result.reason = info["reason"] or ""
    return result


def view(driver: str = "agent", tick: int = 60, track: str = "default") -> View:
    """A view of a well-filled session at one tick of a lap."""
    made, lap = scene(track), drive(track)
    tick = min(tick, len(lap.points) - 1)
    corner = made.corners[0]
    to_go = corner[1] - lap.progress[tick]
    agent, human = drive(track, 1, corner[1] - 10), drive(track, 2)
    action = lap.action[tick]
    return View(
        scene=made,
        driver=driver,  # type: ignore[arg-type]
        proposed=(0.85, action[1] * 0.4) if driver == "human" else action,
        executed=(0.0, 0.0) if driver == "paused" else action,
        speed=lap.speed[tick],
        progress=lap.progress[tick],
        x=lap.points[tick][0],
        y=lap.points[tick][1],
        heading=lap.heading[tick],
        velocity=lap.velocity[tick],
        yaw_rate=lap.yaw_rate[tick],
        wheel_angle=-0.4 * action[1],
        next_corner=corner[0] if to_go > -(corner[2] - corner[1]) else "",
        countdown=max(0.0, to_go / max(lap.speed[tick], 1.0)),
        risk=0.34,
        episode_return=lap.total[tick],
        best_return=61.7,
        ceiling=46.2,
        takeovers=7,
        human_seconds=24.35,
        trainer=TrainerState(True),
        store=RecorderState(12),
        evaluations=((9_800, 0.0), (10_400, 0.0), (11_000, 0.0), (11_500, 0.15), (12_000, 0.4), (12_400, 0.85)),
        failures=(*np.random.default_rng(0).normal(corner[1] + 12, 6, 40).tolist(), 62.0, 63.0, 250.0),
        without_help="alone at hairpin: 4 of 10",
        times=LapView(12.3, 16.4, 15.2, 15.9),
        hint="arrow keys: drive · P: pause · Esc: end",
        agent_trails=(np.array(agent.points, np.float32),),
        human_trails=(np.array(human.points, np.float32),),
        at=0.0,
    )


def report() -> Report:
    """A full report of the default track."""
    made = scene()
    corner = made.corners[0]

    def line(kind: str, lap: Drive) -> DrivenLine:
        return DrivenLine(
            kind, np.array(lap.points), np.array(lap.progress), np.array(lap.speed), failed=lap.reason != "finish"
        )  # type: ignore[arg-type]

    lines = [line("before", drive("default", s, corner[1] - 12 + 2 * s)) for s in range(3)]
    lines += [line("human", drive("default", s)) for s in (4, 5, 6)] + [
        line("after", drive("default", s)) for s in (8, 9)
    ]
    rng = np.random.default_rng(0)
    episodes = [
        EpisodePoint(
            7_000 + 130 * k, float(45 + 0.004 * max(0, k - 30) ** 2 + rng.normal(0, 2)), 2.1 if 30 <= k < 42 else 0.0
        )
        for k in range(80)
    ]
    evaluations = [
        EvaluationPoint(7_000 + 1_000 * k, p, 20, 45.0 + p) for k, p in enumerate((0, 0, 0, 0, 4, 9, 17, 15, 19, 20))
    ]
    return Report(
        title="From 0 to 19 of 20",
        scene=made,
        corner=corner,
        before=Score((False,) * 20, 45.3, 0, 7_000, "the last evaluation before the first takeover"),
        after=Score((True,) * 7 + (False,) + (True,) * 12, 64.9, 18, 12_600, "the most recent evaluation"),
        takeover_seconds=31.4,
        takeovers=12,
        told_takeovers=12,
        told_seconds=31.4,
        agent_steps=5_240,
        updates=5_240,
        ceiling=46.2,
        lines=lines,
        episodes=episodes,
        evaluations=evaluations,
        failures=tuple(float(v) for v in rng.normal(corner[1] + 14, 5, 60)),
        failures_before=40,
        alone=(60, 70),
        corners=(CornerRow("hairpin", corner[1], corner[2], 80, 33, 12, 31.4, 11, (19, 20)),),
        verdicts={"unreviewed": 3, "good": 6, "bad": 1, "star": 2},
        figures=(("seed", "0"), ("wall time", "187 s")),
        versions={"hitl": "0.1.0", "Python": "3.11"},
    )
