"""`import hitl` and `hitl` alone: what each offers, and that neither loads what it does not need."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

import hitl
from data.errors import UsageError
from data.recording.recorder import Recorder
from data.store import Store
from hitl import cli
from hitl.agents.agent import AgentIdentity
from hitl.agents.keeping import keep
from hitl.commands import where
from hitl.home import Home
from hitl.screens.stored.report import stored_report
from hitl.settings import AgentSettings
from tests.support.places import ROOT
from tests.support.recorded import drive, session_info
from trainer.daemon.control import trainer_lock
from trainer.daemon.heartbeat import Heartbeat, write_heartbeat

HEAVY = {"torch", "pygame", "numpy", "gymnasium", "sqlite_utils", "rich", "msgspec", "stable_baselines3"}


def python(code: str, *words: str, **environment: str) -> str:
    """Run a new interpreter; return what it printed."""
    run = [sys.executable, *words, *(["-c", code] if code else [])]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, cwd=ROOT, env=os.environ | environment)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_a_name_is_imported_when_it_is_used() -> None:
    lines = (
        "import sys, hitl",
        f"print(sorted(set(sys.modules) & {HEAVY}))",
        "hitl.Store",
        "print('torch' in sys.modules, 'pygame' in sys.modules)",
        "print(dir(hitl))",
    )
    said = python("\n".join(lines))
    first, second, names = said.splitlines()
    assert (first, second) == ("[]", "False False")
    assert all(f"'{name}'" in names for name in hitl._NAMES)


def test_the_import_takes_milliseconds() -> None:
    program = "import time; began = time.process_time(); import hitl; print(time.process_time() - began)"
    assert min(float(python(program)) for _ in range(3)) < 0.05  # s of the processor: others may be at work beside this


def test_a_programs_own_package_of_our_name_is_named(tmp_path: Path) -> None:
    (tmp_path / "trainer").mkdir()
    (tmp_path / "trainer" / "__init__.py").write_text("")
    program = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import trainer\nfrom hitl import Store"
    run = [sys.executable, "-P", "-c", program]
    done = subprocess.run(run, capture_output=True, text=True, timeout=60, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == 1
    assert "hitl has a package called 'trainer', and your program has loaded another one" in done.stderr
    python("import data, trainer; from hitl import Store")


def test_every_name_is_there_and_an_unknown_one_is_not() -> None:
    for name in hitl._NAMES:
        if name == "SymmetricReplayBuffer":
            pytest.importorskip("stable_baselines3")
        assert getattr(hitl, name).__doc__ or name == "presets", name
    assert set(hitl.__all__) == set(hitl._NAMES) - {"SymmetricReplayBuffer"}
    with pytest.raises(AttributeError):
        hitl.Takeovers  # noqa: B018


# -- `hitl` alone


def alone(home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, status: int = 0) -> str:
    monkeypatch.setenv("HITL_HOME", str(home))
    assert cli.main([]) == status
    return capsys.readouterr().out


def _write_checkpoint(store: Store, name: str) -> None:
    """Write a file that looks whole."""
    folder = store.path.parent / "checkpoints"
    folder.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"\2" + bytes(7) + b"{}")


def test_checkpoints_that_cannot_be_read_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Recorder(tmp_path / "store.sqlite", session_info()) as recorder:
        drive(recorder)
    with Store(tmp_path / "store.sqlite") as store:
        for number in range(2):
            store.add_checkpoint(f"{number}.safetensors", str(number), 10, 10, "train", {})
            _write_checkpoint(store, f"{number}.safetensors")
    (tmp_path / "checkpoints" / "1.safetensors").write_text("text")
    assert "--fresh" not in alone(tmp_path, capsys, monkeypatch)
    assert cli.main(["checkpoints"]) == 0
    assert "damaged" in capsys.readouterr().out
    for gone in (False, True):
        if gone:
            (tmp_path / "checkpoints" / "0.safetensors").unlink()
        else:
            (tmp_path / "checkpoints" / "0.safetensors").write_bytes(b"")
        said = alone(tmp_path, capsys, monkeypatch)
        assert "that were written can be read: they are damaged or gone" in said
        assert "`hitl train --fresh`" in said
        assert cli.main(["checkpoints"]) == 1
        assert "`hitl train --fresh`" in " ".join(capsys.readouterr().out.split())


def test_hitl_alone_says_where_one_stands(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    said = alone(home, capsys, monkeypatch)
    assert "Nothing is recorded yet." in said
    assert "Next: `hitl demo`" in said
    assert not home.exists()
    home.mkdir()
    with Recorder(home / "store.sqlite", session_info()) as recorder:
        for _ in range(3):
            recorder.begin_episode()
            recorder.step(_at(52.0))
            recorder.end_episode("terminated", "off_road")
        drive(recorder, takeover=(5, 15))
    with Store(home / "store.sqlite") as store:
        store.upsert_corner("hairpin", "first bend", 50.0, 60.0, "track")
        store.upsert_corner("hairpin", "last bend", 500.0, 600.0, "track")
        assert "Next: `hitl play --lap`" in alone(home, capsys, monkeypatch)
        _write_checkpoint(store, "a.safetensors")
        store.add_checkpoint("a.safetensors", "0", 10, 10, "train", {})
        said = alone(home, capsys, monkeypatch)
        assert "4 episodes, 23 steps; 1 takeover (0 s), 0 laps by hand" in said
        assert "first bend (3 of the last 3 tries alone)" in said
        assert "last bend" not in said
        assert "to review          1 takeover\n" in said
        assert "trainer            not running\n" in said
        assert 'Next: `hitl play --practice "first bend"`' in said
        store.upsert_corner("hairpin", "first bend", 5.0, 6.0, "track")
        assert "Next: `hitl review`" in alone(home, capsys, monkeypatch)
        store.label([1], verdict="good")
        assert "Next: `hitl play`" in alone(home, capsys, monkeypatch)
    with Recorder(home / "store.sqlite", session_info()) as recorder:
        drive(recorder)
    assert "Next: `hitl train --background`" in alone(home, capsys, monkeypatch)
    with sqlite3.connect(home / "store.sqlite") as db:
        db.execute("PRAGMA user_version = 999")
    db.close()
    said = alone(home, capsys, monkeypatch, status=4)
    assert "Next: update hitl" in said
    assert "store check" not in said
    (home / "store.sqlite").write_bytes(b"x" * 5000)
    assert "Next: move that file away" in alone(home, capsys, monkeypatch, status=4)
    (home / "store.sqlite").write_bytes(b"")
    assert "Nothing is recorded yet." in alone(home, capsys, monkeypatch)


def test_a_damaged_store_and_wrong_settings_come_before_any_drive(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Recorder(tmp_path / "store.sqlite", session_info()) as recorder:
        drive(recorder)
    (tmp_path / "settings.toml").write_text("[foo")
    said = alone(tmp_path, capsys, monkeypatch, status=3)
    assert "settings.toml cannot be read" in said
    assert "hitl play" not in said
    assert cli.main(["train", "status"]) == 1
    assert "settings.toml cannot be read" in capsys.readouterr().out
    (tmp_path / "settings.toml").write_text("foo = 3")
    assert "'foo' stands above all tables" in alone(tmp_path, capsys, monkeypatch, status=3)
    (tmp_path / "settings.toml").unlink()
    store = tmp_path / "store.sqlite"
    store.write_bytes(store.read_bytes()[:9000])
    assert "Next: `hitl store check` says" in alone(tmp_path, capsys, monkeypatch, status=4)


@pytest.mark.parametrize("outcome", ["cleared", "failed"])
def test_what_hitl_advises_at_a_corner_is_what_the_end_of_the_session_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    with Store(tmp_path / "store.sqlite") as store:
        store.upsert_corner("hairpin", "first bend", 50.0, 60.0, "track")
        for k in range(4):
            _write_checkpoint(store, f"{k}.safetensors")
        weights = [store.add_checkpoint(f"{k}.safetensors", "0", k, k, "train", {}) for k in range(4)]
    with Recorder(tmp_path / "store.sqlite", session_info()) as recorder:
        for checkpoint in weights:
            for helped in (True, False):
                recorder.begin_episode(checkpoint_id=checkpoint)
                number = recorder.begin_segment("takeover", corner="first bend") if helped else None
                for _ in range(20):
                    recorder.step(_at(52.0, int(helped)))
                if number is not None:
                    recorder.end_segment(number, outcome)
                recorder.end_episode("terminated", "off_road")
    with trainer_lock(tmp_path / "store.sqlite"):
        said = alone(tmp_path, capsys, monkeypatch)
    assert ("Next: `hitl diagnose` first; more takeovers change nothing at the first bend." in said) == (outcome == "cleared")
    assert ('Next: `hitl play --practice "first bend"`' in said) == (outcome == "failed")


def test_a_full_disk_comes_first(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    Store(tmp_path / "store.sqlite").close()
    with trainer_lock(tmp_path / "store.sqlite"):
        write_heartbeat(tmp_path, Heartbeat(state="training", updates=5, problem="The checkpoint is too large."))
        said = alone(tmp_path, capsys, monkeypatch)
        assert "problem  The checkpoint is too large.\n" in said
        assert "make room" not in said
    monkeypatch.setattr(where, "disk_is_full", lambda folder: True)
    said = alone(tmp_path, capsys, monkeypatch)
    assert "problem  The disk is full" in said
    assert "Next: make room on the disk; `hitl doctor`" in said


def test_a_takeover_that_shows_nothing_is_told_apart_and_laps_to_review_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with Recorder(tmp_path / "store.sqlite", session_info()) as recorder:
        drive(recorder, takeover=(5, 15))
        drive(recorder, takeover=(5, 8))
        recorder.begin_episode("lap")
        lap = recorder.begin_segment("lap", "keyboard")
        recorder.step(_at(1.0))
        recorder.end_segment(lap, "cleared")
        recorder.end_episode("terminated", "finish")
        recorder.begin_episode("lap")
        lap = recorder.begin_segment("lap", "keyboard")
        recorder.step(_at(1.0))
        recorder.end_segment(lap, "failed")
        recorder.end_episode("terminated", "off_road")
    said = alone(tmp_path, capsys, monkeypatch)
    assert "; 1 takeover (0 s) and 1 that shows nothing, 1 lap by hand, 1 unfinished" in said
    assert "2 takeovers (1 of them shows nothing), and 2 laps or kept drives\n" in said
    with Store(tmp_path / "store.sqlite") as store:
        store.label([2], verdict="bad")
        report = stored_report(store)
        assert (report.takeovers, report.empty_takeovers) == (1, 1)
        assert sum(report.verdicts.values()) == 4
        store.label([2], verdict="unreviewed")
        assert stored_report(store).verdicts["unreviewed"] == 3, "what shows nothing waits for no verdict"
        store.label([2], verdict="bad")
    said = alone(tmp_path, capsys, monkeypatch)
    assert "; 1 takeover (0 s) and 1 that shows nothing, 1 lap by hand, 1 unfinished" in said, "cleaned or not"
    assert cli.main(["store", "info", "--home", str(tmp_path)]) == 0
    assert "1 takeover and 1 that shows nothing, 1 lap by hand, 1 unfinished" in capsys.readouterr().out


def _at(progress: float, driver: int = 0):  # type: ignore[no-untyped-def]
    from tests.support.recorded import step_row

    return step_row(1, driver, progress=progress)


def test_after_many_laps_without_a_finish_it_says_what_else_can_be_done(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(home: Path, laps: int, **info: str) -> str:
        with Recorder(home / "store.sqlite", session_info(**info)) as recorder:
            for _ in range(laps):
                recorder.begin_episode("lap")
                number = recorder.begin_segment("lap", "keys")
                recorder.step(_at(52.0))
                recorder.end_segment(number, "failed")
                recorder.end_episode("terminated", "off_road")
        return alone(home, capsys, monkeypatch)

    home = tmp_path / "home"
    home.mkdir()
    assert "drive a few laps" in lose(home, 4, driver="keys", track="default")
    said = lose(home, 1, driver="keys", track="default")
    assert "Next: `hitl play --lap` again, and brake earlier before the corners: none of your 5 laps reached the finish" in said
    assert "Or `hitl play`, and there the key 2" in said
    assert "the key 2" not in lose(home, 1, driver="keys", track="minigolf")
    other = tmp_path / "other"
    other.mkdir()
    assert "drive a few laps" in lose(other, 9), "the scripted driver needs no advice"


@pytest.mark.realtime
def test_the_next_command_names_what_drove_last(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "my home").create()
    mine = tmp_path / "mine.zip"
    mine.write_bytes(b"an agent")

    def drove(kind: str, data: dict[str, object], **info: str) -> str:
        with Recorder(home.store_path, session_info(**info)) as recorder:
            drive(recorder, takeover=None)
            recorder.event(kind, "", data=data)
        return alone(home.root, capsys, monkeypatch)

    known = AgentIdentity("SAC", "mine.zip", "ab", {})
    assert "drove: name it again with --agent" in drove("agent", known.as_dict())  # it is not kept here
    keep(home, known, AgentSettings(use=str(mine), stack=2))
    said = drove("agent", known.as_dict())
    kept = next(home.root.glob("agents/*/mine.zip"))
    assert f'Next: `hitl play --lap --agent "{kept}" --agent-stack 2`: drive a few laps, and the home\'s own agent learns' in said
    (home.root / "settings.toml").write_text('[agent]\nuse = "mine.zip"\n')
    assert "Next: `hitl play --lap`" in alone(home.root, capsys, monkeypatch)
    (home.root / "settings.toml").unlink()
    said = drove("tmrl_config", {"name": "config.json"})
    assert "Next: `hitl play --lap`" in said
    assert "config.json was in force: name it again with --tmrl-config." in said
    drove("note", {}, env="gym:odd:Odd-v0", track="Odd-v0")
    (home.checkpoints / "a.safetensors").touch()
    with Store(home.store_path) as store:
        _write_checkpoint(store, "a.safetensors")
        store.add_checkpoint("a.safetensors", "0", 10, 10, "train", {})
    assert "Next: `hitl play --env gym:odd:Odd-v0`" in alone(home.root, capsys, monkeypatch)


def test_hitl_alone_is_fast_on_a_large_store(tmp_path: Path) -> None:
    with Recorder(tmp_path / "store.sqlite", session_info()) as recorder:
        for _ in range(150):
            drive(recorder, steps=40, takeover=(5, 25))
    loaded = python("import sys\nfrom hitl import cli\ncli.main([])\nprint(sorted(sys.modules))", HITL_HOME=str(tmp_path))
    assert "150 episodes, 6,000 steps" in loaded
    assert not {f"'{name}'" for name in ("torch", "pygame", "gymnasium", "rich")} & set(loaded.replace(",", "").split())


# -- the Tab key


def tab(line: str, tmp_path: Path) -> set[str]:
    """Return what the shell is told when Tab is pressed at the end of a line."""
    answer = tmp_path / "answer"
    ask = {"_ARGCOMPLETE": "1", "COMP_LINE": line, "COMP_POINT": str(len(line)), "_ARGCOMPLETE_IFS": "\n"}
    done = subprocess.run(
        [sys.executable, "-m", "hitl"], cwd=ROOT, timeout=60, env=os.environ | ask | {"_ARGCOMPLETE_STDOUT_FILENAME": str(answer)}
    )
    assert done.returncode == 0
    return {word.strip() for word in answer.read_text(encoding="utf-8").split("\n")}


def test_tab_completes_commands_options_and_values(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("argcomplete")
    assert tab("hitl tr", tmp_path) == {"train", "tracks"}
    assert tab("hitl play --ga", tmp_path) == {"--gating"}
    assert tab("hitl play --gating ", tmp_path) == {"touch", "hold", "toggle"}
    for shell in ("bash", "zsh", "fish", "powershell"):
        assert cli.main(["completion", shell]) == 0
        assert "hitl" in capsys.readouterr().out


def test_a_home_before_the_command_is_taken(tmp_path, capsys):
    for line in (["--home", str(tmp_path / "h"), "train", "status"], [f"--home={tmp_path / 'h'}", "train", "status"]):
        cli.main(line)
        told = capsys.readouterr()
        assert "usage" not in told.out + told.err


def test_a_session_goes_to_the_game_that_was_driven_last_here(tmp_path):
    import argparse

    from hitl.commands.play import _settings, command_line

    home = Home(tmp_path / "home").create()

    def asked(*words: str) -> tuple[str, str]:
        args: argparse.Namespace = command_line().parse_args(["--headless", "--pad", "none", *words])
        play = _settings(home, args)[1].play
        return play.env, str(play.track)

    def drove(episodes: int = 1, **info: str) -> None:
        with Recorder(home.store_path, session_info(**info)) as recorder:
            for _ in range(episodes):
                drive(recorder)

    default, lava = ("box2d", "default"), ("supertuxkart", "fortmagma")
    assert asked("--practice", "corner 15") == asked() == default
    drove(env="supertuxkart", track="fortmagma")
    with Store(home.store_path) as store:
        store.upsert_corner("fortmagma", "corner 15", 900.0, 950.0, "mined")
    drove(0, track="esses")  # a mistyped word: nothing was driven
    assert asked() == asked("--env", "supertuxkart") == asked("--track", "fortmagma") == lava
    assert asked("--practice", "corner 15") == asked("--practice", "no such corner") == lava
    assert asked("--practice", "hairpin") == asked("--env", "box2d") == default
    assert asked("--env", "stk:lighthouse") == ("supertuxkart", "lighthouse")
    assert asked("--track", "esses") == asked("--practice", "corner 15", "--track", "esses") == ("box2d", "esses")
    (home.root / "settings.toml").write_text('[play]\ntrack = "esses"\n')
    assert asked() == asked("--practice", "corner 15") == ("box2d", "esses")
    (home.root / "settings.toml").write_text('[play]\nonly_corner = "hairpin"\n')
    assert asked() == default, "its only corner is not one of the other track"
    (home.root / "settings.toml").unlink()
    drove(kind="evaluation", track="esses")
    assert asked() == lava
    drove(env="gym:Pendulum-v1", track="gym")
    assert asked() == ("gym:Pendulum-v1", "default")
    drove(track="a file that is gone")
    assert asked() == default
    drove(env="gym:antigravity:Env-v0", track="gym")
    with pytest.raises(UsageError, match="add --env gym:antigravity:Env-v0"):
        asked()  # no module is imported because a store names it, and no other game takes its place
