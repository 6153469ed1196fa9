import argparse
import os
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from data.errors import StoreError
from data.files.paths import as_typed, private_folder
from data.recording.recorder import Recorder
from data.store import Store
from hitl.arguments import agent_words
from hitl.cli import COMMANDS, main, parser_of
from hitl.commands import demo
from hitl.demo.shipped import open_shipped
from hitl.doctor import NOTE, DoctorCheck
from hitl.home import _WITHOUT_HOME, Begun, Home, demos_folder, in_home, in_window, last_demo
from hitl.screens.telling import teller
from hitl.screens.training.train_words import facts_of, warnings_of
from tests.support.recorded import drive, session_info
from trainer.daemon.heartbeat import Heartbeat


@pytest.mark.parametrize("command", ["segments", "diagnose", "corners", "report", "store info", "store check", "doctor", "eval"])
@pytest.mark.parametrize("kind", ["file", "loop"])
def test_a_home_that_is_no_folder_is_named_in_a_sentence(tmp_path, capsys, command, kind):
    home = tmp_path / "home"
    if kind == "file":
        home.write_text("")
    elif os.name == "nt":
        pytest.skip("links need a right of their own there")
    else:
        home.symlink_to(tmp_path / "other")
        (tmp_path / "other").symlink_to(home)
    assert main([*command.split(), "--home", str(home)]) == 4
    said = capsys.readouterr().err
    assert "'home'" in said
    assert "--home DIR" in said


def test_a_home_that_is_there_and_cannot_be_written_is_said_to_be_that(tmp_path, monkeypatch, capsys):
    (tmp_path / "checkpoints").write_text("")  # as if the folder could not be made
    with pytest.raises(StoreError, match=r"cannot be written \("):
        Home(tmp_path).create()
    monkeypatch.setattr("os.access", lambda path, how: False)
    assert main(["--home", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert "This home folder cannot be written" in said
    assert "at once" not in said


def test_a_checkpoint_s_name_stands_whole_in_a_narrow_terminal(tmp_path, monkeypatch, capsys):
    open_shipped(Home(tmp_path), "fortmagma")
    (name,) = (path.stem for path in (tmp_path / "checkpoints").iterdir())
    for width in (80, 120):
        monkeypatch.setenv("COLUMNS", str(width))
        assert main(["checkpoints", "--home", str(tmp_path)]) == 0
        said = capsys.readouterr().out
        assert f"{name} " in said
        assert "314." in said
        assert "return" in said


def test_a_user_that_does_not_exist_has_no_folder(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["play", "--home", "~nosuchuser/rl", "--headless", "--pad", "none", "--episodes", "1"]) == 2
    assert "no user of that name" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("platform", "mode"), [("win32", 0o777), ("linux", 0o700)])
def test_a_home_that_an_administrator_s_console_makes_is_the_user_s_on_windows(tmp_path, monkeypatch, platform, mode):
    """There, Python makes of the mode 0700 a folder that only its owner opens: the administrators."""
    asked = []
    monkeypatch.setattr("data.files.paths.sys.platform", platform)
    monkeypatch.setattr(Path, "mkdir", lambda self, mode=0o777, **more: asked.append(mode))
    private_folder(tmp_path / "home")
    assert asked == [mode]


def test_a_demo_makes_its_home_as_any_other_and_one_that_is_closed_hides_no_earlier_one(tmp_path, monkeypatch):
    made, is_file = [], Path.is_file
    monkeypatch.setenv("HITL_HOME", str(tmp_path))
    monkeypatch.setattr(demo, "private_folder", lambda path: (made.append(path), private_folder(path)))
    first = demo._fresh_home()
    assert made == [first]
    assert first.parent == demos_folder()
    (first / "store.sqlite").touch()
    (demos_folder() / "99990101-000000-aaaa").mkdir()

    def closed(path):
        if "9999" in str(path):
            raise PermissionError(13, "Access is denied")
        return is_file(path)

    monkeypatch.setattr(Path, "is_file", closed)
    assert last_demo() == Home(first)


@pytest.mark.parametrize(
    ("platform", "name", "typed"),
    [
        ("win32", "C:\\Users\\Max\\runs", "C:\\Users\\Max\\runs"),
        ("win32", "C:\\Users\\Max\\my runs", '"C:\\Users\\Max\\my runs"'),
        ("win32", "C:\\Users\\Max\\my $runs", "'C:\\Users\\Max\\my $runs'"),
        ("win32", "C:\\Max's`runs", "'C:\\Max''s`runs'"),
        ("linux", "my $runs", "'my $runs'"),
    ],
)
def test_a_path_is_typed_as_the_shell_reads_it(monkeypatch, platform, name, typed):
    monkeypatch.setattr("data.files.paths.sys", SimpleNamespace(platform=platform))
    assert as_typed(name) == typed


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Next: `hitl play`.", "Next: `hitl play --home d/x`."),
        ('`hitl play --practice "corner 2"`: again.', '`hitl play --practice "corner 2" --home d/x`: again.'),
        ("`hitl store clean`, then `hitl train`.", "`hitl store clean --home d/x`, then `hitl train --home d/x`."),
        ("`hitl train --help`, `hitl completion`, `hitl`", "`hitl train --help`, `hitl completion`, `hitl`"),
        ("`hitl eval --home other`", "`hitl eval --home other`"),
    ],
)
def test_a_command_that_is_told_names_the_home_that_was_typed(text, said):
    assert in_home(text, Path("d/x")) == said.replace("d/x", str(Path("d/x")))
    assert in_home(text, None) == text


