"""Files from strangers: each ends in one sentence, and nothing in them is run or takes the machine's memory."""

from __future__ import annotations

import io
import json
import os
import pickle
import time
import zipfile

import numpy as np
import pytest
import torch

from data.errors import InputFileError
from hitl.agents import archives as limits


class Trap:
    """What would leave a mark if it was unpickled."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (str(self.mark),)


def rewritten(source, target, **parts):
    """Copy an archive with some parts replaced (a None leaves one out)."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.infolist():
            content = parts.get(entry.filename.partition(".")[0], old.read(entry))
            if content is not None:
                new.writestr(entry.filename, content)
    return target


def dumped(value):
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


def changed(source, change):
    """Return an archive's `data` and `policy.pth` after a change of both."""
    with zipfile.ZipFile(source) as archive:
        said = json.loads(archive.read("data"))
        weights = torch.load(io.BytesIO(archive.read("policy.pth")), weights_only=True)
    change(said, weights)
    return {"data": json.dumps(said), "policy": dumped(weights)}


def set_(table, *keys, to):
    for key in keys[:-1]:
        table = table[key]
    table[keys[-1]] = to


BOX, KWARGS = "observation_space", "policy_kwargs"
WEIGHT = "actor.mu.0.weight"
CHANGES = {
    "nan": (lambda s, w: w[WEIGHT].fill_(torch.nan), r"24 of the 24 numbers of 'actor.mu.0.weight' are not finite"),
    "shapes": (lambda s, w: w.update({"actor.mu.2.weight": torch.zeros(6, 9)}), "gives 8 numbers and the next one takes 9"),
    "layer": (lambda s, w: w.update({"actor.mu.2.weight": torch.zeros(6)}), "is no linear layer"),
    "missing": (lambda s, w: w.pop("actor.mu.2.bias"), "a bias of missing"),
    "inputs": (lambda s, w: w.update({WEIGHT: torch.zeros(8, 5)}), "its network takes 5 numbers and its observations have 3"),
    "claims": (lambda s, w: w.update({"x": torch.zeros(1).expand(10**12)}), "claims 1,000,000,000,000 numbers"),
    "pictures": (lambda s, w: w.update({"actor.features_extractor.c": torch.zeros(2)}), "features extractor of its own"),
    "custom": (lambda s, w: set_(s, KWARGS, to={"features_extractor_class": "<class 'my.Eyes'>"}), "extractor of its own"),
    "activation": (lambda s, w: set_(s, KWARGS, to={"activation_fn": "<class 'os.system'>"}), "made with the activation"),
    "unknown": (lambda s, w: (w.clear(), w.update({"theta": torch.zeros(3)})), "whose network is not known here"),
    "empty": (lambda s, w: w.clear(), "holds no weights"),
    "dict": (lambda s, w: set_(s, BOX, ":type:", to="<class 'gymnasium.spaces.dict.Dict'>"), "its observations are a Dict"),
    "shape": (lambda s, w: set_(s, BOX, "_shape", to=[10**9, 10**9]), "the space of its observations cannot be read"),
    "bounds": (lambda s, w: set_(s, "action_space", "low", to="[7.]"), "from 7 to 2, so nothing lies in it"),
    "words": (lambda s, w: set_(s, "action_space", "high", to="[__import__('os')]"), "the space of its actions cannot be read"),
    "few": (lambda s, w: set_(s, "action_space", "high", to="[1. 2.]"), "2 bounds for 1 numbers"),
    "none": (lambda s, w: s.pop("action_space"), "its actions are a space that is not named"),
}  # fmt: skip


@pytest.mark.parametrize("name", CHANGES)
def test_an_altered_archive_is_refused_in_a_sentence(archives, opened, tmp_path, name):
    change, match = CHANGES[name]
    source = archives.folder / "ddpg.zip"
    file = rewritten(source, tmp_path / "a.zip", **changed(source, change))
    with pytest.raises(InputFileError, match=match):
        opened(file)


def test_what_an_archive_holds_pickled_is_never_run(archives, opened, tmp_path):
    mark = tmp_path / "mark"
    source = archives.folder / "ddpg.zip"
    for number, policy in enumerate((pickle.dumps(Trap(mark)), dumped({"actor.mu.0.weight": Trap(mark)}))):
        with pytest.raises(InputFileError, match="without running what is in it"):
            opened(rewritten(source, tmp_path / f"{number}.zip", policy=policy))
    serialized = changed(source, lambda s, w: set_(s, "policy_class", ":serialized:", to="gASVBAAAAAAAAABLAUsBhlIu"))
    opened(rewritten(source, tmp_path / "c.zip", **serialized))  # never looked at
    (tmp_path / "a.tmod").write_bytes(pickle.dumps(Trap(mark)))
    with pytest.raises(InputFileError, match="without running"):
        opened(tmp_path / "a.tmod", done=("gas", "brake", "steer"))
    for name in ("v.pkl", "v.npz"):
        (tmp_path / name).write_bytes(pickle.dumps(Trap(mark)))
        with pytest.raises(InputFileError, match="cannot be used"):
            opened(source, normalize=str(tmp_path / name))
    assert not mark.exists()


