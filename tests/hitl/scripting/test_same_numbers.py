"""A script gets what the commands get: the steps of `hitl play`, the updates of `hitl train`, the returns of `hitl eval`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from data.errors import UsageError
from hitl import TQC, Store, SymmetricReplay, Takeover, evaluate, open_env
from hitl.cli import main
from hitl.drivers.human import ScriptedHuman, scripted_human
from hitl.home import Home
from hitl.road.track import load_track
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from trainer.checkpoints.files import load
from trainer.daemon.daemon import Daemon
from trainer.daemon.wish import Wish
from trainer.learner.learner import Learner

SMALL = {"batch_size": 32, "hidden": 16, "warmup_steps": 50, "utd": 0.5, "lap_utd": 0.25, "checkpoint_seconds": 1e6}
GENTLE = np.array([0.3, 0.0], np.float32)


class Straight:
    """Goes gently straight on."""

    checkpoint_id = None

    def act(self, observation: np.ndarray, deterministic: bool) -> np.ndarray:
        return GENTLE

    def begin_episode(self) -> None:
        pass


def helper() -> ScriptedHuman:
    """Drives three seconds, and lets go."""
    return scripted_human(load_track("default"), "expert", None, limit_s=3.0)


class Limited(ScriptedHuman):
    """Leaves the wheel to the agent once its seconds are spent."""

    def read(self, info):  # type: ignore[no-untyped-def]
        from hitl.pads.base import PadState

        return (PadState(), "") if self.spent else super().read(info)


def limited() -> Limited:
    made = helper()
    return Limited(made.driver, None, limit_s=3.0)


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same two drives and a lap: by a session's own loop, and by a script's around `Takeover`."""
    root = tmp_path_factory.mktemp("same")
    played, scripted = root / "played", root / "scripted"
    with SessionSetup(Home(played), SessionOptions(), policy=lambda *names: Straight(), human=lambda track: limited()) as rig:  # type: ignore[arg-type,return-value]
        for seed in range(2):
            rig.session.episode("drive", seed=seed)
        rig.session.human = helper_for_lap()
        rig.session.episode("lap", seed=2)
    env = Takeover(open_env(), limited(), store=scripted)
    for seed in range(2):
        env.reset(seed=seed)
        over = False
        while not over:
            *_, terminated, truncated, _ = env.step(GENTLE)
            over = terminated or truncated
    env.close()
    return played, scripted


def helper_for_lap() -> ScriptedHuman:
    return scripted_human(load_track("default"), "good", None)


def test_a_script_records_what_the_command_records(homes: tuple[Path, Path]) -> None:
    with Store(homes[0]) as played, Store(homes[1]) as scripted:
        (theirs,), (mine,) = played.sessions(), scripted.sessions()
        for name in ("env", "track", "hz", "observation_names", "action_names", "reward", "driver"):
            assert getattr(mine, name) == getattr(theirs, name), name
        assert scripted.corners("default") == played.corners("default")
        for one, other in zip(played.episodes(purpose="drive"), scripted.episodes(), strict=True):
            assert (one.reason, one.total, one.farthest) == (other.reason, other.total, other.farthest)
            a, b = played.steps(one), scripted.steps(other)
            for name in a.columns:
                np.testing.assert_array_equal(a[name], b[name], err_msg=name)
        assert 0 < sum(e.human_steps for e in scripted.episodes()) < sum(e.length for e in scripted.episodes())
        shown = [[(s.start, s.stop, s.trigger, s.outcome, s.corner) for s in store.takeovers()] for store in (played, scripted)]
        assert shown[0] == shown[1]
        assert shown[0]


def test_a_script_learns_what_the_command_learns(homes: tuple[Path, Path], tmp_path: Path) -> None:
    for name in ("command", "script"):
        shutil.copytree(homes[0], tmp_path / name)
    (tmp_path / "script" / "settings.toml").write_text("[train]\nutd = 0.5\n")  # a script reads it, as the command does

    daemon = Daemon(tmp_path / "command", Wish.of(SMALL), stop=lambda: daemon.beat.state == "idle")
    daemon.run()
    with SymmetricReplay(tmp_path / "script", **{k: v for k, v in SMALL.items() if k != "utd"}) as replay:
        learner = replay.learner()
        count = 0
        for batch in replay.batches(learner):
            learner.update(batch)
            count += 1
        assert list(replay.batches(learner)) == []
        saved = replay.save(learner)
    (theirs,) = sorted((tmp_path / "command" / "checkpoints").glob("*.safetensors"))[-1:]
    (a, about_a), (b, about_b) = load(theirs), load(saved)
    assert count == about_a.updates > 100
    assert about_a == about_b
    assert set(a) == set(b)
    for name in a:
        np.testing.assert_array_equal(a[name].numpy(), b[name].numpy(), err_msg=name)


