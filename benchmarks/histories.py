"""Histories of known kinds under the names that each trainer gives its figures: which are found, which are sound, which cannot
be told; and the kept ones beside the checkout.

    python benchmarks/histories.py [--seeds N] [--seed N] [--only TEXT ...] [--json FILE]

A faulty history that is called sound, and a sound one that is accused, are counted; both should be 0.
"""

from __future__ import annotations

import csv
import json
import math
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from common import parser, print_table, write_report

from hitl.diagnosis.cases import cases
from trainer.diagnosis.finding import FOUND, SOUND, UNCLEAR, Diagnosis
from trainer.diagnosis.run import diagnose

ROOT = Path(__file__).resolve().parents[1]
KEPT = [ROOT.parent / "shared" / "cases" / "histories", ROOT.parent / "shared" / "reference" / "runs"]
N = 600
T = np.arange(N) / N
LEVEL = 20 + 200 * np.log1p(4 * T) / math.log(5)
"""The return of a run that rises."""
Columns = dict[str, np.ndarray]


@dataclass(frozen=True)
class Kind:
    """A kind of history: how it changes a rising one, and what should be said of it."""

    make: Callable[[Columns, np.random.Generator], None]
    faults: tuple[str, ...] = ()
    """Those that name it, the cause before what it brings about; none for a sound one."""
    first: int = 0
    """The first row that is left in the file."""
    cut: bool = False
    """The last line is cut in the middle."""
    shown_by: tuple[str, ...] = ("return_train",)
    """The columns without which the kind does not show."""


def rising(rng: np.random.Generator) -> Columns:
    """Return the columns of a sound run that still rises, under our names."""
    level = LEVEL
    noise = rng.normal(size=(40, N))
    q = 0.1 * level + 0.1 * noise[0]
    r = 0.15 + 0.002 * level / 20 + 0.02 * noise[1]
    a = {f"debug/a_{i}": 0.3 - 0.2 * i + 0.02 * noise[2 + i] for i in range(3)}
    a1 = {f"debug/a1_{i}": (0.4 - 0.2 * i) * np.minimum(1, 2 * T) + 0.01 * noise[5 + i] for i in range(3)}
    spread = {f"{c}_std": np.full(N, 0.5) - 0.2 * np.minimum(1, 2 * T) * (who == "a1") for c, who in
              [*((c, "a") for c in a), *((c, "a1") for c in a1)]}  # fmt: skip
    found = {
        "return_train": level + 14 * noise[8],
        "return_test": np.repeat((level + 6 * noise[9])[::10], 10),
        "episode_length_train": np.round(200 + level + 10 * noise[10]),
        "episode_length_test": np.repeat(np.round(200 + level + 6 * noise[11])[::10], 10),
        "memory_len": np.round(5000 + 650.0 * np.arange(N)),
        "round_time": 15 + noise[12] * 0.2,
        "idle_time": np.maximum(0, 0.5 + 0.1 * noise[13]),
        "sampling_duration": 0.01 + 0.0004 * noise[14],
        "training_step_duration": 0.04 + 0.001 * noise[15],
        "losses/loss_actor": -q,
        "losses/loss_critic": 0.15 + 0.02 * noise[16],
        "debug/alpha": 0.05 * np.exp(-0.5 * T) + 0.0005 * noise[17],
        "debug/q1": q + 0.03 * noise[18],
        "debug/q1_std": np.full(N, 1.2),
        "debug/q2": q + 0.03 * noise[19],
        "debug/q2_std": np.full(N, 1.2),
        "debug/q_a1": q + 0.15,
        "debug/q_a1_std": np.full(N, 1.2),
        "debug/q_a1_targ": q - 0.05,
        "debug/r": r,
        "debug/r_std": np.full(N, 0.1),
        "debug/d": np.full(N, 0.0016),
        "debug/log_pi": -2 + 1.5 * np.minimum(1, 2 * T) + 0.02 * noise[20],
        "debug/demo_fraction_in_batch": 0.5 + 0.01 * noise[21],
        "debug/critic_grad_norm": 1 + 0.1 * noise[22],
        "debug/actor_grad_norm": 0.08 + 0.01 * noise[23],
        **a, **a1, **spread,
    }  # fmt: skip
    found["debug/backup"] = found["debug/r"] + 0.99 * found["debug/q_a1_targ"]
    return found


