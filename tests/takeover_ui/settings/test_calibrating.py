"""A pad is calibrated in the settings window, by the keyboard or by that pad alone, with the code of `hitl pads --calibrate`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pygame
import pytest

from hitl.home import Home
from hitl.pads.devices import devices
from hitl.settings import load
from hitl.settings_desk.desk import SettingsDesk
from hitl.settings_desk.pad_desk import PadDesk
from takeover_ui.settings.app import SettingsApp
from takeover_ui.settings.model import SettingsModel
from tests.support.virtual_pad import VirtualPad

REST, FAR = (0.1, 0.8, -0.7), ((-0.6, 0.8, -0.7), (0.8, -0.5, -0.7), (0.1, 0.8, 0.9))


class Player:
    """At the window, with a wheel whose axes are off their rest."""

    def __init__(self, folder: Path, wheel: VirtualPad) -> None:
        self.home, self.wheel, self.now = Home(folder), wheel, 100.0
        self.desk = SettingsDesk(self.home, PadDesk(devices(), lambda: self.now))
        self.model = SettingsModel(self.desk, "pad")
        self.app = SettingsApp(self.model, (1280, 720))
        self.at(*REST)
        self.look()

    def at(self, *values: float) -> None:
        for axis, value in enumerate(values):
            self.wheel.raw_axis(axis, value)

    def look(self, seconds: float = 0.05) -> None:
        until = self.now + seconds
        while self.now < until:
            self.now += 0.05
            self.app.step(self.now)
        self.app.draw()

    def key(self, name: str) -> None:
        pygame.event.post(pygame.event.Event(pygame.KEYDOWN, key=pygame.key.key_code(name), mod=0))
        pygame.event.post(pygame.event.Event(pygame.KEYUP, key=pygame.key.key_code(name), mod=0))
        self.look()

    def button(self, number: int) -> None:
        self.wheel.raw_button(number, True)
        self.look()
        self.wheel.raw_button(number, False)
        self.look()

    def move(self) -> None:
        self.look(3.0)
        assert "ends" in self.model.doing
        for place in (*FAR, REST):
            self.at(*place)
            self.look(0.5)
        self.look(8.0)


@pytest.fixture
def player(tmp_path: Path) -> Iterator[Player]:
    with VirtualPad.wheel() as wheel:
        made = Player(tmp_path, wheel)
        yield made
    made.app.close()


def stored(player: Player) -> dict[str, tuple[float, float, float]]:
    (table,) = load(player.home, "pad").devices.values()
    return {name: tuple(round(table[name][end], 1) for end in ("low", "centre", "high")) for name in ("steer", "gas", "brake")}


def test_by_the_keyboard_alone(player: Player) -> None:
    player.key("down")
    player.key("return")
    assert player.model.mode == "calibrate"
    player.look()
    assert player.model.doing.startswith("Hands off")
    player.move()
    assert player.model.said == ("good", player.model.words["calibrated"])
    assert stored(player) == {"steer": (-0.6, 0.1, 0.8), "gas": (0.8, 0.8, -0.5), "brake": (-0.7, -0.7, 0.9)}
    now = player.desk.pad()
    assert (now.steer, now.gas, now.brake) == (0.0, 0.0, 0.0)
    player.key("z")
    assert load(player.home, "pad").devices == {}


def test_by_the_pad_alone(player: Player) -> None:
    player.model.do("down")
    player.button(0)
    assert player.model.mode == "calibrate"
    player.move()
    assert player.model.said[0] == "good"
    assert stored(player)["steer"] == (-0.6, 0.1, 0.8)


def test_what_does_not_move_is_refused_and_leaving_changes_nothing(player: Player) -> None:
    player.key("down")
    player.key("return")
    player.look(12.0)
    assert player.model.mode == ""
    assert player.model.said[0] == "error"
    assert "hardly moved" in player.model.said[1]
    player.key("return")
    player.look(1.0)
    player.key("escape")
    assert (player.model.mode, player.model.over) == ("", False)
    assert load(player.home, "pad").devices == {}


def test_without_a_pad_it_says_so(tmp_path: Path) -> None:
    model = SettingsModel(SettingsDesk(Home(tmp_path), PadDesk(None)), "pad")
    model.do("down")
    model.do("choose")
    assert model.mode == ""
    assert model.said == ("error", "No pad is plugged in; plug it in and start again.")


def test_it_says_why_there_is_no_pad_though_one_is_plugged_in(tmp_path: Path) -> None:
    with VirtualPad.wheel(), VirtualPad() as gamepad:
        hub = devices()
        hub.poll()
        model = SettingsModel(SettingsDesk(Home(tmp_path), PadDesk(hub)), "pad")
        app = SettingsApp(model, (1280, 720))

        def hint() -> str:
            model.desk.pad()
            app.view.draw(app.surface, model, "agent")
            return " ".join(mark.text for mark in app.view.pen.marks if mark.name == "pad_hint")

        def refused() -> str:
            model.index = 1
            model.do("choose")
            assert (model.mode, model.said[0]) == ("", "error")
            return model.said[1]

        model.desk.set("pad", ("keyboard", "", ""))
        assert hint() == "No pad is in use: the keyboard drives."
        assert refused() == "Your pad is the keyboard, which needs none of this. Choose another one on the page Pad first."
        model.desk.set("pad", next(choice for choice in model.desk.choices("pad") if choice[1] == gamepad.name))
        assert "Calibrate it" in hint()
        gamepad.unplug()
        assert hint().startswith("The pad is away: plug it in, or choose another one on the page Pad.")
        assert refused() == f"{gamepad.name} is not plugged in. Plug it in, or choose another pad on the page Pad."
    app.close()