def test_a_run_goes_on_where_the_other_was(homes: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(homes[0], tmp_path / "home")
    with SymmetricReplay(tmp_path / "home", **SMALL) as replay:
        learner = replay.learner()
        for _, batch in zip(range(24), replay.batches(learner), strict=False):
            learner.update(batch)
        owed = replay.owed
        replay.save(learner)
    daemon = Daemon(tmp_path / "home", Wish.of({}), stop=lambda: True)
    daemon.run()
    with SymmetricReplay(tmp_path / "home", resume=True) as replay:
        again = replay.learner()
        assert (again.updates, again.config.hidden) == (24, 16)
        next(replay.batches(again))
        assert replay.owed == owed


def test_what_is_owed_is_right_whatever_the_loop_does(homes: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(homes[0], tmp_path / "home")
    with SymmetricReplay(tmp_path / "home", **SMALL) as replay:
        learner = replay.learner()
        held = replay.batches(learner)
        next(held)
        total = replay.owed  # the first batch is out, and nothing was learned from it
        held.close()
        assert replay.owed == total
        for batch in replay.batches(learner):
            learner.update(batch)
            assert replay.owed == total - learner.updates
            if learner.updates == 5:
                assert load(replay.save(learner))[1].numbers["owed_updates"] == total - 5
            if learner.updates == 7:
                break
        assert (learner.updates, replay.owed) == (7, total - 7)
        for _ in replay.batches(learner):
            break  # without an update
        assert replay.owed == total - 7
        with pytest.raises(KeyboardInterrupt):
            learn_until_interrupted(replay, learner)
        assert replay.owed == total - 8
        for batch in replay.batches(learner):
            learner.update(batch)
            learner.update(replay.sample())  # an update of the script's own
            if learner.updates == 14:
                break
        assert replay.owed == total - 11
        assert sum(1 for _ in replay.batches(learner)) == int(total - 11)  # asked for, and left out
        assert 0 <= replay.owed < 1


def test_a_learner_of_other_sizes_is_refused_before_it_is_saved(homes: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(homes[0], tmp_path / "home")
    with SymmetricReplay(tmp_path / "home", **SMALL) as replay:
        size = replay.observation_size
        for other in (TQC(size + 1, 2, replay.config), TQC(size, 1, replay.config)):
            with pytest.raises(UsageError, match=rf"what is driven here has {size} and 2\. replay\.learner\(\)"):
                replay.save(other)
            with pytest.raises(UsageError, match="This learner is for"):
                next(replay.batches(other))
    assert not list((tmp_path / "home").rglob("*.safetensors"))
    with SymmetricReplay(tmp_path / "home", resume=True) as replay:
        assert replay.learner().updates == 0


def learn_until_interrupted(replay: SymmetricReplay, learner: Learner) -> None:
    for batch in replay.batches(learner):
        learner.update(batch)
        raise KeyboardInterrupt


def test_a_script_evaluates_as_the_command_does(
    homes: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(homes[0], tmp_path / "home")
    with SymmetricReplay(tmp_path / "home", **SMALL) as replay:
        learner = replay.learner()
        saved = replay.save(learner)
    assert main(["eval", "--home", str(tmp_path / "home"), "--episodes", "2", "--seed", "3", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    env = Takeover(open_env(), helper(), store=tmp_path / "other")
    by_file, by_learner = evaluate(saved, open_env(), 2, seed=3), evaluate(learner, env, 2, seed=3)
    env.close()
    assert by_file == by_learner
    assert said["return_mean"] == pytest.approx(sum(r.total for r in by_file) / 2, abs=1e-9)
    assert said["passes"]["hairpin"] == sum(r.passed["hairpin"] for r in by_file)
    with Store(tmp_path / "other") as store:
        assert [(e.purpose, e.human_steps, e.total) for e in store.episodes()] == [
            ("evaluation", 0, pytest.approx(r.total)) for r in by_file
        ]


def test_without_steps_there_is_a_sentence(tmp_path: Path) -> None:
    with SymmetricReplay(tmp_path / "nothing") as replay:
        assert replay.poll() == replay.online_rows == 0
        for attempt in (replay.sample, replay.learner, lambda: replay.sample_demos(1)):
            with pytest.raises(UsageError):
                attempt()
    with pytest.raises(UsageError, match="observation_size"):
        SymmetricReplay()
    with pytest.raises(ValueError, match="shape"):
        SymmetricReplay(observation_size=2, action_size=1).add_episode(
            np.zeros((3, 2)), np.zeros((3, 1)), np.zeros(3), terminated=True
        )
