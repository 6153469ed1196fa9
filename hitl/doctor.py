"""Checks of what a session needs on this machine: a line each, and what to do where something is missing."""

from __future__ import annotations

import contextlib
import io
import os
import platform
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata, util
from pathlib import Path
from typing import TYPE_CHECKING

from data.errors import HitlError
from data.extras import install, install_cuda, install_tmrl
from data.records import ROADLESS
from data.words import number_of
from hitl.home import Home
from hitl.processes import interpreter

if TYPE_CHECKING:
    from trainer.config import TrainConfig

OK, NOTE, BAD = "ok", "note", "bad"
ROOM = 1_000_000_000  # bytes free, below which recording may soon end
LISTEN_S = 2.0
EXTRAS = {"browse": "datasette", "clips": "av", "minari": "minari", "onnx": "onnxruntime", "parquet": "pyarrow",
          "remote": "tlspyo", "sb3": "stable_baselines3", "tensorboard": "tensorboard", "wandb": "wandb"}  # fmt: skip
"""Optional packages, by the extra that brings them. Those of games have lines of their own."""
DoctorAnswer = tuple[str, str] | tuple[str, str, str]
"""What a check returns: the state, what was found and, where something can be done, what."""


@dataclass(frozen=True)
class DoctorCheck:
    """One line. ``state``: ``ok``; ``note`` (missing, but a session works without it); ``bad`` (a session does not work)."""

    name: str
    state: str
    found: str
    do: str = ""


def examine(home: Home, env: str = "box2d") -> list[DoctorCheck]:
    """Run all checks. ``env``: the environment that must work; what the others need is only noted."""
    checks: dict[str, Callable[[], DoctorAnswer]] = {
        "Python": _python,
        "torch": lambda: _torch(home),
        "extras": _extras,
        "your pad": lambda: _pads(home),
        "our pad": lambda: _own_pad(env),
        "two pads": _hiding,
        "telemetry": lambda: _telemetry(home, env),
        "stick": lambda: _stick(home),
        "line": lambda: _line(home, env),
        "tmrl": lambda: _tmrl(home, env),
        "SuperTuxKart": lambda: _supertuxkart(home, env),
        **({"environment": lambda: _gym(home, env)} if env.startswith(ROADLESS) else {}),
        "window": lambda: _window(env),
        "store": lambda: _store(home),
        "disk": lambda: _disk(home),
        "clock": _clock,
    }
    return [_guarded(name, look) for name, look in checks.items()]


def _guarded(name: str, look: Callable[[], DoctorAnswer]) -> DoctorCheck:
    """Turn any exception of a check into a failed check."""
    try:
        return DoctorCheck(name, *look())
    except HitlError as error:
        return DoctorCheck(name, BAD, str(error))
    except Exception as error:
        return DoctorCheck(name, BAD, f"looking failed: {type(error).__name__}: {error}"[:200], "run `hitl --debug doctor`")


def _python() -> DoctorAnswer:
    return OK, f"{platform.python_version()} on {platform.system()}"


def _torch(home: Home) -> DoctorAnswer:
    if util.find_spec("torch") is None:
        return BAD, "not installed", f"run {install()}"
    import torch

    from trainer.device import ENOUGH, choose, updates_needed, updates_per_second

    cuda = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no CUDA"
    network = None
    with contextlib.suppress(HitlError):  # a damaged store and wrong settings have lines of their own
        network = _network(home)
    if network is None:
        return OK, f"{torch.__version__}, {cuda}"
    chosen, needed = choose("auto", *network), updates_needed(network[2])
    found = f"{torch.__version__}, {cuda}; training would use {chosen.name}"
    if chosen.why:
        return OK, f"{found}. {chosen.why}".rstrip(".")
    rate = updates_per_second("cpu", *network)
    found += f": {rate:.0f} updates a second, and {needed:.0f} are needed"
    if rate >= needed:
        return OK, f"{found}, so that CUDA would make {'no' if rate >= ENOUGH * needed else 'little'} difference"
    if torch.version.cuda is None and shutil.which("nvidia-smi"):
        return NOTE, found, f"for this network, let it use the graphics card: {install_cuda()}"
    return NOTE, found, "learning lags behind the driving: choose a smaller network, or a larger machine"


def _network(home: Home) -> tuple[int, int, TrainConfig] | None:
    """Return (observation numbers, action numbers, settings) of what would be trained here; None while nothing was driven."""
    from data.reading.layouts import driven_layout, has_road
    from data.store import Store
    from hitl.settings import load
    from trainer.daemon.run_settings import run_config
    from trainer.daemon.wish import Wish
    from trainer.replay.pixels import with_image

    if not home.store_path.exists():
        return None
    with Store.open_existing(home.store_path) as store:
        layout, road, newest = driven_layout(store.conn), has_road(store.conn), store.latest_checkpoint()
    if layout is None:
        return None
    wish = Wish.of(load(home, "train").train)
    if newest is not None:  # a run goes on with its own settings, and with its networks in any case
        config, _ = run_config(wish, newest.config, newest.updates, own=newest.of_run, road=road)
        return len(layout[0]), len(layout[1]), config
    return len(layout[0]), len(layout[1]), with_image(wish.config_where(road), layout[0])


