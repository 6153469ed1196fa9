"""The settings of a home: ``settings.toml`` (the player's own), ``pads.toml`` (which pad, and what was measured of it) and
``overlay.toml`` (what the mouse made of the gauges). `hitl.settings_desk.files` says where they are and how they are written.

Four layers, each over the one before: the defaults; for ``[train]`` a preset; ``settings.toml``; the command line. Every value
passes one check (`data.files.validation`). ``docs/settings.md`` lists all of them.

    # settings.toml
    [takeover]
    mode = "touch"
    [train]
    utd = 4
    [reward]
    speed_bonus = 0.01
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal

from msgspec import Meta

from data.errors import InputFileError, UsageError, shown
from data.files import held
from data.files.validation import OneOf, SettingPlace, checked, filled
from data.reward import RewardSettings
from data.suggest import did_you_mean
from hitl.arbiter import GatingSettings
from hitl.games.registry import has_track, spelt_out
from hitl.home import Home, default_home
from hitl.pads import PADS
from hitl.pads.base import MORE
from hitl.pads.keyboard import KeySettings
from hitl.settings_desk.files import Unsaved, dumps, overlay_path, pads_path, read, settings_path
from hitl.task.driving_task import TaskSettings
from hitl.task.observation import ObservationSettings
from takeover_ui.language import CODES
from trainer.config import TrainConfig
from trainer.presets import preset_called
from trainer.retired import without_retired

CONTROLS = ("steer", "gas", "brake", "gas_brake", *MORE, "none")
COMMAND_LINE = "command line"
ScreenPx = Annotated[int, Meta(ge=-100_000, le=100_000)]


@dataclass(frozen=True)
class PadChoice:
    """Which device the player uses."""

    use: Annotated[str, OneOf(PADS)] = "auto"  # auto: a pad if there is one, else the keyboard
    name: str = ""  # the device's name or a part of it; empty: the first suitable device
    id: str = field(default="", compare=False)  # the pad that `hitl pads --choose` chose, if several have the same name


@dataclass(frozen=True, slots=True)
class HelpSettings:
    """When the wheel is offered, and how often the agent may ask."""

    offer: Literal["failing", "slow", "all", "off"] = "failing"  # at which corners: where it fails, where it is slow, too, all
    offer_s: Annotated[float, Meta(ge=0)] = 2.0  # s before a corner, at the car's current speed
    requests_per_minute: Annotated[float, Meta(ge=0)] = 4.0  # how often the agent may ask; 0: never
    rumble: bool = True  # rumble when the wheel is offered or changes hands


@dataclass(frozen=True, slots=True)
class CoachSettings:
    """What the coach says, and how far the car goes back."""

    say: Literal["all", "off"] = "all"  # when to help, what counted, and when it is enough
    sound: bool = True  # small sounds as well
    volume: Annotated[float, Meta(ge=0, le=1)] = 0.4  # of these sounds
    rewind_s: Annotated[float, Meta(ge=0.5, le=20)] = 3.0  # s of driving that one press takes the car back
    keep_s: Annotated[float, Meta(ge=1, le=60)] = 10.0  # s that one press keeps as a demo
    ahead: bool = True  # where the agent would go is drawn over the road, where a window shows it from above
    countdown_s: Annotated[float, Meta(ge=0, le=10)] = 3.0  # --call-me: s counted down before the wheel is yours
    wait_s: Annotated[float, Meta(ge=1, le=3600)] = 60.0  # --call-me: s that it waits for you before the agent goes on alone


@dataclass(frozen=True)
class PlaySettings:
    """What `hitl play`, `hitl worker` and `hitl eval` drive."""

    env: str = "box2d"  # box2d, trackmania, tmrl, supertuxkart, or gym:ID for any of Gymnasium's
    track: str = "default"  # a shipped track's name or a file
    only_corner: str = ""  # the only corner of the track at which you may take the wheel; empty: anywhere
    greedy_every: Annotated[int, Meta(ge=0, le=10_000)] = 2  # every Nth drive is without noise (on a road, unless set); 0: none

    def __post_init__(self) -> None:
        env, track = spelt_out(self.env, self.track)
        object.__setattr__(self, "env", env)
        object.__setattr__(self, "track", track)


@dataclass(frozen=True)
class AgentSettings:
    """The agent that you have already, where it drives in place of the home's own: docs/agents.md."""

    use: str = ""  # .zip (SB3), .tmod, .pt, .ts, .onnx, .safetensors, a checkpoint, module:callable, or pad:NAME; empty: ours
    actions: str = ""  # of an agent that chooses one of several actions: a CSV or JSON file with a row for each
    normalize: str = ""  # what it was normalised with: VecNormalize's .pkl, or mean and var as .npz or .json
    stack: Annotated[int, Meta(ge=1, le=64)] = 1  # how many observations it sees at once
    alone: bool = False  # it drives alone, whatever was learned beside it
    range: tuple[float, float] | None = None  # of its actions, where its file does not say; none: -1 to 1
    silent_s: Annotated[float, Meta(ge=0, le=600)] = 5.0  # pad:NAME: s without a movement until all is let go; 0: never


