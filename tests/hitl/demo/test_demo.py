import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from importlib import resources
from types import SimpleNamespace

import pytest

from data.errors import CheckpointError
from data.records import Corner
from data.store import Store
from hitl import cli
from hitl.commands.demo import _not_learned, _print
from hitl.demo import demo
from hitl.demo import run as run_demo
from hitl.demo.demo import Demo, DemoResult, Measurement, Progress
from hitl.demo.shipped import SHIPPED, open_shipped, stalled_at
from hitl.drivers.human import HumanDriver, NoHuman
from hitl.home import Home
from hitl.pads.base import PadState
from hitl.road.track import load_track
from hitl.screens import before_after
from hitl.screens.stored.report import stored_report
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.trainer_process import TrainerProcess


def run(*args, **environment):
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.run(
        [sys.executable, "-m", "hitl", *map(str, args)],
        capture_output=True,
        text=True,
        env={**env, **environment},
        timeout=120,
    )


class TestShipped:
    """The agent that comes with the program: what it is, and that it stalls."""

    @pytest.fixture
    def home(self, tmp_path):
        home = Home(tmp_path / "home")
        open_shipped(home)
        return home

    def test_it_is_small(self):
        folder = resources.files("hitl") / "stalled"
        checkpoints = [f for f in folder.iterdir() if f.name.endswith(".safetensors")]
        assert len(checkpoints) == 1
        assert len(checkpoints[0].read_bytes()) <= 2 * 2**20

    @pytest.mark.parametrize("track", SHIPPED.values())
    def test_its_store_has_a_log_so_that_who_reads_it_holds_nobody_up(self, tmp_path, track):
        home = Home(tmp_path / "home")
        open_shipped(home, track)
        with Store(home.store_path, read_only=True) as store:
            assert store.db.journal_mode == "wal"

    def test_its_store_holds_no_lap_but_the_evaluations_that_show_the_stall_and_one_drive(self, home):
        corner = stalled_at(home, "default")
        assert corner is not None
        assert corner.name == "hairpin"
        with Store(home.store_path) as store:
            segments, evaluations = store.segments(), store.evaluations()
            driven = [e for e in store.episodes() if len(store.steps(e)) > 0]
        assert not segments, "nobody has shown it the corner"
        assert [(e.purpose, e.checkpoint_id) for e in driven] == [("evaluation", evaluations[-1].checkpoint_id)]
        assert [e.episodes for e in evaluations[-3:]] == [20] * 3
        assert [e.passes["hairpin"] for e in evaluations[-3:]] == [0] * 3

    def test_it_reaches_the_corner_and_never_passes_it(self, home):
        with SessionSetup(home, SessionOptions(kind="evaluation")) as rig:
            results = rig.evaluate(5)
        corner = load_track("default").corner("hairpin")
        assert sum(r.passed["hairpin"] for r in results) == 0
        assert min(r.progress for r in results) > corner.from_m

    def test_an_evaluation_that_was_cut_off_is_none_of_twenty(self, home, capsys):
        driven = []  # ticks; the player leaves in the third episode
        options = SessionOptions(kind="evaluation")
        with SessionSetup(home, options, watch=driven.append, stop=lambda: len(driven) > 400) as rig:
            results = rig.evaluate(20)
            rig.written()
        assert 0 < len(results) < 3
        cut = Measurement([r.judge((stalled_at(home, "default"),)) for r in results], "hairpin", 1)
        none = Measurement([], "hairpin", 1)
        assert not cut.complete
        assert none.as_json() == {"episodes": 0, "corner_passes": None, "laps_finished": None, "return_mean": None}
        with Store(home.store_path, read_only=True) as store:
            assert [e.cut_off for e in store.episodes(purpose="evaluation", newest=2)] == [False, True]
            report = stored_report(store, track="default")
            after, driven = report.after, store.episodes(purpose="evaluation")
            newest = store.evaluations()[-1]
        broken_off = len(results) + 1  # the lap that was cut off, and those before it
        assert sum(e.episodes for e in report.evaluations) == len(driven) - broken_off
        assert after is not None
        assert len(after.passed) == 20  # the newest ones that count: the one that was cut off is not among them
        assert newest.episodes == 20 + len(results)
        _print(DemoResult("default", 0, stalled_at(home, "default"), cut, none, 0.0, 0, 0, 0, 1.0), report, "")
        said = capsys.readouterr().out
        assert f"you left after {len(results)} of the 20 laps without help that come first" in " ".join(said.split())
        assert "–" not in said, "a table without a figure"
        assert "No one took over." in said
        assert "`hitl review`" not in said

    @pytest.mark.parametrize(
        ("ended", "why"),
        [("time", "the time was over."), ("steps", "a demo drives 12,000 steps at most."), ("player", "you ended it.")],
    )
    def test_a_demo_that_ends_unlearned_says_what_was_over(self, ended, why, tmp_path):
        none = Measurement([], "hairpin", 1)
        result = DemoResult("default", 0, Corner("hairpin", 1.0, 2.0), none, none, 3.0, 1, 0, 0, 1.0, ended=ended)
        said = " ".join(_not_learned(result, tmp_path / "there"))
        assert said.startswith(f"'hairpin' is not learned yet: {why} `hitl play --home ")
        assert ("`hitl demo --minutes 30`" in said) == (ended == "time"), "without this home, which is no longer empty"
        alone = " ".join(_not_learned(replace(result, takeovers=0, takeover_seconds=0.0), None))
        assert f"{why[:-1]}, and no one helped. `hitl play` goes on from here." in alone
        assert "--minutes" not in alone

    def test_an_altered_checkpoint_is_passed_over(self, home):
        path = next(home.checkpoints.glob("*.safetensors"))
        raw = bytearray(path.read_bytes())
        raw[-5] ^= 1
        path.write_bytes(raw)
        with SessionSetup(home, SessionOptions(kind="evaluation")) as rig:
            rig.policy.begin_episode()
            assert rig.policy.checkpoint_id is None
            assert path.name in rig.policy.problem
            with pytest.raises(CheckpointError):
                rig.policy.pin("latest")

    def test_a_checkpoint_for_other_observations_is_refused(self, home):
        with SessionSetup(home, SessionOptions(kind="evaluation")) as rig:
            rig.policy._names = rig.policy._names[:-1]
            with pytest.raises(CheckpointError, match="observation numbers"):
                rig.policy.pin("latest")


