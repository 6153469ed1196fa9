"""The same run under the names of each trainer, and in the files that each writes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from histories import KINDS, SCHEMES, look

from data.errors import InputFileError
from hitl.commands.diagnose import main
from trainer.diagnosis.finding import FOUND, SOUND, UNCLEAR
from trainer.diagnosis.history import History, read_histories
from trainer.diagnosis.names import ALIASES, ENDS, ours_for, plain

FAST = [scheme for scheme in SCHEMES if scheme not in ("SB3 TensorBoard", "CleanRL")]


@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_ceiling_is_found_under_every_scheme_of_names(scheme: str, tmp_path: Path) -> None:
    report, known = look(KINDS["ceiling"], scheme, 0, tmp_path)
    assert "return-plateau" in {f.fault for f in report.above_notes}
    assert {"return_train", "worker/return"} & known


@pytest.mark.parametrize("scheme", FAST)
def test_a_sound_run_is_sound_under_every_scheme_of_names(scheme: str, tmp_path: Path) -> None:
    report, _ = look(KINDS["sound, rises"], scheme, 0, tmp_path)
    assert (report.answer, report.above_notes) == (SOUND, ())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scheme", ["tmrl 0.7", "fork, March"])
def test_every_kind_is_what_it_is(kind: str, scheme: str, tmp_path: Path) -> None:
    report, _ = look(KINDS[kind], scheme, 1, tmp_path)
    if not KINDS[kind].faults:
        assert report.answer == SOUND
    else:
        assert report.answer == FOUND
        assert set(KINDS[kind].faults) & {f.fault for f in report.above_notes[:2]}
    for sound in report.sound:  # what is called sound is no fall
        assert "nan" not in sound.text.split()
        if sound.fault.startswith("return") and sound.fault != "return-held":
            assert "best" not in sound.text


def test_each_alias_has_one_meaning() -> None:
    seen: dict[str, str] = {}
    for ours, aliases in ALIASES.items():
        for name in (ours, *aliases):
            assert seen.setdefault(plain(name), ours) == ours, name
            found = ours_for(name)
            assert found is not None
            assert found[0] == ours
    assert set(ENDS) <= set(ALIASES)


@pytest.mark.parametrize(
    ("name", "ours"),
    [
        ("debug_q1", "debug/q1"), ("debug/a1_0_std", "debug/a1_0_std"), ("debug_logp_a2", "debug/logp_a2"),
        ("entropy_coef", "debug/alpha"), ("metrics/return_train", "return_train"), ("buffer/memory_len", "memory_len"),
        ("timing/sampling_duration", "sampling_duration"), ("losses/critic", "losses/loss_critic"),
        ("eval/return_deterministic", "return_test"), ("learner/loss/iqn", "losses/loss_critic"),
        ("Run reward", "worker/return"), ("run/best race progress", "worker/best_progress"),
        ("losses/qf1_values", "debug/q1"), ("rollout/ep_rew_mean", "return_train"), ("loss_entropy_coef", None),
    ],
)  # fmt: skip
def test_names_of_others(name: str, ours: str | None) -> None:
    found = ours_for(name)
    assert (found[0] if found else None) == ours


def test_of_two_columns_for_the_same_the_one_that_says_something_is_taken() -> None:
    values = np.arange(20.0)
    history = History({"metrics/return_test": 0 * values, "eval/return_deterministic": values})
    assert history["return_test"].tolist() == values.tolist()
    assert history.called["return_test"] == "eval/return_deterministic"


def test_findings_name_the_columns_as_the_file_does(tmp_path: Path) -> None:
    report, _ = look(KINDS["temperature explodes"], "tmrl 0.7", 0, tmp_path)
    text = " ".join(f.sentence + " ".join(f.evidence) for f in report.findings)
    assert "entropy_coef" in text
    assert "debug/alpha" not in text


def test_an_unknown_trainer_is_not_called_sound(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "h.jsonl"
    path.write_text("\n".join(json.dumps({"foo": i, "bar": 2 * i}) for i in range(300)))
    assert main(["--wandb", str(path)]) == 2
    said = " ".join(capsys.readouterr().out.split())
    assert "Give me this and I can tell more" in said
    assert "none of its columns has a known name: foo, bar" in said


def test_a_folder_of_logs_is_taken_for_its_file(tmp_path: Path) -> None:
    with pytest.raises(InputFileError, match="holds no history"):
        read_histories(tmp_path)
    (tmp_path / "progress.csv").write_text("rollout/ep_rew_mean,time/total_timesteps\n1,400\n2,800\n")
    (history,) = read_histories(tmp_path)
    assert history["return_train"].tolist() == [1, 2]
    assert history["_step"].tolist() == [400, 800]


def test_a_folder_of_exports_is_taken_for_its_tables(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "wandb_history_run_a.csv").write_text("_step,return_train\n1,400\n2,800\n")
    (history,) = read_histories(tmp_path)
    assert history["return_train"].tolist() == [400, 800]
    (tmp_path / "wandb_history_run_b.csv").write_text("_step,return_train\n1,7\n")
    assert [len(h) for h in read_histories(tmp_path)] == [2, 1]
    for k in range(50):
        (tmp_path / f"{k}.csv").write_text("a\n1\n")
    with pytest.raises(InputFileError, match="holds 52 tables"):
        read_histories(tmp_path)


def test_a_truth_is_a_number(tmp_path: Path) -> None:
    rows = [{"event": "train/episode", "step": i, "metrics": {"return": i, "finished": i > 1}} for i in range(3)]
    (tmp_path / "events.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (history,) = read_histories(tmp_path)
    assert history["finish_rate"].tolist() == [0, 0, 1]


def test_three_answers() -> None:
    assert (FOUND, UNCLEAR, SOUND) == ("found", "could not tell", "sound")
