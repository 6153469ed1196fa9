"""The checks inside the trainer: what they find, what they cost, and that they change nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from planted_faults import gamma_once

from data.store import Store
from hitl.cli import main
from tests.support.daemon_runs import SMALL, drive
from tests.support.daemon_runs import train as run_daemon
from tests.support.trained_runs import CONFIG, Clock, train
from tests.trainer.daemon.test_laps_first import record_laps
from trainer.daemon.heartbeat import read_heartbeat
from trainer.diagnosis import live
from trainer.diagnosis.finding import Finding
from trainer.diagnosis.live import LiveChecks, terminals_missing, wrong_discounts


def test_they_stay_within_their_share() -> None:
    learner, rows, batch = train(40)
    clock = Clock()
    checks = LiveChecks(CONFIG, every_s=0.0, clock=clock)
    shares = []
    for _ in range(2500):
        checks.look(learner, batch, rows[-1])
        shares.append(checks.share)
    assert checks.looks > 10
    assert max(shares[1500:]) < 0.01


def test_a_fault_that_is_fixed_is_over_and_may_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    learner, rows, batch = train(20)
    clock = Clock()
    checks = LiveChecks(CONFIG, every_s=0.0, clock=clock)
    at_fault = True

    def all_checks(*args: object) -> dict[str, Finding]:
        return {"exploded": Finding("Q is huge.", (), 0.9, fault="exploded")} if at_fault else {}

    monkeypatch.setattr(checks, "_all", all_checks)

    def look() -> list[str]:
        clock.now += 100
        return [f.fault for f in checks.look(learner, batch, rows[-1])]

    assert [look(), look(), look()] == [[], ["exploded"], []]
    assert checks.title == "Q has exploded"
    at_fault = False
    look()
    assert checks.title  # one look without it is not enough
    look()
    assert (checks.title, checks.sentence, checks.gone(), checks.gone()) == ("", "", ["exploded"], [])
    at_fault = True
    assert [look(), look()] == [[], []]  # back within ten minutes: shown again, but no second event
    assert checks.title
    at_fault = False
    for _ in range(8):
        look()
    at_fault = True
    assert [look(), look()] == [[], ["exploded"]]


def test_discounts_of_a_batch() -> None:
    learner, _, batch = train(20)
    times = [CONFIG.times()._replace(stalled_steps=40)]
    assert wrong_discounts(batch, times) is None
    batch.discount = torch.where(batch.discount > 0, CONFIG.gamma * 1.01, 0.0)
    found = wrong_discounts(batch, times)
    assert found is not None
    assert found.fault == "discount-power"
    batch.discount = torch.full_like(batch.discount, CONFIG.gamma)
    batch.discount[:2] = CONFIG.gamma**11  # before a standstill in which the driver changed
    assert wrong_discounts(batch, times) is None
    batch.discount[:] = CONFIG.gamma ** (times[0].n_step + 1)
    assert wrong_discounts(batch, times) is not None
    batch.discount[:] = CONFIG.gamma
    batch.discount[0] = CONFIG.gamma**1.5
    assert wrong_discounts(batch, times) is not None, "no standstill explains it"
    gamma_once(learner, batch)  # a 1-step discount may be right for some rows; the slope of the targets tells
    assert wrong_discounts(batch, times) is None


def test_terminal_rows_that_never_come() -> None:
    _, _, batch = train(20)
    seen = [0, 0]
    batch.discount = torch.full_like(batch.discount, 0.5)
    answers = [terminals_missing(batch, seen, ended=50) for _ in range(60)]
    assert answers[0] is None
    assert answers[-1] is not None
    batch.discount[0] = 0.0
    assert terminals_missing(batch, seen, ended=50) is None


def test_the_daemon_writes_an_event_and_shows_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "EVERY_S", 0.0)
    monkeypatch.setattr(live, "SHARE", float("inf"))
    monkeypatch.setattr(live.LiveChecks.__init__, "__defaults__", (0.0, live.time.monotonic))
    monkeypatch.setattr("trainer.daemon.training.METRICS_S", 0.0)
    drive(tmp_path / "store.sqlite", 100, 2)
    run_daemon(tmp_path, None, SMALL.with_values(backup_clip=0.01, utd=0.4))
    with Store(tmp_path / "store.sqlite") as store:
        events = store.conn.execute("SELECT message, level, data FROM events WHERE kind = 'diagnosis'").fetchall()
    assert [json.loads(data)["fault"] for _, _, data in events].count("targets-at-clip") == 1
    beat = read_heartbeat(tmp_path)
    assert beat is not None
    assert "hitl diagnose" in beat.finding


def test_a_home_with_nothing_but_laps_that_do_not_count_has_no_agent_to_diagnose(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    record_laps(tmp_path / "store.sqlite", 2, 20)
    with Store(tmp_path / "store.sqlite") as store:
        laps = [s.id for s in store.segments()]
        store.label(laps, verdict="bad")
    assert main(["diagnose", "--home", str(tmp_path), "--json"]) == 2
    told = capsys.readouterr()
    error = json.loads(told.out)["error"]
    assert error.startswith("There is no agent to diagnose yet: this home folder holds 2 laps, and none of them counts")
    assert "`hitl play --lap`" in error
    assert "looked at" not in told.out
    with Store(tmp_path / "store.sqlite") as store:
        store.label(laps[:1], verdict="good")
    main(["diagnose", "--home", str(tmp_path), "--json"])
    assert "There is no agent" not in capsys.readouterr().out, "there is something to learn from"