@dataclass(frozen=True)
class OverlaySettings:
    """The display over the game while driving."""

    show: Literal["full", "compact", "bar", "off"] = "full"  # how much is shown; off: no gauges
    language: Annotated[str, OneOf(CODES)] = "en"  # of all screens, the report and the pages in a browser
    opacity: Annotated[float, Meta(ge=0.1, le=1)] = 0.92  # of an overlay over another game and its text; on X11, by a compositor
    corner: Literal["top_left", "top_right", "bottom_left", "bottom_right"] = "top_right"  # where an overlay over another game is
    keep_clear: tuple[ScreenPx, ScreenPx, ScreenPx, ScreenPx] | None = None  # x, y, width, height (pixels) that it must not cover
    keys: Literal["focus", "anywhere"] = "focus"  # over another game: heard in any window, or in it (never so on Windows, X11)
    game_window: Literal["ours", "its_own"] = "ours"  # of gym:ID: our window shows its picture, or floats over the game's own
    scale: Annotated[float, Meta(ge=0.5, le=2.5)] = 1.0  # how large the gauges are that have no place of their own
    hidden: tuple[str, ...] = ()  # gauges that are switched off: driver, corner, track, controls, risk, points, laps, help, …
    places: dict[str, tuple[float, float, float]] | None = None  # by gauge: its middle (shares of the window), its scale


@dataclass(frozen=True)
class TrackManiaSettings:
    """Where the game runs, and what its plugin sends."""

    host: str = "127.0.0.1"  # the machine that the game runs on
    port: Annotated[int, Meta(ge=1, le=65535)] = 9000  # of the plugin
    layout: Literal[0, 11, 20, 33] = 0  # numbers in a frame; 0: detected
    settle_s: Annotated[float, Meta(ge=0)] = 1.5  # s from a restart until the car may drive, where no session port says so
    session_port: Annotated[int, Meta(ge=0, le=65535)] = 9001  # of the 33-number plugin's answers on map and start; 0: not asked
    relay_port: Annotated[int, Meta(ge=0, le=65535)] = 0  # where another program here gets the plugin's stream from us; 0: none
    controls: Literal["auto", "pad", "keys"] = "auto"  # auto: keys if there is no virtual pad
    sees: Literal["auto", "road", "detailed", "frame"] = "auto"  # what the agent sees; auto: as this home has it


@dataclass(frozen=True)
class PictureSettings:
    """How the agent sees the pictures of ``gym:ID``."""

    rows: Annotated[int, Meta(ge=1, le=256)] = 24  # of the shrunk picture
    columns: Annotated[int, Meta(ge=1, le=256)] = 24  # of the shrunk picture
    frames: Annotated[int, Meta(ge=1, le=16)] = 2  # how many of the newest pictures are seen together


@dataclass(frozen=True)
class TmrlSettings:
    """Where tmrl's own settings are."""

    folder: str = ""  # the folder that holds TmrlData; empty: your home directory


@dataclass(frozen=True, slots=True)
class SuperTuxKartSettings:
    """What you see of SuperTuxKart, and what the agent may do there."""

    picture: Literal["off", "low", "medium", "high"] = "medium"  # how fine the game's own picture is; off: the road from above
    rows: Annotated[int, Meta(ge=180, le=2160)] = 720  # of that picture, which is 16 : 9
    more_actions: bool = False  # the agent may drift, use nitro and fire, too; one that has learned without them cannot go on


