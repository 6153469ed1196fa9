"""What an HDF5 file from a stranger may not hold: heaps, where its texts lie, that cannot be walked, since the library loops for
ever on a damaged one; what lies in other files, as it would come into the store as the dataset's own; more than is stored.

Reading in a child process with limits of time and memory would need a job object on Windows and a way back for the arrays: more
than this check.

The layout: HDF5 File Format Specification 3.0, III.E, "Global Heap".
"""

from __future__ import annotations

import math
import mmap
import zlib
from pathlib import Path
from typing import Any

_HEAD = b"GCOL\x01\x00\x00\x00"  # signature, version, reserved
_UNSTORED = 2**16
"""Bytes of a dataset that need not be stored."""
_LARGE, _PACKED = 2**28, 300
"""A dataset of more bytes than that has at most this many times its stored ones. No step is as large, however well it packs."""
_MOST_PACKED = 1032  # times, of which deflate is capable


def check_hdf5(path: Path) -> None:
    """Raise ValueError at what may not be in such a file, before anything of it is read. Raises OSError."""
    import h5py

    check_heaps(path)
    if not path.stat().st_size:
        return
    with h5py.File(path, "r") as file:
        _check_parts(h5py.h5g.open(file.id, b"/"), path.stat().st_size)


def _check_parts(root: Any, size: int) -> None:
    """Walk all groups of a file of ``size`` bytes and look at what each dataset claims; nothing outside the file is opened."""
    from h5py import h5d, h5g, h5l, h5o

    groups, seen, stored = [root], {h5o.get_info(root).addr}, 0
    while groups:
        group = groups.pop()
        for name in group:
            if group.links.get_info(name).type != h5l.TYPE_HARD:
                raise ValueError("a part of it is a link, perhaps to another file: take the dataset as it was first saved")
            part = h5o.open(group, name)
            if (place := h5o.get_info(part).addr) in seen:  # a way round, or twice as many parts in each level
                raise ValueError("two parts of it are the same")
            seen.add(place)
            if isinstance(part, h5g.GroupID):
                groups.append(part)
            elif isinstance(part, h5d.DatasetID):
                stored += _stored(part)
                if stored > size:
                    raise ValueError("its parts claim more than the file holds")


def _stored(dataset: Any) -> int:
    """Return how many bytes of the file a dataset takes. Raises ValueError where they are elsewhere, or too few."""
    from h5py import h5d

    made = dataset.get_create_plist()
    if made.get_layout() == h5d.VIRTUAL or made.get_external_count():
        raise ValueError("numbers of it lie in other files: take the dataset as it was first saved")
    stored, number = int(dataset.get_storage_size()), int(dataset.get_type().get_size())
    claimed = number * int(dataset.get_space().get_simple_extent_npoints())
    chunked = made.get_layout() == h5d.CHUNKED
    chunk = number * math.prod(made.get_chunk()) if chunked else 0
    packed = made.get_nfilters() > 0
    largest = max(claimed, chunk if stored else 0)
    if largest > _UNSTORED and largest > stored * ((_PACKED if largest > _LARGE else _MOST_PACKED) if packed else 1):
        raise ValueError("a part of it claims more numbers than are stored")
    if packed and chunked:
        _check_chunks(dataset, [made.get_filter(i)[0] for i in range(made.get_nfilters())], chunk)
    return stored


def _check_chunks(dataset: Any, filters: list[int], chunk: int) -> None:
    """Raise ValueError where chunks of that many bytes unpack to more: the library unpacks them to the end before it looks."""
    from h5py import h5z

    known = (h5z.FILTER_DEFLATE, h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32, h5z.FILTER_LZF)
    packers = [k for k, kind in enumerate(filters) if kind not in (h5z.FILTER_SHUFFLE, h5z.FILTER_FLETCHER32)]
    if not set(filters) <= set(known) or len(packers) > 1:
        raise ValueError("it is packed in a way that is not read here: save it with gzip, or without compression")
    if not packers or filters[packers[0]] != h5z.FILTER_DEFLATE:
        return
    places: list[Any] = []
    dataset.chunk_iter(places.append)
    for place in places:
        if place.filter_mask >> packers[0] & 1:  # it was not worth while
            continue
        _, raw = dataset.read_direct_chunk(place.chunk_offset)
        most = chunk + 4 * len(filters)  # with their sums
        if len(zlib.decompressobj().decompress(raw, most + 1)) > most:
            raise ValueError("a part of it unpacks to more numbers than it claims")


def check_heaps(path: Path) -> None:
    """Raise ValueError at a heap with an object that takes no room or more than there is. Raises OSError."""
    with path.open("rb") as file:
        if not path.stat().st_size:
            return
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
            begin = raw.find(_HEAD)
            while begin >= 0:
                _walk(raw, begin)
                begin = raw.find(_HEAD, begin + len(_HEAD))


def _walk(raw: mmap.mmap, begin: int) -> None:
    end, at = begin + int.from_bytes(raw[begin + 8 : begin + 16], "little"), begin + 16
    if end > len(raw):
        raise ValueError("a heap in it is longer than the file")
    while at + 16 <= end:
        number, size = int.from_bytes(raw[at : at + 2], "little"), int.from_bytes(raw[at + 8 : at + 16], "little")
        step = size if number == 0 else 16 + (size + 7) // 8 * 8  # number 0 is what is free, its head included
        if not 0 < step <= end - at:
            raise ValueError("a heap in it is damaged")
        at += step