def returns(values: Callable[[np.ndarray], np.ndarray], noise: float = 5.0) -> Callable[[Columns, np.random.Generator], None]:
    """Return what gives both returns another course; lengths follow, and the critic knows."""

    def change(c: Columns, rng: np.random.Generator) -> None:
        level = values(T)
        for name, share in (("q1", 1.0), ("q2", 1.0), ("q_a1", 1.0), ("q_a1_targ", 1.0), ("backup", 0.99)):
            c[f"debug/{name}"] = c[f"debug/{name}"] + 0.1 * share * (level - LEVEL)
        c["losses/loss_actor"] = c["losses/loss_actor"] - 0.1 * (level - LEVEL)
        c["return_train"] = level + 2 * noise * rng.normal(size=N)
        c["return_test"] = np.repeat((level + noise * rng.normal(size=N))[::10], 10)
        c["episode_length_train"] = np.round(np.maximum(20, 160 + 3 * level + 10 * rng.normal(size=N)))
        c["episode_length_test"] = np.repeat(c["episode_length_train"][::10], 10)

    return change


def evaluations_fall(c: Columns, rng: np.random.Generator) -> None:
    """Evaluations fall from 247 to 3; training drives look on."""
    level = np.where(T < 0.5, 20 + 227 * np.minimum(1, 3 * T), np.maximum(3, 247 - 900 * (T - 0.5)))
    c["return_test"] = np.repeat((level + 4 * rng.normal(size=N))[::10], 10)


def narrowing(c: Columns, rng: np.random.Generator) -> None:
    """The same from the row on at which the memory is full."""
    c["memory_len"] = np.minimum(c["memory_len"], 200_000)
    full = float(np.argmax(c["memory_len"] >= 200_000)) / N
    level = 20 + 230 * np.minimum(1, T / full)
    c["return_train"] = level + 10 * rng.normal(size=N)
    level = level - 200 * np.clip((T - full) / 0.3, 0, 1)
    c["return_test"] = np.repeat((level + 6 * rng.normal(size=N))[::10], 10)


def alpha_explodes(c: Columns, rng: np.random.Generator) -> None:
    """The temperature grows from 0.05 to 54, and nothing is learned."""
    c["debug/alpha"] = np.geomspace(0.05, 54, N)
    returns(lambda t: 20 + 0 * t)(c, rng)


def q_explodes(c: Columns, rng: np.random.Generator) -> None:
    """Q grows without end; returns fall."""
    for name in ("q1", "q2", "q_a1", "q_a1_targ", "backup"):
        c[f"debug/{name}"] = c[f"debug/{name}"] * np.geomspace(1, 1e6, N)
    c["losses/loss_critic"] = np.geomspace(0.15, 1e9, N)
    c["losses/loss_actor"] = -c["debug/q_a1"]
    returns(lambda t: 20 + 150 * np.minimum(1, 3 * t) - 160 * np.clip(3 * t - 1.5, 0, 1))(c, rng)


def not_a_number(c: Columns, rng: np.random.Generator) -> None:
    """Everything learned becomes NaN at two thirds; the car then does nothing."""
    for name in c:
        if name.startswith(("debug/q", "losses", "debug/backup", "debug/alpha", "debug/a1", "debug/log_pi")):
            c[name] = np.where(T > 0.66, np.nan, c[name])
    c["return_train"] = np.where(T > 0.68, 2 + 0.1 * rng.normal(size=N), c["return_train"])
    c["return_test"] = np.where(T > 0.7, 2.0, c["return_test"])


def silent(c: Columns, rng: np.random.Generator) -> None:
    """Nothing arrives after two thirds."""
    last = int(0.66 * N)
    for name in ("return_train", "return_test", "episode_length_train", "episode_length_test", "memory_len"):
        c[name] = np.concatenate((c[name][:last], np.full(N - last, c[name][last])))


