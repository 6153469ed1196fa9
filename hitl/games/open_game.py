"""What is driven: one environment with its clock, its track and its names, opened by the word behind ``--env``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import DeviceError, HitlError, UsageError, shown
from data.extras import UNLESS_INSTALLED, made_by
from data.suggest import did_you_mean
from hitl.games.base import Game
from hitl.games.registry import GAMES, OWN_WINDOW, SHOWN_FROM_ABOVE, env_words, single_words
from hitl.games.world import NoTask, World, no_road
from hitl.home import Home
from hitl.protocols import Clock
from hitl.road.known_tracks import drivable
from hitl.road.track import Track
from hitl.task.driving_task import TaskSettings
from hitl.timing.clocks import HurriedClock, LockstepClock, PacedClock, RtgymClock

if TYPE_CHECKING:
    from hitl.session_options import SessionOptions


def open_world(options: SessionOptions, home: Home) -> World:
    """Open the environment that the options name.

    Raises:
        DeviceError: there is none of that name, or it cannot be used now.
        InputFileError: the track, or a setting, cannot be used.
    """
    word, colon, _ = options.env.partition(":")
    if word not in GAMES or bool(colon) != (word == "gym"):
        meant = did_you_mean(options.env, single_words()) or ("" if colon else UNLESS_INSTALLED)
        raise DeviceError(f"There is no environment '{shown(options.env)}': --env is {env_words()}.{meant}")
    world: World = made_by(GAMES, "game", word, options, home, error=DeviceError)
    return world


ANOTHER_WINDOW = 'For a window of its own, set game_window = "its_own" in [overlay] of settings.toml.'

REGISTER = (
    'in a module of yours, register an environment that wraps this one (docs/python.md, "Without bounds"), and give it as '
    "--env gym:MODULE:ID. The wrapper:"
)


def gym_world(options: SessionOptions, home: Home) -> World:
    """Open any Gymnasium environment with a Box action."""
    return _quiet(lambda: _gym(options.env.partition(":")[2], options, home), home)


def shown_by_us(env: str, game_window: str) -> bool | None:
    """Tell whether our window is the game's; over that of any other game it floats. Raises DeviceError for a name of none.

    None: only its open `World` says it, as that of a package's game.
    ``game_window``: which one the player wants for Gymnasium's games (``OverlaySettings``).
    """
    word, _, name = env.partition(":")
    if word != "gym":
        return True if env in SHOWN_FROM_ABOVE else False if env in OWN_WINDOW else None
    if not name or game_window == "its_own":
        return False
    from hitl.games.gym.ids import ways_to_show

    ways = ways_to_show(name)
    return "rgb_array" in ways or "human" not in ways


def tmrl_world(options: SessionOptions, home: Home) -> World:
    """Open the player's own ``tmrl.get_environment()``."""
    return _quiet(lambda: _tmrl(options, home), home)


def _quiet(make: Callable[[], World], home: Home) -> World:
    """Return a foreign world whose output goes to a file in the home folder, from its import to its end."""
    from hitl.games.chatter import NAME, Chatter

    chatter = Chatter(home.root / NAME)
    try:
        with chatter.here():
            world = make()
    except BaseException:
        chatter.close()
        raise
    leave, let_go = world.close, world.release

    def close() -> None:
        try:
            with chatter.here():
                leave()
        finally:
            chatter.close()

    def release() -> None:
        with chatter.here():
            let_go()

    world.close, world.release = close, release
    return world


def box2d_world(options: SessionOptions, home: Home) -> World:
    """Open the embedded game."""
    from hitl.games.box2d import Box2DGame

    track = drivable(home, options.track)
    if track.game:
        raise DeviceError(f"The track '{shown(track.name)}' is one of another game: add --env {track.game}.")
    return driven(Box2DGame(track), track, options, home)


def driven(game: Game, track: Track, options: SessionOptions, home: Home, **more: Any) -> World:
    """Return the world of a ``Game`` on a track: the same task, clock and environment for each of them.

    ``more``: further fields of the `World`. A game whose time is ours has no window of its own, unless ``own_window`` says so.
    """
    from hitl.games.driving_env import DrivingEnv
    from hitl.settings import load

    settings = options.task or load(home, "observation", "reward").task
    env, names = DrivingEnv(track, settings, game), game.action_names
    runs_by_itself = not hasattr(game, "advance")
    return World(
        env,
        _clock(env.task.settings.hz, runs_by_itself or options.real_time, options.hurries and not runs_by_itself),
        track,
        env.task,
        env.task.names(names),
        names,
        reward=env.task.reward.settings.as_dict(),
        release=game.release,
        close=env.close,
        stepped=not runs_by_itself,
        **{"own_window": runs_by_itself, **more},
    )


def _clock(hz: float, real_time: bool, hurries: bool = False) -> Clock:
    return LockstepClock(hz) if not real_time else HurriedClock(hz) if hurries else PacedClock(hz)