def test_a_player_who_leaves_while_the_stalled_agent_is_measured_leaves_at_once(tmp_path):
    """Evaluations ask no one for the wheel, and yet hear the pad's quit button; nothing is learned or measured after it."""

    class Pad:
        name, looks = "pad", 0

        def read(self):
            self.looks += 1
            return PadState(buttons=frozenset({"quit"} if self.looks == 30 else ()))

    home = Home(tmp_path / "home")
    open_shipped(home)
    with Store(home.store_path, read_only=True) as store:
        shipped = len(store.episodes(purpose="drive"))
    pad = Pad()
    with (
        SessionSetup(home, SessionOptions(kind="demo"), human=lambda track: HumanDriver(pad)) as live,
        SessionSetup(home, SessionOptions(kind="evaluation"), stop=live.session.asked_to_leave) as referee,
    ):
        corner, trainer = stalled_at(home, "default"), SimpleNamespace(heartbeat=lambda: None)
        demo = Demo(live, referee, trainer, corner, Progress(), minutes=1.0, cancelled=lambda: live.session.leaving)
        result = demo.run()
        assert pad.looks <= 32
    assert not result.before.complete
    assert result.after.results == []
    with Store(home.store_path, read_only=True) as store:
        assert len(store.episodes(purpose="drive")) == shipped