@dataclass(frozen=True)
class Settings:
    """The settings of a home, checked."""

    pad: PadChoice = field(default_factory=PadChoice)
    keys: KeySettings = field(default_factory=KeySettings)
    takeover: GatingSettings = field(default_factory=GatingSettings)
    help: HelpSettings = field(default_factory=HelpSettings)
    coach: CoachSettings = field(default_factory=CoachSettings)
    play: PlaySettings = field(default_factory=PlaySettings)
    agent: AgentSettings = field(default_factory=AgentSettings)
    overlay: OverlaySettings = field(default_factory=OverlaySettings)
    observation: ObservationSettings = field(default_factory=ObservationSettings)
    reward: Mapping[str, float] = field(default_factory=dict)
    """What is set of `RewardSettings`; the rest follows the track."""
    train: Mapping[str, Any] = field(default_factory=dict)
    """What is set of `TrainConfig`, and ``preset``; the rest is the preset's, or that of the run that goes on."""
    controls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  # by Gymnasium id
    pictures: PictureSettings = field(default_factory=PictureSettings)
    trackmania: TrackManiaSettings = field(default_factory=TrackManiaSettings)
    tmrl: TmrlSettings = field(default_factory=TmrlSettings)
    supertuxkart: SuperTuxKartSettings = field(default_factory=SuperTuxKartSettings)
    devices: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """By `pads.identity`, for `pads.mapping.from_table`."""
    origin: Mapping[str, str] = field(default_factory=dict)
    """Where each value that is set comes from: ``help.offer`` to ``settings.toml``."""
    notes: tuple[str, ...] = ()
    """Sentences for the player about settings of earlier versions."""

    @property
    def task(self) -> TaskSettings:
        """What the agent sees and what it is paid for."""
        return TaskSettings(observation=self.observation, reward=self.reward)


TABLES: dict[str, type] = {
    "pad": PadChoice,
    "keys": KeySettings,
    "takeover": GatingSettings,
    "help": HelpSettings,
    "coach": CoachSettings,
    "play": PlaySettings,
    "agent": AgentSettings,
    "overlay": OverlaySettings,
    "train": TrainConfig,
    "reward": RewardSettings,
    "observation": ObservationSettings,
    "pictures": PictureSettings,
    "trackmania": TrackManiaSettings,
    "tmrl": TmrlSettings,
    "supertuxkart": SuperTuxKartSettings,
}
"""The fields of each table of settings.toml."""
SECTIONS = (*TABLES, "controls")


def load(
    home: Home, *sections: str, over: Mapping[str, Mapping[str, Any]] | None = None, unsaved: Unsaved | None = None
) -> Settings:
    """Read both files (each may be missing), then apply ``over``, the options of the command line by section (None: not given).

    ``sections``: those that are needed, by default all; pads.toml is read for ``pad`` alone. Mistakes in other sections are
    ignored. ``unsaved``: what the files would hold. Raises `InputFileError` and, for the command line, `UsageError`.
    """
    path, needed = settings_path(home), sections or SECTIONS
    table = read(path, unsaved)
    for name, value in table.items():
        if name not in SECTIONS and not isinstance(value, dict):
            raise InputFileError(
                f"{path.name}: '{shown(name)}' stands above all tables, and each key belongs below the one that it is of, as "
                f"`volume` does below [coach]; known are {', '.join(SECTIONS)}."
            )
        if name not in SECTIONS:
            raise InputFileError(
                f"{path.name}: unknown table [{shown(name)}]; known are {', '.join(SECTIONS)}.{did_you_mean(name, SECTIONS)}"
            )
    pads = read(pads_path(home), unsaved) if "pad" in needed else {}
    values: dict[str, Any] = {"devices": _devices(pads)}
    origin: dict[str, str] = {}
    notes: list[str] = []
    for name in needed:
        if name == "controls":
            values[name] = _controls(table.get(name, {}), path)
            origin |= {f"controls.{key}": path.name for key in values[name]}
            continue
        typed = SettingPlace(error=UsageError)
        layers = [(SettingPlace(path.name, name), table.get(name, {})), (typed, (over or {}).get(name, {}))]
        if name == "pad":
            layers.insert(0, (SettingPlace("pads.toml", "use"), _chosen(pads, table)))
        elif name == "overlay":
            layers.insert(0, (SettingPlace(overlay_path(home).name), read(overlay_path(home), unsaved)))
        values[name], where, said = _merged(name, layers)
        origin |= {f"{name}.{key}": source for key, source in where.items()}
        notes += said
    return Settings(**values, origin=origin, notes=tuple(notes))


def fault_of(home: Home) -> str:
    """Return what is wrong with the settings of a home, which keeps it from being driven and learned in; "" for nothing."""
    try:
        load(home)
    except InputFileError as error:
        return str(error)
    return ""