def starved(c: Columns, rng: np.random.Generator) -> None:
    """The trainer waits nearly all of its time from the middle on, and the return stands."""
    c["idle_time"] = np.where(T > 0.5, 60 + rng.normal(size=N), c["idle_time"])
    c["round_time"] = np.where(T > 0.5, 64 + rng.normal(size=N), c["round_time"])
    returns(lambda t: 20 + 120 * np.minimum(1, 2 * t))(c, rng)


def columns(**changes: Callable[[Columns, np.random.Generator], np.ndarray]) -> Callable[[Columns, np.random.Generator], None]:
    """Return what gives some columns of a run that rises other values; "__" stands for "/" in their names."""

    def change(c: Columns, rng: np.random.Generator) -> None:
        for name, values in changes.items():
            c[name.replace("__", "/")] = values(c, rng)

    return change


def uniform(c: Columns, rng: np.random.Generator) -> None:
    """The policy draws at random, and the return stands."""
    for i in range(3):
        c[f"debug/a1_{i}"], c[f"debug/a1_{i}_std"] = 0.01 * rng.normal(size=N), 0.577 + 0.002 * rng.normal(size=N)
    c["debug/log_pi"] = -2.08 + 0.01 * rng.normal(size=N)
    returns(lambda t: 20 + 0 * t)(c, rng)


def saturated(c: Columns, rng: np.random.Generator) -> None:
    """Every control at a limit."""
    for i in range(3):
        c[f"debug/a1_{i}"], c[f"debug/a1_{i}_std"] = 0.999 - 0.001 * rng.random(N), np.full(N, 0.02)
    returns(lambda t: 20 + 0 * t)(c, rng)


def overestimates(c: Columns, rng: np.random.Generator) -> None:
    """Q rises while the returns fall, slowly."""
    c["debug/q_a1"] = 5 + 60 * T + rng.normal(size=N)
    returns(lambda t: 120 - 60 * t)(c, rng)


def one_place(c: Columns, rng: np.random.Generator) -> None:
    """Most episodes end at a third of the way, and most of those that pass it at two thirds."""
    place = np.where(rng.random(N) < 0.7, 0.33, np.where(rng.random(N) < 0.8, 0.66, rng.uniform(0.7, 0.95, N)))
    c["worker/progress"] = 100 * (place + 0.003 * rng.normal(size=N))


def finishes(c: Columns, rng: np.random.Generator) -> None:
    """A run that has learned its task: the return stands because the car finishes."""
    returns(lambda t: 20 + 280 * np.minimum(1, 2.5 * t), 1.5)(c, rng)
    c["finish_rate"] = np.clip(2.5 * T, 0, 0.97)


def same(c: Columns, rng: np.random.Generator) -> None:
    """As it is."""


