"""Numbers on the command line: what makes no sense is refused in a sentence, before anything is opened."""

from __future__ import annotations

import pytest

from hitl.cli import main


@pytest.mark.parametrize(
    "command",
    [
        "demo --headless --minutes -5",
        "demo --headless --minutes nan",
        "demo --headless --seed -1",
        "play --episodes -1",
        "play --episodes 0",
        "play --help-seconds inf",
        "play --greedy-every -2",
        "eval --episodes 0",
        "stall --steps 0",
        "stall --in-a-row 0",
        "server --port 70000",
        "browse --port -1",
        "segments --min-seconds nan",
        "report --session 0",
        "line record --timeout 0",
        "pads --seconds -1",
        "train --seed 1.5",
    ],
)
def test_a_number_that_makes_no_sense_is_refused(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(command.split())
    assert stopped.value.code == 2
    assert "must be a" in capsys.readouterr().err