def _gym(name: str, options: SessionOptions, home: Home) -> World:
    from hitl.games.gym.controls import action_names, controls_for, stating_bounds, to_tell, unbounded
    from hitl.games.gym.env import ShowsItself, open_gym
    from hitl.settings import load

    player, drawn = load(home, "controls", "pictures"), None
    if options.show and not options.own_window:  # without pictures of its own our window says so
        from hitl.games.gym.drawn import Drawn
        from hitl.games.gym.ids import ways_to_show
        from takeover_ui.window.picture import picture_path

        drawn = Drawn(picture_path(home.create().root), ANOTHER_WINDOW if "human" in ways_to_show(name) else "")
    render: ShowsItself = "rgb_array" if drawn is not None else "human" if options.show else None
    env = open_gym(name, in_real_time=options.real_time, render=render, pictures=player.pictures, drawn=drawn)
    settings = options.task or TaskSettings(hz=env.hz)
    size = env.action_space.shape[0]
    try:
        controls = controls_for(name, env.scaled, player.controls)
    except DeviceError:
        env.close()
        raise
    return World(
        env,
        _clock(settings.hz, options.real_time),
        no_road(name.rsplit(":", 1)[-1]),
        NoTask(settings),
        env.observation_names,
        action_names(name, size),
        controls,
        has_line=False,
        scaled=env.scaled,
        stepped=not env.runs_on,
        told=to_tell(name, controls, player.controls),
        warned=tuple(filter(None, [unbounded(name, env.scaled, f"{REGISTER} {stating_bounds(env.scaled)}.")])),
        frame_shape=env.image[1:],
        picture=drawn.path if drawn is not None else None,
        heed=env.heed,
        close=env.close,
    )


HEARD = (
    'Keys cannot drive the game while keys count in any window, because those that hitl presses would be taken for yours: set '
    'keys = "focus" in [overlay] of settings.toml.'
)


def trackmania_world(options: SessionOptions, home: Home) -> World:
    """Open TrackMania 2020, by its telemetry and a virtual pad."""
    from hitl.games.observation_layout import chosen_layout
    from hitl.games.trackmania.game import open_trackmania
    from hitl.games.trackmania.key_presses import instead_of_pad, key_controls, keys_or_none
    from hitl.games.trackmania.stick_curve import kept_curve
    from hitl.games.trackmania.virtual_pad import VirtualPad
    from hitl.settings import load

    player = load(home, "trackmania", "observation", "reward", "overlay")
    chosen = player.trackmania
    heard = options.show and player.overlay.keys == "anywhere"  # the keys that we press ourselves as well
    if heard and chosen.controls == "keys":
        raise DeviceError(HEARD)
    track = drivable(home, map_line(options.track, home))
    task, curve = options.task or player.task, kept_curve(home.root)
    hz = task.hz
    game = open_trackmania(
        track, host=chosen.host, port=chosen.port, layout=chosen.layout, hz=hz, settle_s=chosen.settle_s,
        session_port=chosen.session_port, relay_port=chosen.relay_port,
    )  # fmt: skip
    game.curve = curve
    try:
        layout = chosen_layout(
            home, chosen.sees, sends=game.telemetry.layout, new="detailed" if options.may_be_detailed else "road"
        )
    except HitlError:
        game.close()
        raise
    game.needs_details = layout != "road"
    task = replace(task, layout=layout)

    def plug(hub: Any) -> None:
        try:
            game.pad = key_controls(hz) if chosen.controls == "keys" else VirtualPad(hz=hz, hub=hub)
        except DeviceError as error:
            if chosen.controls != "auto":
                raise
            if heard:
                raise DeviceError(f"{error} {HEARD}") from None
            game.pad = instead_of_pad(str(error), hz, game.notices)
        if chosen.controls == "auto" and not heard:
            game.spare = lambda: keys_or_none(hz)

    return driven(game, track, replace(options, task=task), home, plug=plug, map_uid=game.map_uid, bends=curve and curve.gives)


def _tmrl(options: SessionOptions, home: Home) -> World:
    from hitl.games.tmrl.env import ACTIONS, open_tmrl
    from hitl.pads.own_pad import Guard
    from hitl.settings import load

    chosen = load(home, "tmrl", "trackmania")
    env = open_tmrl(chosen.tmrl.folder, host=chosen.trackmania.host, port=chosen.trackmania.port)

    def plug(hub: Any) -> None:
        if hub is None:
            return
        guard = Guard(hub)  # before tmrl makes its pad, which it does as the first episode begins

        def made(pad: Any) -> None:
            def mark(x: float, y: float) -> None:
                pad.right_joystick_float(x_value_float=x, y_value_float=y)
                pad.update()

            guard.write = mark

        env.on_pad = made

    return World(
        env,
        RtgymClock(env.hz, env.wait),
        env.track,
        NoTask(TaskSettings(hz=env.hz)),
        env.observation_names,
        ACTIONS,
        has_line=env.track.line.length > 2.0,
        frame_shape=env.image[1:],
        plug=plug,
        heed=env.heed,
        release=env.release,
        close=env.close,
    )


def map_line(track: str, home: Home) -> str | Path:
    """Return the file of the map's reference line. Raises UsageError when none was named and none was recorded."""
    if track != "default":
        return track
    if home.line.is_file():
        return home.line
    raise UsageError(
        "TrackMania needs the map's reference line: drive it once with `hitl line record`, or name a file with --track (a tmrl "
        "reward.pkl will do)."
    )
