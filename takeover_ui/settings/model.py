"""The settings window without its window: where the player is, what their commands do, and what is said to them."""

from __future__ import annotations

from typing import Any, Literal

from data.errors import HitlError
from takeover_ui.language import Words, with_words_of
from takeover_ui.overlay import overlay
from takeover_ui.overlay.arrangement import Arrangement
from takeover_ui.settings.pad_names import label
from takeover_ui.settings.rows import DRIVING, PAGES, Desk, PadNow, Row
from takeover_ui.window.key_names import KEYS, printed

PadMode = Literal["", "bind", "key", "try", "move", "calibrate"]
"""What the controls are for now: going about, naming a button or a key, trying the gating, moving a gauge, being measured."""
LANGUAGES = with_words_of("settings")
OVER_A_GAME = ("overlay.corner", "overlay.opacity", "overlay.keys")
"""What counts only for an overlay over another game."""
_NUDGE = 0.02  # of the window
_GROW = 1.08


class SettingsModel:
    """Where the player is. ``said`` is the newest answer, with its level; ``over`` that they want to leave."""

    def __init__(self, desk: Desk, page: str = "language") -> None:
        self.desk = desk
        self.names = tuple(PAGES)
        self.page, self.index = self.names.index(page), 0
        self.mode: PadMode = ""
        self.said: tuple[str, str] = ("info", "")
        self.doing = ""
        """What the player is to do while the pad is measured."""
        self.over = False
        self.game = "own"
        """Whose window the overlay is shown in: ``own``, or ``other`` for over another game."""

    @property
    def words(self) -> Words:
        """The texts in the language that is in force."""
        return LANGUAGES[self.desk.value("overlay.language")]

    @property
    def rows(self) -> tuple[Row, ...]:
        """The lines of the page; of the gauges those that the overlay's size has."""
        rows = PAGES[self.names[self.page]]
        if self.names[self.page] != "gauges":
            return rows
        size = self.desk.value("overlay.show")
        there = {"full": overlay.COLUMN, "compact": (*overlay.CARD, "map")}.get(size, ("map",))
        return tuple(row for row in rows if row.kind != "gauge" or row.name.partition(".")[2] in there)

    @property
    def row(self) -> Row:
        """The line that the player is on."""
        return self.rows[min(self.index, len(self.rows) - 1)]

    def do(self, command: str) -> None:
        """Carry out a command by its name. What cannot be done is said, and changes nothing."""
        self.said = ("info", "")
        try:
            if self.mode == "move":
                self._move(command)
            elif self.mode:
                leaves = ("back",) if self.mode == "calibrate" else ("back", "choose")
                self.mode = "" if command in leaves else self.mode
            else:
                getattr(self, f"_do_{command}")()
        except HitlError as error:
            self.said = ("error", str(error))

    def _do_up(self) -> None:
        self.index = (self.index - 1) % len(self.rows)

    def _do_down(self) -> None:
        self.index = (self.index + 1) % len(self.rows)

    def _do_next_page(self) -> None:
        self.go_to(self.names[(self.page + 1) % len(self.names)])

    def _do_previous_page(self) -> None:
        self.go_to(self.names[(self.page - 1) % len(self.names)])

    def _do_left(self) -> None:
        self.step(-1)

    def _do_right(self) -> None:
        self.step(1)

    def _do_choose(self) -> None:
        row = self.row
        if row.kind == "button":
            if self.desk.pad().kind == "keyboard":
                self.said = ("info", self._key_for(row.name.partition(".")[2]))
            else:
                self.mode = "bind"
        elif row.kind == "key":
            self.mode = "key"
        elif row.name == "try":
            self.mode = "try"
            self.desk.begin_try()
        elif row.name == "calibrate":
            self.desk.begin_calibration()
            self.mode = "calibrate"
        elif row.name == "gauges_reset":
            self.desk.arrange(Arrangement())
        elif row.kind == "gauge" and self.desk.value(row.name) and self._is_movable(row):
            self.mode = "move"
        elif row.kind != "number":
            self.step(1)

    def _key_for(self, meaning: str) -> str:
        """Return which key does what a button would do, or where it is set."""
        if meaning in DRIVING:
            return self.words["keys_page"]
        keys = (self.desk.keyboard().buttons or {}).get(meaning, ())
        return self.words.say("keys_fixed", key=", ".join(printed(key, self.words) for key in keys))

    def _do_default(self) -> None:
        if self.row.kind not in ("act", "local", "button"):
            self.desk.set(self.row.name, None)

    def _do_undo(self) -> None:
        self.said = ("info", self.words["undone" if self.desk.undo() else "nothing_undone"])

    def _do_restore(self) -> None:
        self.said = ("info", self.words["restored" if self.desk.restore() else "nothing_restored"])

    def _do_back(self) -> None:
        self.leave()

    def leave(self) -> None:
        """The window closes, whatever is under way in it."""
        self.over = True

    def go_to(self, page: str, index: int = 0) -> None:
        """Open a page, at a line of it."""
        self.page, self.index, self.mode = self.names.index(page), index, ""

    def step(self, by: int) -> None:
        """Go to the line's next value (1) or the one before it (-1); numbers stop at their ends. Raises HitlError.

        One without effect stays as it is, and why is said; one that the preview does not show has it show that.
        """
        row, desk = self.row, self.desk
        if without := self.without_effect(row):
            self.said = ("info", without)
            return
        if row.name in OVER_A_GAME:
            self.game = "other"
        if row.kind == "local":
            self.game = "other" if self.game == "own" else "own"
        elif row.kind == "gauge":
            desk.set(row.name, not desk.value(row.name))
        elif row.kind == "number":
            now = float(desk.saved(row.name))
            stepped = min(row.high, max(row.low, round(now / row.step + by) * row.step))
            if (by > 0) == (stepped > now) and stepped != now:  # a value beyond the ends stays until it is stepped inwards
                desk.set(row.name, round(stepped, 4))
        elif row.kind == "choice":
            choices, now = desk.choices(row.name), desk.saved(row.name)
            at = choices.index(now) if now in choices else -by
            desk.set(row.name, choices[(at + by) % len(choices)])

    def give(self, name: str, value: Any) -> None:
        """Set what was clicked on in a picture."""
        self.said = ("info", "")
        try:
            self.desk.set(name, value)
        except HitlError as error:
            self.said = ("error", str(error))

    def arrange(self, arrangement: Arrangement) -> None:
        """Keep what the mouse has made of the gauges."""
        try:
            self.desk.arrange(arrangement)
        except HitlError as error:
            self.said = ("error", str(error))

    def pressed(self, control: str) -> None:
        """A button of the pad, or a key, went down while one is to be named."""
        self.mode, row = "", self.row
        given_up: list[str] = []
        try:
            if row.kind == "key":
                name = printed(control, self.words)
                if refused := self._refused(control, row, name):
                    self.said = ("error", refused)
                    return
                self.desk.set(row.name, (control,))
            else:
                pad, meaning = self.desk.pad(), row.name.partition(".")[2]
                name = label(pad.kind, control)
                self.desk.bind(meaning, control)
                given_up = self._given_up(pad, meaning, control)
            bound = self.words.say("bound", button=name, what=self.words[f"row_{row.name}"])
            self.said = ("warning", ". ".join((bound, " ".join(given_up)))) if given_up else ("good", bound)
        except HitlError as error:
            self.said = ("error", str(error))

    def _given_up(self, pad: PadNow, meaning: str, control: str) -> list[str]:
        """Return a sentence for each other meaning that a button was taken from. ``pad``: as it was before."""
        return [
            self.words.say("taken_last" if set(controls) == {control} else "taken_one", before=self.words[f"row_button.{other}"])
            for other, controls in (pad.buttons or {}).items()
            if other != meaning and control in controls
        ]

    def _refused(self, key: str, row: Row, name: str) -> str:
        """Return why a key cannot be for a row, in a sentence; "" where it can."""
        if key not in KEYS:
            return self.words["key_unknown"]
        meanings = self.desk.keyboard().buttons or {}
        of_window = {"tab": "row_overlay.show", "f11": "full_screen"}
        if (text := of_window.get(key)) is None:
            meant = next((meaning for meaning, keys in meanings.items() if key in keys), row.name.partition(".")[2])
            if meant == row.name.partition(".")[2]:
                return ""
            text = f"row_{'keys' if meant in DRIVING else 'button'}.{meant}"
        return self.words.say("key_taken", key=name, what=self.words[text])

    def measure(self) -> None:
        """Look at the pad that is calibrated once more, and say what the player is to do."""
        try:
            now = self.desk.calibrate()
            if now is None:
                self.mode, self.said = "", ("good", self.words["calibrated"])
            else:
                self.doing = self.words.say(f"calibrate_{now.phase}", seconds=now.left_s)
        except HitlError as error:
            self.mode, self.said = "", ("error", str(error))

    def _is_movable(self, row: Row) -> bool:
        return self.desk.value("overlay.show") == "full" or row.name == "gauge.map"

    def _move(self, command: str) -> None:
        """Move the gauge of this line, or make it larger or smaller."""
        name, arranged = self.row.name.partition(".")[2], self.desk.arrangement()
        x, y, scale = arranged.places.get(name, (0.5, 0.5, 1.0))
        ways = {"left": (-_NUDGE, 0.0), "right": (_NUDGE, 0.0), "up": (0.0, -_NUDGE), "down": (0.0, _NUDGE)}
        sizes = {"larger": _GROW, "next_page": _GROW, "smaller": 1 / _GROW, "previous_page": 1 / _GROW}
        if command in ways:
            dx, dy = ways[command]
            self.desk.arrange(arranged.moved(name, x + dx, y + dy, scale))
        elif command in sizes:
            self.desk.arrange(arranged.moved(name, x, y, scale * sizes[command]))
        elif command == "default":
            self.desk.arrange(arranged.docked(name))
        elif command in ("choose", "back"):
            self.mode = ""
        elif command == "undo":
            self._do_undo()

    # what the page says

    def value_text(self, row: Row, value: Any) -> str:
        """Return a value as it is read."""
        words, name = self.words, row.name
        if row.kind == "number":
            return words.say(f"unit_{row.unit}", value=value * 100 if row.unit == "%" else value)
        if row.kind == "local":
            return words[f"val_{self.game}"]
        if name == "pad":
            return self.desk.pad_name(value) or words[f"val_{value[0]}"]
        if name == "play.only_corner":
            return value or words["val_everywhere"]
        if name == "play.track":
            return str(value).replace("\\", "/").rpartition("/")[2]
        if isinstance(value, bool):
            return words["val_on" if value else "val_off"]
        return words.get(f"val_{name}.{value}") or words.get(f"val_{value}", str(value))

    def origin_text(self, row: Row) -> str:
        """Return where the value of a line comes from, and when a change of it counts."""
        words, desk = self.words, self.desk
        if row.kind in ("act", "local"):
            return ""
        if without := self.without_effect(row):
            return without
        origin = desk.origin(row.name)
        said = words["from_default"] if origin == "default" else words.say("from_file", file=origin)
        if origin == "command line":
            return words.say("from_session", value=self.value_text(row, desk.saved(row.name)))
        return f"{said}  ·  {words['counts_next' if row.later else 'counts_now']}" if desk.in_session else said

    def matters(self, row: Row) -> bool:
        """Tell whether a value matters with the others that are in force."""
        if row.modes:
            return self.desk.value("takeover.mode") in row.modes
        if row.name in OVER_A_GAME:
            return self.game == "other"
        return row.name != "help.offer_s" or self.desk.value("help.offer") != "off"

    def without_effect(self, row: Row) -> str:
        """Return which other setting keeps a line's value from having any effect, in a sentence; "" where none does."""
        if row.name in OVER_A_GAME or self.matters(row):
            return ""
        by = Row("takeover.mode" if row.modes else "help.offer")
        value = self.value_text(by, self.desk.value(by.name))
        return self.words.say("without_effect", row=self.words[f"row_{by.name}"], value=value)
