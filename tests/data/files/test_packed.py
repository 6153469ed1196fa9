"""Archives whose lists lie about what is in them: they are refused, and no more is unpacked than was said."""

import io
import os
import struct
import zipfile
from tracemalloc import get_traced_memory, start, stop

import numpy as np
import pytest
import torch

from data.errors import InputFileError
from data.exchange.checks import EpisodeRefusedError
from data.exchange.trackmaniarl.reading import read_archive
from data.exchange.unpickle import load_restricted
from data.files.packed import TooLargeError, arrays_of, unpacked
from data.files.text_files import read_json, read_toml
from hitl.agents.archives import read_whole, tensors_of, unzipped
from hitl.agents.statistics import read_normalization
from hitl.player_runs.importing import kind_of

MIB = 2**20


def archive(content, packing=zipfile.ZIP_DEFLATED, name="mean.npy", claims=None):
    """Return an archive of one entry, whose list of entries may claim another size."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", packing) as made:
        made.writestr(name, content)
    raw = bytearray(buffer.getvalue())
    if claims is not None:
        at = raw.rfind(b"PK\1\2")
        raw[at + 24 : at + 28] = struct.pack("<I", claims)
    return bytes(raw)


def head(shape, descr="<f8"):
    said = f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(said)) + said


READERS = {
    "agent": lambda file: unzipped(read_whole(file), file.name),
    "weights": lambda file: tensors_of(read_whole(file), file.name),
    "statistics": read_normalization,
    "track": read_archive,
}
def said_of(reader, file):
    try:
        reader(file)
    except (InputFileError, EpisodeRefusedError) as error:
        return str(error)
    return ""


BZIP2, LZMA, DEFLATE = zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA, zipfile.ZIP_DEFLATED


@pytest.mark.parametrize("reader", READERS.values(), ids=READERS)
@pytest.mark.parametrize(
    "hostile",
    [
        archive(bytes(100 * MIB), BZIP2, claims=1000), archive(bytes(100 * MIB), LZMA, claims=1000),
        archive(bytes(100 * MIB), DEFLATE, claims=100), archive(b"abc", BZIP2), archive(bytes(100 * MIB)),
        archive(bytes(3 * MIB), claims=2**31),
        archive(head("(1000000000000,)") + bytes(64)), archive(head("(3,)", "|O") + bytes(24)), archive(head("(10**9,)", "<U0")),
        archive(head("(-1, -8)") + bytes(64)), archive(b"\x93NUMPY\x01\x00" + struct.pack("<H", 9999) + b"-" * 9998 + b"1"),
        archive(head("__import__('os').mkdir('marker')") + bytes(24)),
    ],
    ids=["bzip2", "lzma", "deflate", "packing", "bomb", "claims", "numbers", "objects", "nothing", "negative", "deep", "call"],
)  # fmt: skip
def test_what_an_archive_claims_is_not_believed(tmp_path, reader, hostile):
    (tmp_path / "file.npz").write_bytes(hostile)
    start()
    try:
        said = said_of(reader, tmp_path / "file.npz")
    finally:
        most = get_traced_memory()[1]
        stop()
    assert most < 20 * MIB
    assert said.isprintable()
    assert "object at" not in said
    assert str(tmp_path) not in said
    assert said or reader is READERS["agent"]  # which looks no further than the archive


def test_sound_arrays_are_read_as_they_were_written(tmp_path):
    written = {
        "floats": np.arange(6.0).reshape(2, 3), "columns": np.asfortranarray(np.arange(6, dtype=np.int16).reshape(2, 3)),
        "none": np.zeros((0, 3), np.float32), "text": np.array("a name"), "one": np.array(1.5), "yes": np.array([True, False]),
    }  # fmt: skip
    for save in (np.savez, np.savez_compressed):
        save(tmp_path / "a.npz", **written)
        found = read_archive(tmp_path / "a.npz")
        assert list(found) == list(written)
        for name, value in written.items():
            assert found[name].dtype == value.dtype
            np.testing.assert_array_equal(found[name], value)
            assert found[name].flags.writeable


def test_only_what_is_wanted_is_unpacked():
    buffer = io.BytesIO()
    np.savez(buffer, mean=np.ones(3), other=np.array([{}], dtype=object))
    assert list(arrays_of(buffer.getvalue(), MIB, ("mean", "var"))) == ["mean"]
    with pytest.raises(ValueError, match="something else than numbers"):
        arrays_of(buffer.getvalue(), MIB)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for number in range(1001):
            made.writestr(str(number), b"")
    with pytest.raises(TooLargeError, match="1,001 parts"):
        next(unpacked(buffer.getvalue(), MIB))


def pickled(name, size):
    """Return a file as of torch.save whose pickle lets ``name`` make something of a size."""
    saved, changed = io.BytesIO(), io.BytesIO()
    torch.save({"w": torch.zeros(3)}, saved)
    with zipfile.ZipFile(saved) as old, zipfile.ZipFile(changed, "w", zipfile.ZIP_DEFLATED) as new:
        for entry in old.namelist():
            said = b"\x80\x02}X\x01\0\0\0wc" + name + b"\nJ" + size.to_bytes(4, "little") + b"\x85Rs."
            new.writestr(entry, said if entry.endswith("data.pkl") else old.read(entry))
    return changed.getvalue()


def meta():
    buffer = io.BytesIO()
    torch.save({"w": torch.empty(10**13, device="meta")}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [meta(), pickled(b"__builtin__\nbytearray", 2**30), pickled(b"torch\nTensor", 2**30)],
    ids=["meta", "bytes", "numbers"],
)
def test_weights_that_are_not_there_are_refused(data):
    start()
    try:
        with pytest.raises(InputFileError, match=r"^'a\.tmod'"):
            tensors_of(data, "a.tmod")
    finally:
        most = get_traced_memory()[1]
        stop()
    assert most < 20 * MIB


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
@pytest.mark.parametrize("ending", [".pkl", ".npz", ".json", ".toml", ".zip"])
def test_what_never_ends_or_begins_is_not_read(tmp_path, ending):
    zeros, pipe = tmp_path / f"zeros{ending}", tmp_path / f"pipe{ending}"
    zeros.symlink_to("/dev/zero")
    os.mkfifo(pipe)
    for file in (zeros, pipe):
        for work in (load_restricted, read_archive, read_json, read_toml, read_whole, read_normalization, kind_of):
            with pytest.raises((InputFileError, EpisodeRefusedError), match="a device or a pipe"):
                work(file)


def test_a_file_may_grow_while_it_is_read(tmp_path):
    (tmp_path / "a.pkl").symlink_to("/proc/self/environ" if os.path.exists("/proc/self/environ") else "/dev/null")
    with pytest.raises(InputFileError):
        load_restricted(tmp_path / "a.pkl", 1)
