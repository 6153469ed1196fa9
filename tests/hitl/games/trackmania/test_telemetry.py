import math
import socket
import struct
import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.errors import UsageError
from hitl.games.trackmania.frames import Frame, Stream, guess_layout, plausible, unpack
from hitl.games.trackmania.motion import Motion
from hitl.games.trackmania.telemetry import Telemetry
from tests.support.stand_in_game import StandIn

pytestmark = pytest.mark.realtime


@pytest.fixture(params=[11, 20, 33])
def stand_in(request):
    with StandIn(layout=request.param) as game:
        yield game


@pytest.fixture
def telemetry(stand_in):
    link = Telemetry(port=stand_in.port)
    yield link
    link.close()


def until(wanted, timeout=5.0):
    end = time.monotonic() + timeout
    while not wanted() and time.monotonic() < end:
        time.sleep(0.01)
    return wanted()


@pytest.mark.filterwarnings("error")
def test_noise_with_signalling_nans_is_looked_at_without_a_warning_on_the_terminal():
    stream = Stream()
    stream.feed(struct.pack("<I", 0x7FA00000) * 8000, 0.0)
    assert "shows no frames of numbers" in stream.problem


def test_the_layout_is_found_out_and_frames_arrive_at_their_rate(stand_in, telemetry):
    frame = telemetry.wait(lambda f: True, 3.0)
    assert frame is not None
    assert telemetry.layout == stand_in.layout
    assert (frame.x, frame.y) == pytest.approx((stand_in.game.state().x + 100.0, 10.0), abs=0.5)
    assert math.isnan(frame.yaw) == (stand_in.layout == 11)
    if stand_in.layout != 11:
        nose = frame.yaw - math.pi / 2
        assert abs(math.remainder(nose - stand_in.game.state().heading, 2 * math.pi)) < 0.1
    before, second = stand_in.frames, time.perf_counter() + 1.0
    assert until(lambda: time.perf_counter() > second)
    assert telemetry.rate(1.0) == pytest.approx(stand_in.frames - before, abs=15)  # about 100, where the machine is free
    assert telemetry.dropped == 0


@pytest.mark.parametrize(
    ("fault", "seconds"), [("close", 0), ("half", 0), ("garbage", 0.3), ("nan", 0.3), ("down", 0.4)]
)
def test_every_fault_is_survived_by_itself(stand_in, telemetry, fault, seconds):
    assert telemetry.wait(lambda f: True, 3.0) is not None
    before = stand_in.frames
    stand_in.fault(fault, seconds)
    assert until(lambda: stand_in.frames > before + 100 * seconds + 5)
    now = time.perf_counter()
    frame = telemetry.wait(lambda f: f.received > now + 0.05, 5.0)
    assert frame is not None
    assert math.isfinite(frame.x)
    assert abs(frame.x - 100.0) < 50.0  # a number of another place would be a frame out of step


def test_a_server_that_sends_something_else_is_named():
    server = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                client, _ = server.accept()
                client.sendall(b"HTTP/1.1 400 Bad Request\r\n" * 2000)
            except OSError:
                return

    threading.Thread(target=serve, daemon=True).start()
    link = Telemetry(port=server.getsockname()[1])
    assert until(lambda: "another plugin" in link.problem)
    assert link.newest() is None
    link.close()
    server.close()


@pytest.mark.parametrize("count", [9, 21, 36, 40])
def test_a_plugin_of_another_layout_is_named_by_its_numbers(count):
    rng = np.random.default_rng(count)
    scale = 10.0 ** rng.uniform(-2, 4, count)
    rows = scale * (1.0 + 0.001 * rng.standard_normal((400, count)).cumsum(axis=0))
    stream = Stream()
    for raw in (row.astype("<f4").tobytes() for row in rows):
        stream.feed(raw, 0.0)
    assert f"{count} numbers a frame come" in stream.problem
    assert "11, 20 or 33 are understood" in stream.problem


def test_frames_cut_anywhere_are_put_together():
    with StandIn() as game:
        frames = [game.frame() for _ in range(40)]
    server = socket.create_server(("127.0.0.1", 0))
    link = Telemetry(port=server.getsockname()[1])
    client, _ = server.accept()
    raw = b"".join(frames)
    for k in range(0, len(raw), 7):
        client.sendall(raw[k : k + 7])
    assert until(lambda: len(link.recent()) == 40)
    assert link.dropped == 0
    client.close()
    link.close()
    server.close()


def test_a_layout_that_does_not_exist_is_refused():
    with pytest.raises(UsageError, match="11, 20 or 33"):
        Telemetry(layout=12)