@pytest.mark.parametrize(
    ("home", "named"),
    [
        ("runs", "runs"),
        ("../runs", "../runs"),
        ("/srv/shared/alice.secretname/my runs", "…/my runs"),
        ("/srv/alice.secretname/runs/", "…/runs"),
        (r"C:\Users\alice.secretname\runs", "…/runs"),
        ("~alice.secretname/runs", "…/runs"),
        ("../../people/alice.secretname/2026/runs", "…/runs"),
        (os.path.expanduser("~"), "~"),
    ],
)
def test_a_window_names_a_home_without_the_path_that_others_may_see(home, named):
    assert in_window("`hitl train` learns.", home) == f"`hitl train --home {named}` learns."
    assert in_window("`hitl train` learns.", None) == "`hitl train` learns."


def test_a_window_shortens_the_paths_of_other_options_too():
    given = agent_words({"use": "/home/alice/my car.zip", "actions": "/home/alice/a.csv"})
    begun = Begun("mine", (*given, "--tmrl-config=c.json", "--env gym:ALE/Pong-v5"))
    assert in_window("`hitl play`", begun) == (
        "`hitl play --agent …/my car.zip --actions …/a.csv --tmrl-config=c.json --env gym:ALE/Pong-v5 --home mine`"
    )


def test_a_shortened_path_makes_no_home(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["store", "info", "--home", "…/runs"]) != 0
    assert "whole path" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_a_home_with_a_space_is_told_in_quotes():
    assert in_home("`hitl play`", "my home") == '`hitl play --home "my home"`'


@settings(max_examples=60)
@given(st.text(st.characters(exclude_categories=("C", "Z"), include_characters=" "), min_size=1).map(lambda s: Path(f"-{s}")))
@example(Path("-dash"))
@example(Path("--home"))
@pytest.mark.skipif(os.name == "nt", reason="shlex reads as a POSIX shell does")
def test_a_home_of_any_name_is_told_as_it_can_be_typed(home):
    for named in (home, Path(str(home)[1:])):
        if str(named) == ".":
            continue
        told = in_home("`hitl segments --ids`", named)
        words = shlex.split(told[1:-1])
        assert parser_of("segments").parse_args(words[2:]).home == named


@pytest.mark.parametrize("command", [*COMMANDS, "export agent", "export clip"])
def test_an_empty_value_is_refused_by_every_option(command, capsys):
    """A variable of a script that is not set is not taken for an option that was not given."""
    parser = parser_of(command)
    for option in _with_a_value(parser):
        with pytest.raises(SystemExit) as stopped:
            main([*command.split(), *option, ""])
        assert stopped.value.code == 2
        assert "empty" in capsys.readouterr().err