KINDS: dict[str, Kind] = {
    "ceiling": Kind(returns(lambda t: 20 + 33 * np.minimum(1, 6 * t)), ("return-plateau",)),
    "ceiling from the first row": Kind(returns(lambda t: 20 + 0 * t), ("return-plateau",)),
    "ceiling, file cut at its begin": Kind(returns(lambda t: 20 + 33 * np.minimum(1, 6 * t)), ("return-plateau",), 250),
    "collapse": Kind(returns(lambda t: 20 + 180 * np.minimum(1, 3 * t) - 170 * np.clip(6 * t - 3, 0, 1)), ("return-collapsed",)),
    "evaluations collapse": Kind(evaluations_fall, ("replay-narrowed", "return-collapsed"), shown_by=("return_test",)),
    "replay narrows": Kind(narrowing, ("replay-narrowed", "return-collapsed"), shown_by=("return_test",)),
    "temperature explodes": Kind(alpha_explodes, ("temperature-runaway", "return-plateau")),
    "Q explodes": Kind(q_explodes, ("exploded", "return-collapsed")),
    "NaN": Kind(not_a_number, ("exploded", "return-collapsed")),
    "collector silent": Kind(silent, ("collector-silent",), shown_by=("episode_length_train",)),  # no row without an episode
    "starved": Kind(starved, ("learning-starved", "return-plateau"), shown_by=("idle_time",)),
    "critic ignores actions": Kind(
        columns(debug__q_a1=lambda c, _: (c["debug/q1"] + c["debug/q2"]) / 2), ("critic-ignores-actions",),
        shown_by=("debug/q_a1",)),
    "uniform policy": Kind(uniform, ("uniform-policy", "return-plateau")),
    "one critic twice": Kind(columns(debug__q2=lambda c, _: c["debug/q1"]), ("twin-critics-identical",), shown_by=("debug/q2",)),
    "discount above one": Kind(
        columns(debug__backup=lambda c, _: c["debug/r"] + 1.02 * c["debug/q_a1_targ"]), ("discount-power",),
        shown_by=("debug/backup",)),
    "no gradient": Kind(columns(debug__actor_grad_norm=lambda *_: np.zeros(N)), ("gradients-zero",),
                        shown_by=("debug/actor_grad_norm",)),
    "saturated": Kind(saturated, ("actions-saturated", "return-plateau")),
    "demo share drifts": Kind(
        columns(debug__demo_fraction_in_batch=lambda *_: 0.9 - 0.7 * T), ("demo-share-drift", "batch-composition"),
        shown_by=("debug/demo_fraction_in_batch",)),
    "sampling slows": Kind(columns(sampling_duration=lambda *_: 0.016 + 3 * T), ("sampling-slows",),
                           shown_by=("sampling_duration", "memory_len")),
    "nothing evaluated": Kind(columns(return_test=lambda *_: np.zeros(N)), ("evaluation-missing",), shown_by=("return_test",)),
    "Q rises, returns fall": Kind(overestimates, ("q-return-apart", "return-collapsed")),
    "ends at two places": Kind(one_place, ("ends-in-one-place",), shown_by=("worker/progress",)),
    "sound, rises": Kind(same),
    "sound, resumed": Kind(same, first=150),
    "sound, last line cut": Kind(same, cut=True),
    "sound, rises evenly": Kind(returns(lambda t: 20 + 150 * t)),
    "sound, finishes": Kind(finishes),
}

TMRL = {"losses/loss_actor": "loss_actor", "losses/loss_critic": "loss_critic", "debug/alpha": "entropy_coef"}
FEBRUARY = {
    "losses/loss_actor": "losses/actor", "losses/loss_critic": "losses/critic", "debug/alpha": "entropy_coef",
    **{n: f"metrics/{n}" for n in ("return_train", "return_test", "episode_length_train", "episode_length_test")},
    **{n: f"timing/{n}" for n in ("round_time", "idle_time", "sampling_duration", "training_step_duration")},
    "memory_len": "buffer/memory_len",
}  # fmt: skip
SB3 = {
    "return_train": "rollout/ep_rew_mean", "episode_length_train": "rollout/ep_len_mean", "return_test": "eval/mean_reward",
    "episode_length_test": "eval/mean_ep_length", "losses/loss_actor": "train/actor_loss",
    "losses/loss_critic": "train/critic_loss", "debug/alpha": "train/ent_coef", "finish_rate": "rollout/success_rate",
}  # fmt: skip
CLEANRL = {
    "return_train": "charts/episodic_return", "episode_length_train": "charts/episodic_length", "debug/q1": "losses/qf1_values",
    "debug/q2": "losses/qf2_values", "losses/loss_critic": "losses/qf_loss", "losses/loss_actor": "losses/actor_loss",
    "debug/alpha": "losses/alpha",
}  # fmt: skip
ITERATION = {
    "return_train": "episode/return", "episode_length_train": "episode/steps", "finish_rate": "episode/finished",
    "losses/loss_critic": "learner/loss/iqn", "debug/q1": "learner/q_mean", "memory_len": "replay/size",
    "worker/progress": "episode/progress_pct",
}  # fmt: skip



def _renamed(c: Columns, names: Mapping[str, str], only: bool) -> Columns:
    return {names.get(k, k): v for k, v in c.items() if k in names or not only}


def _step(c: Columns, first: int, each: int) -> Columns:
    count = len(next(iter(c.values())))
    return {"_step": (first + np.arange(count)) * float(each), **c}