def _extras() -> DoctorAnswer:
    """Tell which of the packages that some commands need are there."""
    missing = [name for name, module in EXTRAS.items() if util.find_spec(module) is None]
    if not missing:
        return OK, f"all installed: {', '.join(EXTRAS)}"
    return NOTE, f"not installed: {', '.join(missing)}", f"only for what they are called after: {install(','.join(missing))}"


def _pads(home: Home) -> DoctorAnswer:
    import pygame

    from hitl.pads.devices import devices
    from hitl.pads.open import sdl_pad
    from hitl.settings import load

    settings = load(home)  # so that a mistake in the settings shows here, too
    hub = devices()
    hub.poll()
    there = [d for d in hub.present.values() if not hub.blocks(d.instance)]
    sdl = f"SDL {'.'.join(map(str, pygame.get_sdl_version()))}"
    if not there:
        return NOTE, f"none plugged in ({sdl})", "plug one in, or drive with the keyboard (`--pad keyboard`)"
    if settings.pad.use not in ("auto", "sdl"):
        return OK, f"{', '.join(d.called for d in there[:4])} ({sdl}); the settings name another kind: {settings.pad.use}"
    pad = sdl_pad(settings, settings.pad.name, settings.pad.id)
    used, names = pad.device, [d.called for d in there if d is not pad.device][:4]
    if used is None:
        why = pad.problem or f"none of what is plugged in is used by itself: {', '.join(names)}"
        return NOTE, f"{why.rstrip('.')} ({sdl})", "`hitl pads` shows what there is; `hitl pads --choose` takes one by a press"
    beside = f"; beside it: {', '.join(names)}" if names else ""
    return OK, f"{used.called} ({sdl}){beside}"


def _own_pad(env: str) -> DoctorAnswer:
    from hitl.games.trackmania.virtual_pad import VirtualPad

    needed = BAD if env in ("trackmania", "tmrl") else NOTE
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            VirtualPad().close()
    except HitlError as error:
        text, _, do = str(error).partition("; ")
        if env == "trackmania" and _keys_work():
            return NOTE, f"{text}; keys would drive the game instead, all or nothing", do.rstrip(".")
        return needed, text, do.rstrip(".")
    return OK, "a virtual pad can be made"


def _keys_work() -> bool:
    from hitl.games.trackmania.key_presses import open_keyboard

    with contextlib.suppress(HitlError):
        open_keyboard()
        return True
    return False


def _hiding() -> DoctorAnswer:
    if sys.platform != "win32":
        return OK, "choose the virtual pad in the game's settings if it hears yours, too"
    folders = [os.environ.get("PROGRAMFILES", ""), os.environ.get("PROGRAMW6432", "")]
    there = any(f and (Path(f) / "Nefarius Software Solutions" / "HidHide").is_dir() for f in folders)
    if there:
        return OK, f"HidHide is installed: hide your pad from the game, and allow this program to see it: {interpreter()}"
    return NOTE, "HidHide is not installed", "install it if the game hears your own pad beside ours"


def _telemetry(home: Home, env: str) -> DoctorAnswer:
    from hitl.games.trackmania.frames import PLUGINS
    from hitl.games.trackmania.game import WITH_SESSION
    from hitl.games.trackmania.session_port import SessionPort
    from hitl.games.trackmania.telemetry import Telemetry
    from hitl.settings import load

    needed = BAD if env in ("trackmania", "tmrl") else NOTE
    chosen = load(home, "trackmania").trackmania
    with contextlib.closing(Telemetry(chosen.host, chosen.port, chosen.layout)) as telemetry:
        if telemetry.wait(lambda f: True, LISTEN_S) is None:
            do = "start TrackMania, enter a map and load the OpenPlanet plugin (docs/trackmania.md)"
            return needed, telemetry.problem, do
        time.sleep(LISTEN_S / 2)
        rate = telemetry.rate(LISTEN_S / 2)
        found = f"{PLUGINS[telemetry.layout]}: {telemetry.layout} numbers a frame, {rate:.0f} frames/s from port {chosen.port}"
        if telemetry.layout == WITH_SESSION and chosen.session_port:
            loaded = SessionPort(chosen.host, chosen.session_port).map_uid()
            found += f"; the map is {loaded}" if loaded else f"; no map is named at port {chosen.session_port}"
        if telemetry.dropped:
            return NOTE, f"{found}, {telemetry.dropped} unusable", "look for a second plugin on this port"
        if rate < 50:
            return NOTE, found, "let the game draw 60 pictures a second or more: less graphics, no limit"
        return OK, found


def _stick(home: Home) -> DoctorAnswer:
    """Tell whether the game's own settings leave a stick that one can drive with."""
    from hitl.games.trackmania.stick_curve import kept_curve

    curve = kept_curve(home.root)
    if curve is None:
        return NOTE, "TrackMania's curve is not measured", "with the car at its start: `hitl pads --game-curve`"
    if curve.unfit:
        return NOTE, "the settings of TrackMania make it coarse", curve.unfit
    return OK, "the curve of TrackMania is measured, and undone"