def language_of(home: Home) -> str:
    """Return the player's language, English where the settings of the overlay cannot be read: what is shown is worth more."""
    with contextlib.suppress(InputFileError):
        return load(home, "overlay").overlay.language
    return OverlaySettings.language


def plays_elsewhere() -> bool:
    """Tell whether the default home's settings name another game or track than a demo's; True where they cannot be read."""
    with contextlib.suppress(InputFileError):
        play = load(Home(default_home()), "play").play
        return (play.env, play.track) != (PlaySettings.env, PlaySettings.track)
    return True


def _merged(name: str, layers: list[tuple[SettingPlace, Any]]) -> tuple[Any, dict[str, str], list[str]]:
    """Return a section with all its layers, where each value comes from, and the notes for the player."""
    kind, given, origin, notes = TABLES[name], dict[str, Any](), dict[str, str](), list[str]()
    whole: Any = None if name in ("reward", "train") else kind()  # for these two, the defaults depend on the track or the preset
    for place, layer in layers:
        source = place.file or COMMAND_LINE
        if not isinstance(layer, Mapping):
            checked(kind, layer, place)  # raises
        layer = {key: value for key, value in layer.items() if value is not None}
        if name == "play" and "env" in layer and "track" not in layer and not has_track(str(layer["env"]), whole.track):
            # What is typed comes before what is set: a set track of another game, and its corner, are not meant.
            whole = replace(whole, track=PlaySettings.track, only_corner="")
            origin = {key: where for key, where in origin.items() if key not in ("track", "only_corner")}
        if name == "train":
            layer, said = without_retired(layer, source)
            notes += said
            if (preset := layer.pop("preset", None)) is not None:
                try:
                    preset_called(preset)
                except UsageError as error:
                    raise place.wrong(str(error)) from None
                given["preset"], origin["preset"] = preset, source
        origin |= dict.fromkeys(layer, source)
        if whole is None:
            given |= checked(kind, layer, place)
        else:
            whole = filled(whole, layer, place)
    return given if whole is None else whole, origin, notes


def save_pads(
    home: Home,
    *,
    use: PadChoice | None = None,
    device: str = "",
    table: Mapping[str, Any] | None = None,
    forget: str = "",
) -> Path:
    """Store a choice, or one device's table, and leave the rest of ``pads.toml`` as it is. Returns its path.

    ``forget``: a key whose table goes, such as the one under which the same pad's was stored before. Raises `InputFileError`,
    and changes nothing, when the file cannot be read or written.
    """
    path = pads_path(home)
    pads = read(path)
    if use is not None:
        pads["use"] = {"use": use.use, "name": use.name, **({"id": use.id} if use.id else {})}
    pads.get("devices", {}).pop(forget, None)
    if device:
        pads.setdefault("devices", {})[device] = dict(table or {})
    elif not pads.get("devices", True):
        del pads["devices"]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held.write_whole(path, dumps(pads))
    except OSError as error:
        raise InputFileError(f"{path.name} cannot be written {held.why(error, 'check the home folder')}.") from error
    return path


def _chosen(pads: Mapping[str, Any], table: Mapping[str, Any]) -> Any:
    """Return the stored choice, without its id when settings.toml names another pad than the one that was chosen."""
    use, mine = pads.get("use", {}), table.get("pad", {})
    if not isinstance(use, dict) or not isinstance(mine, dict):
        return use
    named = str(mine.get("name", "")).lower()
    other = "id" not in mine and named and named not in str(use.get("name")).lower()
    return {key: value for key, value in use.items() if not (other and key == "id")}


def _devices(pads: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    devices = pads.get("devices", {})
    if not isinstance(devices, dict) or not all(isinstance(v, dict) for v in devices.values()):
        raise InputFileError("pads.toml: [devices] must hold one table for each device; delete the file to start again.")
    return devices


def _controls(table: Any, path: Path) -> dict[str, tuple[str, ...]]:
    if not isinstance(table, dict):
        raise InputFileError(f"{path.name}: [controls] must hold one list for each environment.")
    for name, row in table.items():
        if not isinstance(row, list) or not all(isinstance(c, str) and c.removeprefix("-") in CONTROLS for c in row):
            raise InputFileError(
                f"{path.name}: controls.{shown(name)} must be a list of {', '.join(CONTROLS)}, each with a minus in front if "
                "reversed."
            )
    return {name: tuple(row) for name, row in table.items()}
