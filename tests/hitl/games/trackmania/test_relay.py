"""The plugin's stream, passed on: whole frames from the first byte, at once, and never waiting for a listener."""

from __future__ import annotations

import socket
import time

import numpy as np
import pytest

from data.errors import DeviceError
from hitl.games.trackmania.frames import Stream, unpack
from hitl.games.trackmania.relay import MOST_BEHIND, Relay
from hitl.games.trackmania.telemetry import Telemetry
from tests.support.stand_in_game import StandIn


@pytest.fixture
def relay():
    one = Relay(0)
    yield one
    one.close()


def listen(relay):
    """Return a connection that the relay knows of."""
    before = relay.listeners
    link = socket.create_connection(("127.0.0.1", relay.port), timeout=2.0)
    until = time.monotonic() + 2.0
    while relay.listeners == before and time.monotonic() < until:
        time.sleep(0.001)
    assert relay.listeners == before + 1
    return link


def test_a_listener_begins_with_a_whole_frame(relay):
    stream = bytes(range(12)) * 5  # frames of 12 bytes
    with listen(relay) as link:
        done = 5  # it joins in the middle of a frame
        for cut in (9, 11, 24, 40, 60):
            relay.pass_on(stream[done:cut], done, 12)
            done = cut
        got = b""
        while len(got) < 48:
            got += link.recv(100)
        assert got == stream[12:]


def test_nothing_is_passed_on_while_the_layout_is_unknown(relay):
    with listen(relay) as link:
        relay.pass_on(b"x" * 24, 0, 0)
        relay.pass_on(b"y" * 12, 24, 12)
        assert link.recv(100) == b"y" * 12


def test_one_that_does_not_read_is_let_go_and_never_waited_for(relay):
    piece, sent, longest = b"z" * 1200, 0, 0.0
    with listen(relay) as link:
        while relay.listeners and sent < 100 * MOST_BEHIND:
            began = time.perf_counter()
            relay.pass_on(piece, sent, 12)
            longest = max(longest, time.perf_counter() - began)
            sent += len(piece)
        assert relay.listeners == 0
        assert longest < 1.0, "a send that waits would wait for ever"
        del link


def test_a_port_that_is_taken_is_said(relay):
    with pytest.raises(DeviceError, match=rf"passed on at port {relay.port} .*: set another relay_port"):
        Relay(relay.port)


@pytest.mark.realtime
@pytest.mark.parametrize("layout", [11, 20, 33])
def test_what_the_game_sends_arrives_frame_by_frame_and_a_hang_up_too(layout):
    with StandIn(layout=layout) as game:
        telemetry = Telemetry(port=game.port, relay=Relay(0))
        try:
            assert telemetry.wait(lambda f: True, 5.0) is not None
            with listen(telemetry.relay) as link:
                stream, frames, raw = Stream(layout), [], b""
                while len(frames) < 50:
                    piece = link.recv(65536)
                    raw += piece
                    frames += stream.feed(piece, time.perf_counter())
                assert stream.dropped == 0
                age = time.perf_counter() - telemetry.newest().received
                assert age < 0.2
                rows = unpack(raw[: len(raw) // (4 * layout) * 4 * layout], layout)
                assert np.isfinite(rows).all()
                game.fault("close")
                link.settimeout(3.0)
                while link.recv(65536):
                    pass  # it ends: the plugin has hung up
            with listen(telemetry.relay) as link:
                assert link.recv(65536), "and goes on once the plugin is back"
        finally:
            telemetry.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", telemetry.relay.port), timeout=0.5)