def _with_a_value(parser: argparse.ArgumentParser) -> Iterator[list[str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for verb, its in action.choices.items():
                yield from ([verb, *option] for option in _with_a_value(its))
        elif action.option_strings and action.nargs in (None, "?") and action.dest != "note":
            yield [action.option_strings[0]]


def test_control_characters_in_names_are_refused_and_never_obeyed(tmp_path, capsys):
    with Recorder(tmp_path / "store.sqlite", session_info()) as recorder:
        drive(recorder)
    home = ["--home", str(tmp_path)]
    for command in ("corners|--rename|hairpin|x \x1b[31m", "label|1|--tag|a\x07", "label|1|--note|\x9b"):
        with pytest.raises(SystemExit) as stopped:
            main([*command.split("|"), *home])
        assert stopped.value.code == 2
        assert "control character" in capsys.readouterr().err
    assert main(["label", "1", "--note", "two\nlines", *home]) == 0
    with Store(tmp_path / "store.sqlite") as store:  # as another program may have written it
        track = store.tracks()[0]
        store.upsert_corner(track, "bad \x1b[31m", 1.0, 30.0, "player")
        store.label([1], tags_add=["\x1b[31m"], note="\x1b[5m")
    capsys.readouterr()
    for command in ("corners", "segments", "segments --csv", "tracks", "store info", ""):
        assert main([*command.split(), *home]) == 0
        assert "\x1b[31m" not in "".join(capsys.readouterr())


def test_a_session_s_commands_name_again_what_no_home_remembers():
    begun = Begun("mine", (*agent_words({"use": "my car.zip", "stack": 4, "range": (0.0, 1.0)}), "--tmrl-config c.json"))
    agent = '--agent "my car.zip" --agent-stack 4 --agent-range 0 1'
    for text, said in (
        ("`hitl play --lap`, then `hitl train`", f"`hitl play --lap {agent} --tmrl-config c.json --home mine`, then `hitl train "
         "--home mine`"),
        ("`hitl play --agent FILE`", "`hitl play --agent FILE --tmrl-config c.json --home mine`"),
        ("`hitl play --checkpoint best`", "`hitl play --checkpoint best --tmrl-config c.json --home mine`"),
        ("`hitl play --help`", "`hitl play --help`"),
    ):
        assert in_home(text, begun) == said
    assert agent_words({"use": "none"}) == agent_words({}) == ()


def test_commands_that_take_no_home_are_known():
    without = [name for name in COMMANDS if "--home" not in set(parser_of(name).options())]
    assert {*without} == {*_WITHOUT_HOME} & {*COMMANDS}


def test_a_command_goes_on_in_the_home_that_it_was_given(tmp_path, monkeypatch, capsys):
    """What an error, the front door and a list say can be typed as it stands, and does not lead into another home."""
    monkeypatch.chdir(tmp_path)
    assert main(["train", "pause", "--home", "mine"]) == 7
    assert "`hitl train --home mine` starts one" in capsys.readouterr().err
    assert main(["--home", "mine"]) == 0
    assert "`hitl play --home mine`" in capsys.readouterr().out
    (tmp_path / "mine").mkdir()
    with Recorder(tmp_path / "mine" / "store.sqlite", session_info()) as recorder:
        drive(recorder)
    assert main(["store", "prune", "--older-than", "0d", "--home", "mine"]) == 0
    assert "`hitl store compact --home mine` frees the space" in capsys.readouterr().out
    assert main(["checkpoints", "--home", "mine"]) == 0
    assert "`hitl train --home mine`" in " ".join(capsys.readouterr().out.split())
    monkeypatch.setattr("hitl.doctor.examine", lambda home, env: [DoctorCheck("store", NOTE, "odd", "type `hitl supertuxkart`")])
    assert main(["doctor", "--home", "mine"]) == 0
    assert "`hitl supertuxkart --home mine`" in " ".join(capsys.readouterr().out.split())
    assert main(["tracks", "--home", "mine"]) == 0
    assert "`hitl play --track NAME --home mine` drives one" in " ".join(capsys.readouterr().out.split())


def test_what_a_trainer_says_of_itself_names_the_home_too():
    beat = Heartbeat(state="waiting", detail="for steps: `hitl play` drives", finding="Stuck (`hitl diagnose`)", below_best=1)
    told = str(facts_of(beat, Path("mine")) + warnings_of(beat, Path("mine")))
    for command in ("play", "diagnose", "train --init best"):
        assert f"`hitl {command} --home mine`" in told
    assert "mine" not in str(facts_of(beat) + warnings_of(beat))


def test_what_a_session_prints_names_the_home_too(capsys):
    teller(None, named=Path("mine"))("warning", "`hitl train` beside learns from it.")
    assert capsys.readouterr().out == "`hitl train --home mine` beside learns from it.\n"


def test_a_window_names_the_home_in_what_it_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the terminal does: typed as they stand, the commands on a card would look into the usual home."""
    from hitl.demo.cards import next_steps
    from hitl.screens.session_window import SessionWindow
    from takeover_ui.view import Card

    posted: list[tuple[Any, ...]] = []
    monkeypatch.setattr(SessionWindow, "_post", lambda self, message: posted.append(message))
    window = SessionWindow.__new__(SessionWindow)
    for named in (None, Path("my games")):
        window._named = named
        window.card(Card("Done", next_steps()))
        window.card(None)
        window.toast("`hitl train` learns from it.")
    plain, none, _, mine, _, toast = posted
    assert plain[1].lines == next_steps()
    assert none == ("card", None)
    assert mine[1].lines[1] == '`hitl play --home "my games"`: let it drive on, and take over where you like'
    assert toast == ("toast", "info", '`hitl train --home "my games"` learns from it.', None)