def test_a_bomb_is_not_unpacked(archives, opened, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "MOST", 2**20)
    source = archives.folder / "ddpg.zip"
    began = time.thread_time()
    with pytest.raises(InputFileError, match="unpacks to 64 MiB in 6 parts"):
        opened(rewritten(source, tmp_path / "a.zip", data=b"\0" * 2**26, pytorch_variables=None))
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("archive/data/0", b"\0" * 2**26)
    with pytest.raises(InputFileError, match=r"The weights in 'b\.zip' were not read: it unpacks to 64 MiB in 1 part,"):
        opened(rewritten(source, tmp_path / "b.zip", policy=inner.getvalue()))
    (tmp_path / "c.zip").write_bytes(b"\0" * (2**20 + 1))
    with pytest.raises(InputFileError, match="an agent may have 1 MiB: it was not read"):
        opened(tmp_path / "c.zip")
    assert time.thread_time() - began < 5.0


@pytest.mark.parametrize("keep", [0, 10, 500, 3000])
@pytest.mark.parametrize("suffix", [".zip", ".tmod", ".pt", ".safetensors"])
def test_half_a_file_is_refused_in_a_sentence(archives, opened, tmp_path, keep, suffix):
    file = tmp_path / f"a{suffix}"
    file.write_bytes((archives.folder / "ddpg.zip").read_bytes()[:keep])
    with pytest.raises(Exception, match="'a") as found:
        opened(file)
    assert type(found.value).__module__ == "data.errors"


def test_an_archive_without_its_end_is_called_cut_off(archives, opened, tmp_path):
    whole = (archives.folder / "ddpg.zip").read_bytes()
    end = whole.rindex(b"PK\x05\x06", 0, -22)  # of the last archive within it
    (tmp_path / "a.zip").write_bytes(whole[: end + 22])
    with pytest.raises(InputFileError, match=r"'a\.zip' is not a whole zip archive \(it is cut off"):
        opened(tmp_path / "a.zip")


@pytest.mark.parametrize("suffix", [".pth", ".cleanrl_model"])
def test_weights_alone_are_told_what_to_save(opened, tmp_path, suffix):
    (tmp_path / f"a{suffix}").write_bytes(dumped({"0.weight": torch.zeros(2, 2)}))
    with pytest.raises(InputFileError, match=r"holds weights alone.*save it as TorchScript"):
        opened(tmp_path / f"a{suffix}")
    with pytest.raises(InputFileError, match="There is no file 'b"):
        opened(tmp_path / f"b{suffix}")


def test_every_flipped_byte_is_taken_or_refused_in_a_sentence(archives, opened, tmp_path):
    whole, rng = bytearray((archives.folder / "ddpg.zip").read_bytes()), np.random.default_rng(0)
    refused = []
    for _ in range(60):
        data = bytearray(whole)
        for at in rng.integers(0, len(data), 4):
            data[at] ^= 1 << int(rng.integers(8))
        (tmp_path / "a.zip").write_bytes(data)
        try:
            opened(tmp_path / "a.zip")
        except InputFileError as error:
            refused.append(str(error))
    assert len(refused) > 20
    assert not any("\n" in said for said in refused)


@pytest.mark.parametrize(
    ("name", "text", "match"),
    [
        ("a.csv", "1\n2\n", "holds 2 rows, with numbers of up to 2"),
        ("a.csv", "", "holds 0 rows"),
        ("a.csv", "1,0\n", r"line 1 has 2 numbers, and this session has 1 action numbers \(torque\)"),
        ("a.csv", "torque\nfast\n", r"line 2 holds '\['fast'\]', and not 1 numbers"),
        ("a.json", '{"torque": 1}', "is not a list of rows"),
        ("a.json", '[{"steer": 1}]', r"row 1 has other names, and this session has 1"),
        ("a.json", "[[NaN]]", "holds 1 row,"),
        ("a.json", "[[1", "is not valid JSON"),
    ],
)
def test_a_table_of_actions_that_cannot_be_used_is_told_so(archives, opened, tmp_path, name, text, match):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputFileError, match=match):
        opened(archives.folder / "dqn", actions=str(tmp_path / name))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ('{"mean": [0, 0, 0], "var": [1, 1]}', "3 means and 2 variances"),
        ('{"mean": [0, 0, 0], "var": [1, 1, -1]}', "a variance is negative"),
        ('{"mean": [0, 0, 1e999], "var": [1, 1, 1]}', "a mean is not finite"),
        ('{"mean": "all", "var": [1]}', "cannot be used"),
        ("[]", "there is no 'mean' and 'var' in it"),
    ],
)
def test_statistics_that_cannot_be_used_are_told_so(archives, opened, tmp_path, text, match):
    (tmp_path / "s.json").write_text(text)
    with pytest.raises(InputFileError, match=match):
        opened(archives.folder / "ddpg", normalize=str(tmp_path / "s.json"))


def test_a_name_that_leads_nowhere_is_told_so(opened, tmp_path):
    with pytest.raises(InputFileError, match=r"There is no file 'agent\.zip' there"):
        opened(tmp_path / "agent.zip")
    (tmp_path / "agent.exe").write_bytes(b"")
    with pytest.raises(InputFileError, match=r"'agent\.exe' is no agent that is known here: give a \.zip"):
        opened(tmp_path / "agent.exe")
