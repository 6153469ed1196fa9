"""What stands behind the settings window: the values in force, where each comes from, and how they are changed."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from data.errors import HitlError
from data.files.validation import choices, types
from data.records import ROADLESS
from data.store import Store
from hitl.games.registry import has_track
from hitl.games.supertuxkart.data_folder import tracks_there
from hitl.home import Home
from hitl.last_driven import as_last_time
from hitl.road.kart_tracks import GAME, KART_TRACKS
from hitl.road.known_tracks import corners_here, drivable
from hitl.road.track import shipped_tracks
from hitl.settings import TABLES, Settings, load
from hitl.settings_desk.changes import Changes, stamp
from hitl.settings_desk.pad_desk import AUTO, KEYBOARD, PadDesk
from takeover_ui.overlay.arrangement import Arrangement
from takeover_ui.settings.rows import CalibrationNow, PadNow
from takeover_ui.view import Driver, Scene

SECTIONS = ("overlay", "pad", "keys", "takeover", "help", "coach", "play")
Over = Mapping[str, Mapping[str, Any]]


class SettingsDesk:
    """The settings of a home. ``over``: what a session was started with, by section; it lies over the files there.

    Methods that change something raise HitlError, and then have changed nothing.
    """

    def __init__(self, home: Home, pads: PadDesk, over: Over | None = None, *, in_session: bool = False) -> None:
        self.home, self.over, self.in_session = home, over or {}, in_session
        self.problem = ""
        self._saved = self._in_force = Settings()
        self._pads, self._changes = pads, Changes(home)
        self._read()

    def refresh(self) -> bool:
        """Read the files again if they have changed, in an editor or by a session; True where they have."""
        if stamp(self._changes.paths()) == self._stamp:
            return False
        self._read()
        return True

    def value(self, name: str) -> Any:
        """Return what is in force."""
        return self._of(self._in_force, name)

    def saved(self, name: str) -> Any:
        """Return what the files say."""
        return self._of(self._saved, name)

    def origin(self, name: str) -> str:
        """Return where a value comes from."""
        section, _, key = name.partition(".")
        if section == "pad":
            return self._in_force.origin.get("pad.use", "default")
        if section == "button":
            return "pads.toml" if self._in_force.devices else "default"
        if section == "gauge":
            return self._in_force.origin.get("overlay.hidden", "default")
        return self._in_force.origin.get(f"{section}.{key}", "default")

    def choices(self, name: str) -> tuple[Any, ...]:
        """Return what a setting may be."""
        if name == "pad":
            here = (AUTO, *self._pads.present(), KEYBOARD)
            set_now = self.value("pad")
            return here if set_now in here else (*here, set_now)
        if name in ("play.track", "play.only_corner") and str(self.value("play.env")).startswith(ROADLESS):
            return (self.value(name),)  # there is no road, and a track of another game would mean that game
        if name == "play.track":
            own = tracks_there(self.home) if self.saved("play.env") == GAME else shipped_tracks()
            return tuple(dict.fromkeys((*own, *self._driven(), self.value(name))))
        if name == "play.only_corner":
            scene = self.scene(self.saved("play.track"))
            return ("", *(corner.name for corner in scene.corners)) if scene is not None else ("",)
        section, _, key = name.partition(".")
        return choices(types(TABLES[section])[key])

    def set(self, name: str, value: Any) -> None:
        """Save a value; None: back to the default."""
        section, _, key = name.partition(".")
        if section == "pad":
            self._changes.choose_pad(*(value or AUTO))
        elif section == "gauge":
            shown = self.arrangement()
            if (key in shown.hidden) == (value is not False):
                self.arrange(shown.toggled(key))
        elif section != "button":
            self._changes.set(section, key, value, self._with_track(value) if name == "play.track" else {})
        self._read()

    def arrangement(self) -> Arrangement:
        """Return where the gauges are."""
        look = self._in_force.overlay
        return Arrangement(look.scale, look.hidden, look.places or {})

    def arrange(self, arrangement: Arrangement) -> None:
        """Save where the gauges are."""
        self._changes.arrange(arrangement.table())
        self._read()

    def bind(self, meaning: str, control: str) -> None:
        """Give a button of the pad at hand a meaning."""
        self._changes.save_pad(*self._pads.bound(self._in_force, meaning, control))
        self._read()

    def begin_calibration(self) -> None:
        """Begin to measure the pad at hand."""
        self._pads.begin_calibration()

    def calibrate(self) -> CalibrationNow | None:
        """Look at it once more; None once all is measured and saved."""
        now = self._pads.calibrate()
        if now is None:
            self._changes.save_pad(*self._pads.calibrated(self._in_force))
            self._read()
        return now

    def undo(self) -> bool:
        """Take the last change back."""
        done = self._changes.undo()
        self._read()
        return done

    def restore(self) -> bool:
        """Make everything as it was when the window was opened."""
        done = self._changes.restore()
        self._read()
        return done

    def pad(self) -> PadNow:
        """Return the pad as it is now."""
        return self._pads.now()

    def keyboard(self) -> PadNow:
        """Return the keyboard as it is now, whichever pad is set."""
        return self._pads.keyboard()

    def pressed(self) -> frozenset[str]:
        """Return the buttons that are down on any pad."""
        return self._pads.pressed()

    def pad_name(self, choice: Any) -> str:
        """Return what a pad that can be chosen is called."""
        use, name, identity = choice
        if use in ("auto", "keyboard"):
            return ""
        same = [one for one in self._pads.present() if one[1] == name]
        number = next((k for k, one in enumerate(same, 1) if one[2] == identity), 0)
        return f"{name or use} ({number})" if len(same) > 1 and number else name or use

    @functools.lru_cache(maxsize=32)  # noqa: B019 (one desk a process)
    def scene(self, track: str) -> Scene | None:
        """Return a track as it is drawn, with the corners that this home knows."""
        try:
            loaded = drivable(self.home, track)
        except HitlError:
            return None
        return Scene(track, loaded.line.points, loaded.half_width, loaded.line.length, corners_here(self.home, loaded))

    def driver(self, keys: frozenset[str]) -> Driver:
        """Return who would drive now."""
        return self._pads.driver(keys)

    def begin_try(self) -> None:
        """From now on `driver` is asked."""
        self._pads.begin_try()

    def _read(self) -> None:
        """Read the files. A section with a mistake has its defaults, and the sentence about it is the problem."""
        self._stamp, self.problem = stamp(self._changes.paths()), ""
        try:
            self._changes.content()
        except HitlError as error:  # another program has one open: what was read before stays, and it is tried again
            self._stamp, self.problem = (), str(error)
            return
        found: list[dict[str, Any]] = [{}, {}]
        origins: list[dict[str, str]] = [{}, {}]
        for section in SECTIONS:
            for number, over in enumerate((None, self.over)):
                try:
                    read = load(self.home, section, over=over)
                except HitlError as error:
                    self.problem = self.problem or str(error)
                    continue
                found[number][section] = getattr(read, section)
                origins[number] |= read.origin
                if section == "pad":
                    found[number]["devices"] = read.devices
        read_now = (Settings(**f, origin=o) for f, o in zip(found, origins, strict=True))
        self._saved, self._in_force = (as_last_time(self.home, settings, asks=False) for settings in read_now)
        try:
            self._pads.open(self._in_force)
        except HitlError as error:
            self.problem = self.problem or str(error)

    def _with_track(self, track: str | None) -> dict[str, Any]:
        """Return what else changes with the track: its game, where the one in force has no such track, and the corner."""
        also: dict[str, Any] = {"only_corner": None} if self.saved("play.only_corner") else {}  # another track has other corners
        env = str(self._changes.mine("play").get("env", self.saved("play.env")))  # `stk:TRACK` is a track, too
        if track is not None and not has_track(env, track):
            also["env"] = GAME if track in KART_TRACKS else None  # None: as this home drove it last, else the embedded game
        return also

    def _of(self, settings: Settings, name: str) -> Any:
        section, _, key = name.partition(".")
        if section == "pad":
            use = settings.pad
            return (use.use, use.name, use.id) if use.use not in ("auto", "keyboard") else (use.use, "", "")
        if section == "gauge":
            return key not in settings.overlay.hidden
        if section == "button":
            return (self._pads.now().buttons or {}).get(key, ())
        return getattr(getattr(settings, section), key)

    def _driven(self) -> list[str]:
        """Return the tracks in the store that can be drawn."""
        if not self.home.store_path.is_file():
            return []
        try:
            with Store(self.home.store_path, read_only=True) as store:
                names = store.tracks()
        except HitlError:
            return []
        return [name for name in names if self.scene(name) is not None]


def typed(pairs: list[str]) -> Over:
    """Return what a session was started with, from texts like ``takeover.mode=touch``."""
    over: dict[str, dict[str, Any]] = {}
    for pair in pairs:
        name, _, value = pair.partition("=")
        section, _, key = name.partition(".")
        over.setdefault(section, {})[key] = value
    return over