@pytest.mark.parametrize("again", [False, True])
def test_a_player_who_leaves_while_it_learns_sees_what_it_has_learned_or_skips_that(tmp_path, monkeypatch, again):
    """Nothing else is driven after that: no further drive, no evaluation in between, no offer of practice."""
    monkeypatch.setattr("hitl.demo.demo.EPISODES", 1)
    monkeypatch.setattr("hitl.demo.demo.STEPS_BETWEEN", 1)
    parts = []

    class Told(Progress):
        def phase(self, phase):
            parts.append(phase)
            pad.pressed = {"learning": 5, "after": 5 if again else None}.get(phase)

        def offers_practice(self):
            raise AssertionError("a player who leaves is asked nothing")

    class Pad:
        name, pressed = "pad", None  # after how many looks quit is pressed

        def read(self):
            self.pressed = None if self.pressed is None else self.pressed - 1
            return PadState(buttons=frozenset({"quit"} if self.pressed == 0 else ()))

    home, pad = Home(tmp_path / "home"), Pad()
    open_shipped(home)
    with (
        SessionSetup(home, SessionOptions(kind="demo"), human=lambda track: HumanDriver(pad)) as live,
        SessionSetup(home, SessionOptions(kind="evaluation"), stop=live.session.asked_to_leave) as referee,
    ):
        corner, trainer = stalled_at(home, "default"), SimpleNamespace(heartbeat=lambda: None)
        demo = Demo(live, referee, trainer, corner, Told(), minutes=1.0, cancelled=lambda: live.session.leaving, paced=False)
        result = demo.run()
    assert parts == ["before", "learning", "after"]
    assert result.before.complete
    assert len(result.after.results) == (0 if again else 1)


@pytest.mark.parametrize(("between", "laps"), [(3, 3), (None, 20)])
def test_while_it_learns_an_evaluation_has_as_many_laps_as_were_asked_for(tmp_path, monkeypatch, between, laps):
    home, asked = Home(tmp_path / "home"), []
    open_shipped(home)
    with SessionSetup(home, SessionOptions(kind="demo"), human=lambda track: NoHuman()) as rig:
        monkeypatch.setattr(rig, "evaluate", lambda laps, *others: asked.append(laps) or [])
        corner, trainer = stalled_at(home, "default"), SimpleNamespace(heartbeat=lambda: None)
        demo = Demo(rig, rig, trainer, corner, Progress(), minutes=1.0, between=between)
        demo._evaluate()
        demo._measure(0)
    assert asked == [laps, 20]


@pytest.fixture
def short(monkeypatch):
    """Fewer episodes before and after, and smaller updates; it ends after so many steps, however busy this machine is."""
    small = ("--set", "batch_size=32", "--set", "checkpoint_seconds=0.2")
    monkeypatch.setattr(run_demo, "TrainerProcess", lambda *words: TrainerProcess(*words, *small))
    monkeypatch.setattr(demo, "MOST_STEPS", 700)
    monkeypatch.setattr(demo, "MOST_OWED", 50)
    for module in (demo, before_after):
        monkeypatch.setattr(module, "EPISODES", 4)


