"""What TrackMania's plugin sends: layout, rate, gaps, and what each number does."""

from __future__ import annotations

import socket
import time

import numpy as np
from numpy.typing import NDArray

from hitl.field_kit.site import FigureDict, MissingError, Site
from hitl.games.trackmania.frames import SIZES, Stream, plausible, unpack

CONNECT_S = 2.0
LISTEN_S = 10.0
SILENT_S = 3.0  # without a byte, after which no more is waited for


def measure(site: Site) -> FigureDict:
    """Return what comes. Raises MissingError where nothing does, or what comes is not understood."""
    from hitl.settings import load

    chosen = load(site.home, "trackmania").trackmania
    site.private.add(chosen.host)
    stream, raw, arrivals = Stream(chosen.layout), bytearray(), list[float]()
    try:
        with socket.create_connection((chosen.host, chosen.port), timeout=CONNECT_S) as link:
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link.settimeout(SILENT_S)
            end = time.perf_counter() + LISTEN_S
            while time.perf_counter() < end and (piece := link.recv(65536)):
                now = time.perf_counter()
                raw += piece
                stream.feed(piece, now)
                if stream.layout:
                    arrivals += [now] * (len(raw) // SIZES[stream.layout] - len(arrivals))
                if stream.problem:
                    break
    except OSError as error:
        if not raw:
            raise MissingError(f"no telemetry on port {chosen.port}: {error.strerror or 'nothing was sent'}") from None
    if not stream.layout:
        raise MissingError(stream.problem or f"{len(raw)} bytes came, too few to tell what they are")
    if len(arrivals) < 2:
        raise MissingError("a single frame came, and no more")
    rows = unpack(bytes(raw[: len(arrivals) * SIZES[stream.layout]]), stream.layout)
    return {
        "numbers_in_a_frame": stream.layout,
        "problem_of_the_stream": stream.problem,
        "frames_unusable": stream.dropped,
        **_rhythm(np.array(arrivals)),
        **_columns(rows[plausible(rows)]),
    }


def _rhythm(times: NDArray[np.float64]) -> FigureDict:
    """Return rate and gaps of frames by their times of arrival (s). Frames that came in one piece have no gap between them."""
    count, times = len(times), times[times > times[0]]  # those before the layout was known all count as come at once
    gaps = np.diff(times) * 1000
    if len(gaps) < 2:
        return {"frames": count}
    return {
        "frames": count,
        "frames_per_s": float(1000 * len(gaps) / gaps.sum()) if gaps.any() else None,
        **{f"gap_ms_p{share}": float(np.percentile(gaps, share)) for share in (50, 90, 99)},
        "gap_ms_max": float(gaps.max()),
        "gaps_over_50_ms": int((gaps > 50.0).sum()),  # a tick
        "share_come_together": float((gaps == 0.0).mean()),
    }


def _columns(rows: NDArray[np.float64]) -> FigureDict:
    """Return what each number of (n, numbers) frames did; they are counted from 0."""
    if not len(rows):
        return {}
    least, most = rows.min(axis=0), rows.max(axis=0)
    return {
        "number_least": least.tolist(),
        "number_most": most.tolist(),
        "numbers_that_never_change": np.flatnonzero(least == most).tolist(),
    }
