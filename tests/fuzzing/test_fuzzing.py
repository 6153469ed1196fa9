"""The short form of ``tests/fuzzing/__main__.py``: broken inputs through every reader, and pickles that want something."""

import contextlib
import pickle
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from data.errors import InputFileError
from data.exchange.unpickle import load_restricted, loads_restricted
from tests.fuzzing.harness import run
from tests.fuzzing.pickles import armed, hostile, plain
from tests.fuzzing.readers import READERS as ALL
from tests.support.examples import examples

READERS = {reader.name: reader for reader in ALL}
SLOW = {"store": 12, "minari": 8, "player-run": 12, "message": 15, "checkpoint": 20, "config.json": 25}


@pytest.mark.parametrize("name", READERS)
def test_broken_inputs_are_read_right_or_refused_in_a_sentence(name, tmp_path_factory):
    reader = READERS[name]
    for sound in (READERS["player-run"], reader):  # accepted; late imports are done, types of fields known
        sound.use(sound.sound(), tmp_path_factory.mktemp("sound"))

    many = examples(SLOW.get(name, 40))

    @settings(max_examples=many, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.integers(0, 2**32))
    def once(seed):
        outcome = run(reader, reader.make(Random(seed)), tmp_path_factory.mktemp("in"))
        if outcome.kind == "hang" and outcome.seconds < 3:  # a busy machine
            return
        assert outcome.kind in ("accepted", "refused"), f"{outcome.kind}: {outcome.text} (seed {seed})"

    once()


@pytest.mark.parametrize("name", armed(Path("x")))
def test_an_armed_pickle_is_refused_before_anything_in_it_runs(name, tmp_path):
    target, file = tmp_path / "ran", tmp_path / "run.pkl"
    data = armed(target)[name]
    with pytest.raises(ValueError, match=r"^it (holds|is not)"):
        loads_restricted(data)
    file.write_bytes(data)
    with pytest.raises(InputFileError, match="Nothing in it was run"):
        load_restricted(file)
    assert not target.exists()


def test_the_armed_pickles_are_armed(tmp_path):
    """Python's own unpickler runs nearly all of them: what the others above prove is worth something."""
    ran = 0
    for i, name in enumerate(armed(tmp_path)):
        target = tmp_path / f"ran{i}"
        with contextlib.suppress(Exception):  # what they do before they fail is what counts
            pickle.loads(armed(target)[name])
        ran += target.exists()
    assert ran >= 13, f"{ran} of {len(armed(tmp_path))}"


@pytest.mark.parametrize("name", hostile())
def test_a_hostile_pickle_is_refused_or_plain(name):
    try:
        value = loads_restricted(hostile()[name])
    except ValueError as error:
        text = str(error)
        assert text.startswith(("it holds", "it is not", "it is empty"))
        assert text.isprintable()
    else:
        assert plain(value)


def test_most_hostile_pickles_are_refused():
    accepted = []
    for name, data in hostile().items():
        try:
            loads_restricted(data)
            accepted.append(name)
        except ValueError:
            continue
    assert accepted == ["a memo slot far out"]  # which costs nothing here