@given(st.integers(0, 10_000), st.sampled_from([11, 20, 33]), st.booleans())
def test_the_layouts_are_never_taken_for_each_other(seed, layout, parked):
    rng = np.random.default_rng(seed)
    place = rng.uniform(-1000, 1000, 3)
    frames = []
    for k in range(20):
        speed = 0.0 if parked else rng.uniform(0, 100)
        at = place if parked else place + k * rng.uniform(0, 0.5)
        gas, brake, steer = (0.0, 0.0, 0.0) if parked else (rng.uniform(), float(rng.integers(2)), rng.uniform(-1, 1))
        if layout == 11:
            numbers = [
                speed,
                rng.uniform(0, 3000),
                *at,
                steer,
                gas,
                brake,
                0.0,
                float(rng.integers(0, 6)),
                rng.uniform(0, 11000),
            ]
        elif layout == 33:
            nose = rng.uniform(-3.1, 3.1)
            numbers = [
                *(2.0, 0.0, 0.0, 0.0 if parked else 40_000.0 + 10 * k, *at, *rng.uniform(-50, 50, 3)),
                *(math.sin(nose), 0.0, math.cos(nose), 0.0, 1.0, 0.0, speed, rng.uniform(0, 11000), 3.0),
                *(0.0, 0.0, 0.1, 0.2, 16.0, 16.0, 16.0, 16.0, 0.0, 0.0, 1.0, steer, gas, brake),
            ]
        else:
            yaw = rng.uniform(-3.1, 3.1)
            numbers = [2.0, 0.0, speed, *at, steer, gas, brake, 0.0, 0.1, 0.2, yaw, 0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 3.0]
        frames.append(struct.pack(f"<{layout}f", *numbers))
    assert plausible(unpack(b"".join(frames), layout)).all()
    assert guess_layout(b"".join(frames)) == layout


def frames_of(path, heading=None, hz=100.0, unit=1.0):
    """Return frames of a car on ``path(t)`` (road plane), 100 a second."""
    out = []
    for k in range(60):
        t = k / hz
        (x0, y0), (x, y) = path(t - 1e-4), path(t)
        speed = math.hypot(x - x0, y - y0) / 1e-4 * unit
        yaw = math.nan if heading is None else heading(t) + math.pi / 2
        out.append(Frame(t, speed, x, 5.0, -y, 0.0, 0.0, 0.0, False, yaw))
    return out


def followed(frames, heading=0.0):
    motion = Motion()
    motion.begin(heading)
    for k in range(0, len(frames), 5):
        motion.follow(frames[max(0, k - 30) : k + 1])
    return motion


@pytest.mark.parametrize("unit", [1.0, 3.6])
def test_speed_heading_and_yaw_rate_of_a_car_on_a_circle(unit):
    def circle(t):
        return 30 * math.sin(t), 30 * (1 - math.cos(t))  # to the left, 1 rad/s, 30 m/s

    motion = followed(frames_of(circle, unit=unit))
    assert math.hypot(motion.vx, motion.vy) == pytest.approx(30.0, rel=0.02)
    assert motion.heading == pytest.approx(0.55, abs=0.06)
    assert motion.yaw_rate == pytest.approx(1.0, abs=0.1)


@pytest.mark.parametrize(("unit", "true"), [(1.0, (30.3, 0.4)), (0.001, (30.0, 0.0))])
def test_a_velocity_that_the_plugin_tells_is_used_where_it_fits_the_positions(unit, true):
    told = [f._replace(vx=30.3 * unit, vz=-0.4 * unit) for f in frames_of(lambda t: (30.0 * t, 0.0))]
    motion = followed(told)
    assert (motion.vx, motion.vy) == pytest.approx(true, abs=1e-6)


@pytest.mark.parametrize("apart", [0.0, 1e-5, 0.001])
def test_frames_that_come_in_one_bunch_are_no_respawn(apart):
    """After a pause of the link its frames arrive at once: only the one before the pause tells how long they took."""
    frames = frames_of(lambda t: (30.0 * t, 0.0))[:30]
    bunch = [f._replace(received=frames[-1].received + apart * k) for k, f in enumerate(frames[-9:])]
    motion = followed(frames[:-9])
    motion.follow([*frames[:-9], *bunch])
    assert motion.vx == pytest.approx(30.0, rel=0.1)


def test_a_car_that_reverses_keeps_its_nose():
    motion = followed(frames_of(lambda t: (-4.0 * t, 0.0)), heading=0.0)
    assert motion.vx == pytest.approx(-4.0, rel=0.05)
    assert motion.heading == pytest.approx(0.0, abs=0.01)


def test_the_plugins_yaw_is_used_until_it_proves_to_be_something_else():
    good = followed(frames_of(lambda t: (20.0 * t, 0.0), heading=lambda t: 0.3))
    assert good.heading == pytest.approx(0.3)  # sliding: the nose is not where the car goes
    motion = Motion()
    frames = frames_of(lambda t: (20.0 * t, 0.0), heading=lambda t: 2.0)
    for _ in range(6):
        for k in range(10, 60, 5):
            motion.follow(frames[: k + 1])
    assert not motion.trusts_yaw
    assert "yaw" in motion.problem
    motion.follow(frames)
    assert math.remainder(motion.heading, 2 * math.pi) == pytest.approx(0.0, abs=0.01)


def test_heading_never_jumps_by_a_turn():
    motion, headings = Motion(), []
    frames = [
        Frame(k / 100, 20.0, 5 * math.cos(4 * k / 100), 0.0, -5 * math.sin(4 * k / 100), 0, 0, 0, False, math.nan)
        for k in range(400)
    ]
    motion.begin(math.pi / 2)
    for k in range(1, 400, 5):
        motion.follow(frames[max(0, k - 20) : k + 1])
        headings.append(motion.heading)
    assert np.abs(np.diff(headings)).max() < 0.4
    assert headings[-1] - headings[0] == pytest.approx(4 * 3.9, abs=0.5)