def _table(path: Path, c: Columns, cut: bool) -> list[Path]:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(c)
        numbers = [np.asarray(v, float).tolist() for v in c.values()]
        writer.writerows([["" if math.isnan(v) else repr(v) for v in row] for row in zip(*numbers, strict=True)])
    if cut:
        text = path.read_text()
        path.write_text(text[: -len(text.splitlines()[-1]) // 2])
    return [path]


def _lines(path: Path, c: Columns, cut: bool) -> list[Path]:
    """Write an events.jsonl: one event for each episode, one for each report of the learner."""
    rows = []
    for i in range(len(c["_step"])):
        for event, group in (("train/episode", "episode/"), ("train/update", "learner/"), ("train/update", "replay/")):
            values = {k.removeprefix(group): float(v[i]) for k, v in c.items() if k.startswith(group) and math.isfinite(v[i])}
            if "finished" in values:
                values["finished"] = bool(values["finished"] > 0.5)
            if values:
                values = {f"replay_{k}" if group == "replay/" else k: v for k, v in values.items()}
                rows.append(json.dumps({"event": event, "step": int(c["_step"][i]), "metrics": values}))
    path.write_text("\n".join(rows))
    return [path]


def _events(folder: Path, c: Columns, cut: bool) -> list[Path]:
    """Write TensorBoard's event file, with the writer that PyTorch has for it."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(folder / "tb"))
    for i, step in enumerate(c["_step"]):
        for name, values in c.items():
            if name != "_step" and math.isfinite(values[i]):
                writer.add_scalar(name, float(values[i]), int(step))
    writer.close()
    return [folder / "tb"]


def _monitor(path: Path, c: Columns, cut: bool) -> list[Path]:
    rows = zip(c["return_train"], c["episode_length_train"], np.cumsum(c["episode_length_train"]) / 20, strict=True)
    lines = ['#{"t_start": 1780000000.0, "env_id": "X"}', "r,l,t", *(f"{r:.6f},{n:.0f},{t:.6f}" for r, n, t in rows)]
    path.write_text("\n".join(lines))
    return [path]


def _charts(folder: Path, c: Columns, cut: bool) -> list[Path]:
    """Write one export for each chart that a user would save."""
    paths = []
    for name in ("return_train", "return_test", "debug/alpha", "debug/q1", "losses/loss_critic", "memory_len", "idle_time",
                 "round_time", "episode_length_train", "finish_rate"):  # fmt: skip
        if name in c:
            path = folder / f"{name.replace('/', '_')}.csv"
            paths += _table(path, {"Step": c["_step"], f"my run - {name}": c[name]}, False)
    return paths


Write = Callable[[Path, Columns, int, bool], list[Path]]
SCHEMES: dict[str, Write] = {
    "fork, January": lambda d, c, k, cut: _table(d / "h.csv", _step(c, k, 1), cut),
    "tmrl 0.7": lambda d, c, k, cut: _table(
        d / "h.csv", _step({n.replace("debug/", "debug_"): v for n, v in _renamed(c, TMRL, False).items()}, k, 1), cut),
    "fork, February": lambda d, c, k, cut: _table(d / "h.csv", _step(_renamed(c, FEBRUARY, False), k, 1), cut),
    "fork, March": lambda d, c, k, cut: _table(
        d / "h.csv", _step({**_renamed(c, FEBRUARY, False), "metrics/return_test": 0 * c["return_test"],
                            "eval/return_deterministic": c["return_test"]}, k, 1), cut),
    "TrackmaniaRL": lambda d, c, k, cut: _lines(d / "events.jsonl", _step(_renamed(c, ITERATION, True), k, 10), cut),
    "SB3 progress.csv": lambda d, c, k, cut: _table(
        d / "progress.csv", _renamed(_step(_renamed(c, SB3, True), k, 400), {"_step": "time/total_timesteps"}, False), cut),
    "SB3 TensorBoard": lambda d, c, k, cut: _events(d, _step(_renamed(c, SB3, True), k, 400), cut),
    "SB3 Monitor": lambda d, c, k, cut: _monitor(d / "monitor.csv", c, cut),
    "CleanRL": lambda d, c, k, cut: _events(d, _step(_renamed(c, CLEANRL, True), k, 100), cut),
    "charts": lambda d, c, k, cut: _charts(d, _step(c, k, 300), cut),
}  # fmt: skip


def look(kind: Kind, scheme: str, seed: int, folder: Path) -> tuple[Diagnosis, set[str]]:
    """Write a history of that kind under those names, and return what is said of it, and its columns."""
    rng = np.random.default_rng(seed)
    columns = rising(rng)
    kind.make(columns, rng)
    columns = {name: values[kind.first :] for name, values in columns.items()}
    paths = SCHEMES[scheme](folder, columns, kind.first, kind.cut)
    found = cases(None, paths)
    known = {c for case in found if case.history is not None for c in case.history.columns}
    return diagnose(found), known


def kept() -> list[tuple[str, Diagnosis | str]]:
    """Return what is said of each kept history, or why it was not tried."""
    said: list[tuple[str, Diagnosis | str]] = []
    for folder in KEPT:
        if not folder.is_dir():
            said.append((folder.name, "not tried: it lies beside the checkout only"))
            continue
        said += [(path.name, diagnose(cases(None, [path]))) for path in sorted(folder.iterdir()) if path.is_file()]
    return said


def main() -> None:
    """Write the histories, look at them, and print the table."""
    line = parser("Histories of known kinds under foreign names.")
    line.add_argument("--seeds", type=int, default=1, metavar="N", help="of each kind and scheme")
    line.add_argument("--seed", type=int, default=0, metavar="N", help="the first of them")
    line.add_argument("--only", nargs="*", default=None, metavar="TEXT", help="kinds whose names hold one of these")
    args = line.parse_args()
    rows: list[tuple[object, ...]] = []
    totals = Counter[str]()
    for name, kind in KINDS.items():
        if args.only is not None and not any(t in name for t in args.only):
            continue
        cells = []
        for scheme in SCHEMES:
            marks = []
            for seed in range(args.seed, args.seed + args.seeds):
                with tempfile.TemporaryDirectory() as folder:
                    report, known = look(kind, scheme, 1000 * seed + len(rows), Path(folder))
                known |= {"return_train"} if "worker/return" in known else set()
                marks.append(_mark(kind, report) if known.issuperset(kind.shown_by) else "not shown")
                if marks[-1] in ("FALSE ALARM", "FALSELY SOUND"):
                    print(f"{name} | {scheme} | {marks[-1]} | {[f.fault for f in report.above_notes]}", file=sys.stderr)
            totals.update(marks)
            cells.append(Counter(marks).most_common(1)[0][0])
        rows.append((name, *cells))
    print_table("What is said of each", ("kind", *SCHEMES), rows)
    others = []
    for name, said in kept():
        if isinstance(said, str):
            others.append((name, said, ""))
        else:
            others.append((name, said.answer, ", ".join(f.fault for f in said.above_notes)))
    print_table("Kept histories", ("file", "answer", "findings"), others)
    print(f"{totals['FALSELY SOUND']} faulty ones called sound, {totals['FALSE ALARM']} sound ones accused; {dict(totals)}")
    seeds = list(range(args.seed, args.seed + args.seeds))
    write_report(args.json, {k.lower().replace(" ", "_"): v for k, v in totals.items()}, seeds=seeds)


def _mark(kind: Kind, report: Diagnosis) -> str:
    """Return what an answer is worth for that kind."""
    named = [f.fault for f in report.above_notes]
    if not kind.faults:
        return {FOUND: "FALSE ALARM", UNCLEAR: "cannot tell", SOUND: "sound"}[report.answer]
    if report.answer == SOUND:
        return "FALSELY SOUND"
    if report.answer == UNCLEAR:
        return "cannot tell"
    # Where the cause itself is found, that must be in front; else what it brings about names it.
    place = next((named.index(fault) for fault in kind.faults if fault in named), len(named))
    return ("first", "second")[place] if place < 2 else "found"


if __name__ == "__main__":
    main()
