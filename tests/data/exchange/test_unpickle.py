import contextlib
import pickle
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from data.errors import InputFileError
from data.exchange.unpickle import load_restricted, loads_restricted
from tests.support.examples import examples


def same(a, b):
    if isinstance(a, np.ndarray):
        # an array of the other byte order may come back in this machine's, as with the standard unpickler
        b = b.astype(a.dtype)
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and (a == b or a != a)


arrays = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int32, np.uint8, np.bool_, ">f4", "U3"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats() | st.text() | st.binary() | arrays
    | st.floats(width=32).map(np.float32),
    lambda inner: st.lists(inner) | st.tuples(inner, inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)  # fmt: skip


@given(values, st.sampled_from([2, 3, 4, 5]))
@settings(max_examples=examples(300), deadline=None)
def test_plain_values_and_arrays_come_back_as_they_were(value, protocol):
    assert same(value, loads_restricted(pickle.dumps(value, protocol)))


def test_a_fortran_array_and_a_shared_one():
    a = np.asfortranarray(np.arange(6.0).reshape(2, 3))
    for protocol in (2, 4, 5):
        x, y = loads_restricted(pickle.dumps([a, a], protocol))
        assert x is y
        assert (x == a).all()


class Call:
    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
def test_nothing_is_called(tmp_path, protocol):
    import os

    target = tmp_path / "ran"
    for call in (
        Call(os.mkdir, str(target)),
        Call(eval, f"open({str(target)!r}, 'w')"),
        Call(bytearray, 2**40),
        Call(np.zeros, 5),
    ):
        with pytest.raises(ValueError, match=r"it holds|not a whole"):
            loads_restricted(pickle.dumps([call], protocol))
    assert not target.exists()


def huge(shape, dtype="f8"):
    """An array header that claims more numbers than it has."""
    array = pickle.dumps(np.zeros(1), 2)
    claimed = pickle.dumps((shape, dtype), 2)
    return array.replace(b"K\x01\x85", claimed[2 : claimed.index(b"q")])


@pytest.mark.parametrize(
    "data",
    [
        pickle.dumps(Call(np.ndarray, (2**33,)), 4),
        huge((2**40,)),
        b"\x80\x05\x96" + struct.pack("<Q", 2**40) + b"x.",  # a bytearray of a terabyte
        b"\x80\x04\x8e" + struct.pack("<Q", 2**63 + 5) + b"x.",
        b"\x80\x02Nr\xff\xff\xff\xff.",  # a memo slot far out: the standard unpickler would make room for all before it
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nJ\xff\xff\xff\x7f\x85C\x01b\x87R.",
    ],
)
def test_a_claim_is_not_believed(data):
    tracemalloc.start()
    with contextlib.suppress(ValueError):
        loads_restricted(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**20


def test_values_that_unfold_without_end_are_refused_or_stay_folded():
    nested: tuple = ()
    for _ in range(60):
        nested = (nested, nested)
    assert len(loads_restricted(pickle.dumps(nested, 4))) == 2
    with pytest.raises(ValueError, match="keys"):
        # hashing such a key would take longer than the universe is old
        loads_restricted(pickle.dumps(nested, 4)[:-1].replace(b"\x80\x04", b"\x80\x04}", 1) + b"Ns.")
    with pytest.raises(ValueError, match="deep"):
        loads_restricted(b"\x80\x04" + b"]" * 100_000 + b"a" * 99_999 + b".")


def sentence(data):
    """What is said about a pickle; any other error than ValueError passes through."""
    try:
        loads_restricted(data)
    except ValueError as error:
        return str(error)
    return "it is fine"


@given(st.binary(max_size=200))
@settings(max_examples=examples(300), deadline=None)
def test_any_bytes_give_a_value_or_a_sentence(data):
    assert sentence(data).startswith("it ")


@given(values, st.data())
@settings(max_examples=examples(150), deadline=None)
def test_a_damaged_pickle_gives_a_value_or_a_sentence(value, draw):
    data = bytearray(pickle.dumps(value, 4))
    for _ in range(3):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    assert sentence(bytes(data)).startswith("it ")


def test_files(tmp_path):
    path = tmp_path / "reward.pkl"
    path.write_bytes(pickle.dumps(np.eye(3)))
    assert (load_restricted(path) == np.eye(3)).all()
    with pytest.raises(InputFileError, match="allowed"):
        load_restricted(path, max_bytes=10)
    with pytest.raises(InputFileError, match="cannot be read"):
        load_restricted(tmp_path / "nothing.pkl")
    path.write_bytes(b"")
    with pytest.raises(InputFileError, match="it is empty"):
        load_restricted(path)
