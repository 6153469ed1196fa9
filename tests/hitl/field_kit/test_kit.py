"""The file of a field kit is written as it is read, and one from elsewhere is checked."""

import json

import pytest

from data.errors import InputFileError, UsageError
from hitl import cli
from hitl.field_kit.kit import DONE, FORMAT, MISSING, VERSION, Kit, Measured, check_target, read, write
from hitl.field_kit.record import shown_kit

KIT = Kit(
    FORMAT, VERSION, "0.1.0", "trackmania",
    (
        Measured("clock", DONE, 20.0, figures={"late_ms_p99": 1.5, "session_ticks": 200, "goes_first": True, "gone": None}),
        Measured("steering", MISSING, problem="no telemetry", figures={"stick_sent": [-1.0, None, 1.0]}),
    ),
)  # fmt: skip


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "kit.json"
    write(path, KIT)
    return path


def test_a_kit_is_read_as_it_was_written(file):
    assert read(file) == KIT
    assert json.loads(file.read_text())["format"] == "hitl-field-kit"
    assert [path.name for path in file.parent.iterdir()] == ["kit.json"]


def test_the_developer_sees_every_figure(file, capsys):
    assert cli.main(["doctor", "--read", str(file)]) == 0
    shown = capsys.readouterr().out
    for words in ("late_ms_p99", "1.5", "no telemetry", "-1  -  1", "trackmania"):
        assert words in shown
    assert cli.main(["doctor", "--read", str(file), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["measurements"][0]["figures"]["session_ticks"] == 200


def test_a_figure_of_a_foreign_kit_cannot_steer_the_terminal(file, capsys):
    write(file, Kit(FORMAT, VERSION, "1", "box2d", (Measured("pad", DONE, figures={"name": "\x1b[2J[red]Pad[/]"}),)))
    assert shown_kit(read(file))
    cli.main(["doctor", "--read", str(file)])
    shown = capsys.readouterr().out
    assert "\x1b[2J" not in shown
    assert "[red]Pad[/]" in shown


def changed(**changes):
    table = json.loads(json.dumps({
        "format": FORMAT, "version": VERSION, "hitl": "1", "env": "box2d",
        "measurements": [{"name": "clock", "state": "done", "figures": {"a_ms": 1}}],
    }))  # fmt: skip
    return json.dumps(table | changes)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "[" * 100_000,
        "not JSON",
        "{}",
        changed(version=2),
        changed(version="1"),
        changed(format="other"),
        changed(hitl="x" * 100),
        changed(extra=1),
        changed(measurements=[{"name": "../clock", "state": "done"}]),
        changed(measurements=[{"name": "clock", "state": "perhaps"}]),
        changed(measurements=[{"name": "clock", "state": "done", "wall_s": float("nan")}]),
        changed(measurements=[{"name": "clock", "state": "done", "figures": {"a_ms": float("inf")}}]),
        changed(measurements=[{"name": "clock", "state": "done", "figures": {"a_ms": 10**30}}]),
        changed(measurements=[{"name": "clock", "state": "done", "figures": {"a_ms": {"deeper": 1}}}]),
        changed(measurements=[{"name": "clock", "state": "done", "figures": {"a_ms": [1] * 201}}]),
        changed(measurements=[{"name": "clock", "state": "done", "figures": {f"a{k}": 1 for k in range(201)}}]),
        changed(measurements=[{"name": "clock", "state": "done", "figures": {"a": "x" * 5000}}]),
        changed(measurements=[{"name": "clock", "state": "done"}] * 51),
        changed(measurements="x" * 2_000_000),
    ],
    ids=lambda text: text[-60:][:40],
)
def test_a_bad_file_is_one_sentence(tmp_path, text, capsys):
    file = tmp_path / "kit.json"
    file.write_text(text)
    with pytest.raises(InputFileError):
        read(file)
    assert cli.main(["doctor", "--read", str(file)]) == InputFileError.exit_code
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert "kit.json" in said
    assert len(said.splitlines()) <= 2
    assert str(tmp_path) not in said


def test_a_kit_that_is_as_it_should_be_is_read(tmp_path):
    file = tmp_path / "kit.json"
    file.write_text(changed())
    assert read(file).measurements[0].figures == {"a_ms": 1}


def test_nothing_else_is_overwritten(tmp_path, file):
    check_target(file)  # an older kit
    check_target(tmp_path / "new.json")
    (tmp_path / "thesis.json").write_text("{}")
    for other in ("thesis.json", "no-folder/kit.json", "."):
        with pytest.raises(UsageError):
            check_target(tmp_path / other)


def test_a_disk_that_refuses_is_a_sentence(tmp_path, monkeypatch):
    def refuse(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("hitl.field_kit.kit.held.write_whole", refuse)
    with pytest.raises(UsageError, match="No space left"):
        write(tmp_path / "kit.json", KIT)