def _line(home: Home, env: str) -> DoctorAnswer:
    from hitl.road.known_tracks import corners_here
    from hitl.road.track import load_track

    if not home.line.is_file():
        state = BAD if env == "trackmania" else NOTE
        return state, "no map's line recorded", "drive the map once with `hitl line record`"
    track = load_track(home.line)
    return OK, f"{track.line.length:.0f} m, {number_of(len(corners_here(home, track)), 'corner')}"


def _tmrl(home: Home, env: str) -> DoctorAnswer:
    from hitl.games.tmrl.importing import check_reward, find_data, import_tmrl, usual_reward
    from hitl.settings import load

    needed = BAD if env == "tmrl" else NOTE
    if util.find_spec("tmrl") is None:
        return needed, "not installed", f"only for --env tmrl: {install_tmrl()}"
    try:
        version = metadata.version("tmrl")
    except metadata.PackageNotFoundError:  # a fork that is used from its folder
        version = "a copy without a version"
    folder = load(home, "tmrl").tmrl.folder
    try:
        reward = usual_reward(find_data(folder))
        if env == "tmrl":  # takes seconds, and shows whether this config.json is one that this tmrl understands
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                reward = Path(getattr(import_tmrl(folder, "tmrl.config.config_constants"), "REWARD_PATH", reward))
        note = check_reward(reward)
    except HitlError as error:
        return needed, f"{version}, but {_inside(str(error))}".rstrip(".")
    if note:
        return needed, f"{version}, but {_inside(note)}".rstrip(".")
    return OK, f"{version}, its config.json and reward.pkl can be read"


def _inside(sentence: str) -> str:
    """Return a sentence as it stands behind another one's beginning."""
    return f"{sentence[0].lower()}{sentence[1:]}"


def _supertuxkart(home: Home, env: str) -> DoctorAnswer:
    from hitl.games.supertuxkart.data_folder import engine_version, find, named_in_vain

    needed = BAD if env == "supertuxkart" else NOTE
    version, found = engine_version(), find(home)
    if version is None:
        return needed, "not installed", f"only for --env supertuxkart: {install('supertuxkart')}"
    vain = f". {said}" if (said := named_in_vain()) else ""
    if found is None:
        return needed, f"{version}, but its tracks and karts are missing{vain}", "type `hitl supertuxkart`"
    if env == "supertuxkart":
        from hitl.games.supertuxkart.game import SuperTuxKartGame, kart_track

        SuperTuxKartGame(kart_track("default"), home.create()).close()
    return OK, f"{version}, with the data of {found.where}{', a race can be loaded' if needed == BAD else ''}{vain}"


def _gym(home: Home, env: str) -> DoctorAnswer:
    from hitl.games.gym.looked_at import look_at

    found, do = look_at(home, env.removeprefix(ROADLESS))
    return (NOTE, found, do) if do else (OK, found)


def _window(env: str) -> DoctorAnswer:
    from takeover_ui.window.window import display_available

    if display_available():
        return OK, "there is a display"
    alone = "none" if env.startswith(ROADLESS) else "scripted"  # who follows roads only
    return NOTE, "no display here", f"use --headless, with --pad {alone} if you cannot drive"


def _store(home: Home) -> DoctorAnswer:
    from data.store import Store

    if not home.store_path.exists():
        return OK, "none yet; the first session makes it"
    with Store.open_existing(home.store_path) as store:  # an older version is not a fault
        steps = store.count_steps()
        fast = store.quick_check() if steps < 2_000_000 else "ok"
    if fast != "ok":
        return BAD, f"damaged: {fast}", "run `hitl store check`"
    return OK, f"{number_of(steps, 'step')}, sound"


def _disk(home: Home) -> DoctorAnswer:
    folder = home.root
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    found = f"{free / 1e9:.1f} GB free"
    if not os.access(folder, os.W_OK):
        return BAD, f"{found}, but it may not be written", "choose another folder with --home"
    if free <= ROOM:
        return BAD, found, "make room: an hour of driving is some 30 MB"
    return OK, found


def _clock() -> DoctorAnswer:
    """Sleep as a session does between two ticks, with the same priority, and see how late it wakes."""
    from hitl.timing.priority import goes_first, raise_priority

    late = []
    undo = raise_priority()
    try:
        first = "a session runs before other programs" if goes_first() else "a session runs as other programs do"
        for _ in range(20):
            due = time.perf_counter() + 0.01
            time.sleep(0.01)
            late.append(time.perf_counter() - due)
    finally:
        undo()
    worst = sorted(late)[-2]
    finest = time.get_clock_info("perf_counter").resolution
    found = f"counts in {1e6 * finest:.2g} µs, wakes {1000 * worst:.1f} ms late at most; {first}"
    if worst <= 0.01:
        return OK, found
    if sys.platform.startswith("linux"):
        return NOTE, found, "close what keeps the machine busy, or let sessions go first (docs/takeover.md)"
    return NOTE, found, "close what keeps the machine busy; on Windows use Python 3.11 or later"