@pytest.mark.realtime
@pytest.mark.usefixtures("short")
def test_where_nobody_helps_the_agent_stays_at_its_corner(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(demo, "MOST_STEPS", 300)
    home, out = tmp_path / "home", tmp_path / "demo.json"
    assert cli.main(["demo", "--headless", "--skill", "none", "--home", str(home), "--json", str(out)]) == 0
    result = json.loads(out.read_text())
    assert result["takeovers"] == result["takeover_seconds"] == 0
    assert result["updates"] > 100, "it learns from its own drives all the same"
    assert result["before"]["corner_passes"] == result["after"]["corner_passes"] == 0
    assert "No one took over." in capsys.readouterr().out
    with Store(home / "store.sqlite", read_only=True) as store:
        assert not store.segments()


@pytest.mark.realtime
@pytest.mark.usefixtures("short")
def test_the_headless_demo_from_end_to_end_in_a_short_form(tmp_path):
    home, out = tmp_path / "home", tmp_path / "demo.json"
    assert cli.main(["demo", "--headless", "--seed", "3", "--home", str(home), "--json", str(out)]) == 0
    result = json.loads(out.read_text())
    assert set(result) >= {
        "before",
        "after",
        "takeover_seconds",
        "agent_steps",
        "updates",
        "wall_seconds",
        "track",
        "seed",
    }
    assert result["before"]["corner_passes"] == 0
    assert result["before"]["episodes"] == result["after"]["episodes"] == 4
    assert 2 < result["takeover_seconds"] <= 45
    assert result["updates"] > 100
    page = (home / "demo-report.html").read_text()
    assert "<svg" in page
    assert str(tmp_path) not in page
    assert cli.main(["report", "--home", str(home), "--output", str(tmp_path / "again.html")]) == 0
    again = (tmp_path / "again.html").read_text()
    own = r"<div><dt>(wall time|seed)</dt><dd>.*?</dd></div>"  # of the demo alone
    assert len(re.findall(own, page)) == 2
    assert re.sub(own, "", page) == again  # the same page but for these
    with Store(home / "store.sqlite", read_only=True) as store:
        report = stored_report(store)
    for which, score in (("before", report.before), ("after", report.after)):
        assert (sum(score.passed), len(score.passed)) == (result[which]["corner_passes"], 4)
        assert score.return_mean == pytest.approx(result[which]["return_mean"], abs=0.01)
    assert (report.takeovers, round(report.takeover_seconds, 2)) == (result["takeovers"], result["takeover_seconds"])
    db = sqlite3.connect(home / "store.sqlite")
    takeovers = db.execute("SELECT outcome, corner FROM segments WHERE kind = 'takeover'").fetchall()
    assert takeovers
    assert {corner for _, corner in takeovers} == {"hairpin"}
    (used,) = db.execute(
        "SELECT count(DISTINCT checkpoint_id) FROM episodes e JOIN sessions s ON s.id = session_id "
        "WHERE purpose = 'drive' AND s.kind = 'demo'"
    ).fetchone()
    assert used >= 2  # new weights were taken while it went on
    assert db.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_the_commands_after_a_demo_find_its_home(tmp_path, monkeypatch, capsys):
    root = tmp_path / "home of the player"
    monkeypatch.setenv("HITL_HOME", str(root))
    monkeypatch.setattr("hitl.home._told", set())
    older, newest = (Home(root / "demos" / name) for name in ("20260101-120000-a", "20260102-120000-b"))
    for home in (older, newest):
        open_shipped(home)
    (root / "demos" / "20260103-120000-c").mkdir()  # a demo that was stopped at once
    for command in (["corners"], ["segments"], ["report"], ["store", "info"]):
        assert cli.main(command) == 0
    told = capsys.readouterr()
    assert told.err.count(newest.root.name) == 1
    assert "--home DIR" in told.err
    assert (newest.root / "report.html").is_file()
    assert not root.joinpath("store.sqlite").exists()
    arguments = ["play", "--headless", "--pad", "none", "--episodes", "1"]
    assert cli.main(arguments) == 0
    with Store(newest.store_path, read_only=True) as store:
        assert store.newest_session().kind == "play"
    assert cli.main([*arguments, "--track", "esses"]) == 0  # not what the demo's agent knows: a home of one's own
    assert root.joinpath("store.sqlite").exists()
    assert cli.main(["corners"]) == 0
    assert "esses" in capsys.readouterr().out
    assert not older.root.joinpath("report.html").exists()


def test_help_answers_at_once_and_imports_nothing_heavy():
    heavy = "{'torch', 'pygame', 'numpy', 'sqlite_utils'}"
    code = f"import sys, hitl.cli; hitl.cli.main(['--help']); print(sorted({heavy} & set(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=30)
    assert result.stdout.endswith("[]\n")
    assert "demo" in result.stdout


class TestBadInput:
    """One sentence, an exit code that tells, nothing written."""

    @pytest.fixture
    def hitl(self, capfd, monkeypatch):
        """`hitl …` in this process, which has imported what it needs: how it ends, and what it says."""
        for name in ("DISPLAY", "WAYLAND_DISPLAY"):
            monkeypatch.delenv(name, raising=False)
        return lambda *words: subprocess.CompletedProcess(words, cli.main([str(w) for w in words]), *capfd.readouterr())

    def check(self, result, code, *words):
        assert result.returncode == code, result.stderr
        sentence = result.stderr.strip()
        assert "Traceback" not in sentence
        assert sentence.count("\n") == 0
        for word in words:
            assert word in sentence

    def test_a_missing_track(self, hitl, tmp_path):
        self.check(hitl("demo", "--headless", "--track", "nowhere", "--home", tmp_path / "h"), 3, "nowhere", "default")
        assert not (tmp_path / "h").exists()

    def test_a_wrong_track(self, hitl, tmp_path):
        (tmp_path / "bad.toml").write_text("segments = 3")
        self.check(
            hitl("play", "--headless", "--pad", "none", "--track", tmp_path / "bad.toml", "--home", tmp_path / "h"), 3
        )
        assert not (tmp_path / "h").exists()

    def test_an_unknown_environment(self, hitl, tmp_path):
        self.check(
            hitl("play", "--headless", "--pad", "none", "--env", "mars", "--home", tmp_path / "h"), 6, "mars", "box2d"
        )
        assert not (tmp_path / "h").exists()

    def test_no_display(self, tmp_path):
        environment = {"SDL_VIDEODRIVER": ""}
        self.check(run("demo", "--home", tmp_path / "h", **environment), 6, "--headless")
        assert not (tmp_path / "h").exists()

    def test_a_home_that_is_in_use_is_left_alone(self, hitl, tmp_path):
        home = Home(tmp_path / "h")
        open_shipped(home)
        before = home.store_path.read_bytes()
        self.check(hitl("demo", "--headless", "--home", home.root), 2, "empty folder")
        assert home.store_path.read_bytes() == before

    def test_a_store_of_a_newer_version(self, hitl, tmp_path):
        home = Home(tmp_path / "h")
        open_shipped(home)
        db = sqlite3.connect(home.store_path)
        db.execute("PRAGMA user_version = 999")
        db.commit()
        db.close()
        before = home.store_path.read_bytes()
        self.check(hitl("play", "--headless", "--pad", "none", "--episodes", "1", "--home", home.root), 4, "newer")
        self.check(hitl("eval", "--home", home.root), 4, "newer")
        self.check(hitl("train", "--home", home.root), 4, "newer")
        assert home.store_path.read_bytes() == before

    def test_a_home_without_a_store_cannot_be_evaluated(self, hitl, tmp_path):
        self.check(hitl("eval", "--home", tmp_path / "h"), 5, "hitl play")
        assert not (tmp_path / "h").exists()

    def test_a_json_file_in_a_folder_that_is_not_there(self, hitl, tmp_path):
        self.check(
            hitl("demo", "--headless", "--home", tmp_path / "h", "--json", tmp_path / "no" / "x.json"), 3, "x.json"
        )
        assert not (tmp_path / "h").exists()

    def test_debug_shows_the_traceback(self, tmp_path):
        result = run("--debug", "demo", "--headless", "--track", "nowhere", "--home", tmp_path / "h")
        assert "Traceback" in result.stderr

    def test_an_unknown_command(self):
        self.check(run("fly"), 2, "fly")


@pytest.fixture(autouse=True)
def _no_home_of_the_players(monkeypatch, tmp_path):
    monkeypatch.setenv("HITL_HOME", str(tmp_path / "default-home"))


def test_an_agent_for_another_track_is_trained_until_it_stalls_or_it_is_said(tmp_path, capsys):
    track = tmp_path / "easy.toml"
    track.write_text('name = "easy"\nwidth = 30\nsegments = [{straight = 40}]')
    from hitl.demo import stall

    small = {"warmup_steps": 150, "batch_size": 32, "hidden": 16}
    result = stall.train_until_stalled(Home(tmp_path / "h"), str(track), max_steps=300, settings=small)
    assert result.corner is None
    assert result.agent_steps >= 300
    shutil.rmtree(tmp_path / "h")


@pytest.mark.realtime
def test_ctrl_c_ends_the_learning_and_what_was_learned_is_still_measured(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(run_demo.TerminalProgress, "episode_over", lambda self, result: signal.raise_signal(signal.SIGINT))
    for module in (demo, before_after):
        monkeypatch.setattr(module, "EPISODES", 2)
    usual = {name: signal.getsignal(name) for name in (signal.SIGINT, signal.SIGTERM)}
    try:
        assert cli.main(["demo", "--headless", "--home", str(tmp_path / "home"), "--json", str(tmp_path / "demo.json")]) == 0
    finally:
        for name, handler in usual.items():
            signal.signal(name, handler)
    result, said = json.loads((tmp_path / "demo.json").read_text()), capsys.readouterr()
    assert result["after"]["episodes"] == 2
    assert "Ctrl+C once more ends it at once" in said.err
    assert "is not learned yet: you ended it" in said.out
    assert f"`hitl play --home {tmp_path / 'home'}`: " in said.out
