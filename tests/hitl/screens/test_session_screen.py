"""What a session's window is sent: driver, counts, lines, failures, and in the demo the evaluations."""

from argparse import Namespace
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from data.records import Corner
from hitl.arbiter import Decision, GatingSettings
from hitl.coach.rules import Said
from hitl.coach.sounds import Sounds
from hitl.coach.way_ahead import Way
from hitl.demo.demo import EPISODES, Measurement
from hitl.demo.window import DemoWindow
from hitl.drivers.human import HumanDriver, NoHuman, scripted_human
from hitl.home import Home
from hitl.pads.base import MISSING, PadState
from hitl.pads.combined import EitherPad
from hitl.pads.keyboard import KEYS, KeyboardPad
from hitl.protocols import EpisodeResult, Tick
from hitl.screens.coach_screen import Caller
from hitl.screens.key_hints import LAP, ignored_names, key_hint, pad_hint
from hitl.screens.session_screen import SessionScreen
from hitl.screens.telling import line_keeper
from hitl.session.playing.play_loop import PlayLoop
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions
from hitl.settings_desk.pause import PauseSettings
from takeover_ui.language import ENGLISH, LANGUAGES
from takeover_ui.view import Card, TrainerState, View
from takeover_ui.window.options import WindowOptions
from tests.support.held import Cruise

HAIRPIN = Corner("hairpin", 185.0, 240.0)
PRESS = PadState(steer=0.0, gas=0.3, buttons=frozenset({"takeover"}))


class Pad:
    """Takes the wheel from tick 20 to tick 39 of the second episode and of no other."""

    name = "planned"

    def __init__(self) -> None:
        self.episode, self.tick = 0, 0

    def begin(self) -> None:
        self.episode, self.tick = self.episode + 1, -1

    def read(self) -> PadState:
        self.tick += 1
        return PRESS if self.episode == 2 and 20 <= self.tick < 40 else PadState()

    def rumble(self, *how: float) -> None:
        pass

    def close(self) -> None:
        pass


class Shown:
    """A window that keeps what it is sent."""

    def __init__(self) -> None:
        self.views: list[View] = []
        self.toasts: list[str] = []
        self.cards: list[Card | None] = []
        self.closed = False
        self.options = WindowOptions()
        self.hears_keys = True

    def send(self, view: View) -> None:
        self.views.append(view)

    def withdraw(self, text: str) -> None: ...

    def toast(self, text: str, level: str = "info", of_drive: bool = False, only: str | None = None) -> None:
        self.toasts.append(text)

    def card(self, card: Card | None) -> None:
        self.cards.append(card)

    def episode_over(self) -> None:
        pass


def drive(home: Path, screen: SessionScreen, begin: Any) -> list[int]:
    """Drive two episodes; return how many views came of each."""
    pad = Pad()

    class Person(HumanDriver):
        def begin(self) -> None:
            pad.begin()
            super().begin()

    counts = []
    def watch(tick: Tick) -> None:
        screen(tick)
        newest[:] = [tick]

    newest: list[Tick] = []
    with SessionSetup(Home(home), SessionOptions(), human=lambda track: Person(pad), watch=watch) as rig:  # type: ignore[arg-type]
        begin(rig)
        rig.session.policy = Cruise()  # type: ignore[assignment]
        for seed in range(2):
            before = len(screen._window.views)  # type: ignore[attr-defined]
            result = rig.session.episode(seed=seed)
            screen.episode_over(result)
            counts.append(len(screen._window.views) - before)  # type: ignore[attr-defined]
        rig.session.episode("evaluation", seed=0)
        screen(replace(newest[0], offer="asked-for"))
    return counts


@pytest.mark.parametrize(
    ("speed", "way", "said"), [(0.2, 1, "You stood still"), (11.0, -1, "You drove backwards"), (11.0, 1, "You got no further")]
)
def test_who_reverses_is_not_said_to_stand(tmp_path: Path, speed: float, way: int, said: str) -> None:
    shown = Shown()
    screen = SessionScreen(shown)  # type: ignore[arg-type]
    drive(tmp_path, screen, lambda rig: screen.begin(rig, SimpleNamespace(newest=TrainerState(True))))  # type: ignore[arg-type]
    heading = screen._rig.track.line.at(3.0)[2]
    velocity = (way * speed * float(np.cos(heading)), way * speed * float(np.sin(heading)))
    screen._shown = replace(shown.views[-1], speed=speed, velocity=velocity)
    screen.episode_over(EpisodeResult("lap", "stalled", 50, progress=3.0))
    assert shown.toasts[-1] == f"{said} at 3 m: the lap begins again."


def test_a_session_s_views(tmp_path: Path) -> None:
    shown, trainer = Shown(), SimpleNamespace(newest=TrainerState(True))
    screen = SessionScreen(shown)  # type: ignore[arg-type]
    first, second = drive(tmp_path, screen, lambda rig: screen.begin(rig, trainer))  # type: ignore[arg-type]
    alone, helped, measured = shown.views[:first], shown.views[first : first + second], shown.views[first + second :]
    assert {view.driver for view in alone} == {"agent"}
    driven = [view.driver for view in helped].count("human")
    assert 20 <= driven <= 22  # a hold ends a tick or so after the button
    assert alone[-1].takeovers == 0
    assert helped[-1].takeovers == 1
    assert helped[-1].human_seconds == pytest.approx(driven / 20)
    assert alone[-1].best_return is None
    assert helped[0].best_return == pytest.approx(alone[-1].episode_return, abs=1e-3)
    assert measured[-1].best_return == helped[0].best_return, "a drive with help has no return to compare with"
    assert [view.times.running for view in (alone[0], alone[-1], helped[0]) if view.times is not None] == pytest.approx(
        [0.05, first / 20, 0.05]
    )
    assert alone[-1].without_help == "", "no try has ended yet"
    assert helped[0].without_help.endswith(": 0 of 1")
    assert measured[0].without_help == helped[0].without_help, "a drive with help says nothing of the agent alone"
    assert len(measured[0].failures) == 2
    assert measured[0].failures[0] == pytest.approx(alone[-1].progress, abs=1.0)
    assert len(helped[-1].human_trails) == 1
    assert len(helped[-1].human_trails[0]) == driven
    assert len(helped[-1].agent_trails) == 2  # of the first episode, and of the second until it was taken over
    assert [view.help_wanted for view in shown.views].count(True) == 1
    assert shown.views[-1].help_wanted
    assert alone[0].hint == key_hint("hold")
    assert alone[0].trainer is trainer.newest
    assert alone[0].scene is measured[-1].scene
    screen.stand()
    assert (shown.views[-1].driver, shown.views[-1].speed, shown.views[-1].message) == ("agent", 0.0, "")


def test_the_way_ahead_is_shown_at_the_clocks_pace_only(tmp_path: Path) -> None:
    shown = Shown()
    screen = SessionScreen(shown)  # type: ignore[arg-type]
    way = Way(np.zeros((5, 2), np.float32), 3)

    def begin(rig: SessionSetup) -> None:
        screen.begin(rig, SimpleNamespace(newest=None))  # type: ignore[arg-type]
        assert screen._ahead is None, "faster than real time no one looks"
        screen._ahead = SimpleNamespace(tick=lambda tick: way)  # type: ignore[assignment]

    first, _ = drive(tmp_path, screen, begin)
    assert all(view.ahead is way.points and view.ahead_off == 3 for view in shown.views[:first])
    screen.fast = "15 times as fast"
    drive(tmp_path / "fast", screen, lambda rig: None)
    assert shown.views[-1].ahead is None


def test_a_try_at_a_corner_is_not_compared_with_whole_laps(tmp_path: Path) -> None:
    shown, trainer = Shown(), SimpleNamespace(newest=None)
    screen = SessionScreen(shown)  # type: ignore[arg-type]
    with SessionSetup(Home(tmp_path), SessionOptions(), watch=screen) as rig:
        screen.begin(rig, trainer)  # type: ignore[arg-type]
        assert screen._alone is not None
        screen._alone.best, screen._ceiling = 110.5, 40.3
        compared = []
        for purpose in ("drive", "practice"):
            rig.session.episode(purpose, seed=0, until_m=3.0)
            compared.append((shown.views[-1].best_return, shown.views[-1].ceiling))
        assert compared == [(110.5, 40.3), (None, None)]
        screen.practises("hairpin")
        assert screen._alone.corner == "hairpin", "nor is the agent judged by whole laps then"


@pytest.mark.parametrize("scripted", [False, True])
def test_a_lap_s_views_say_nothing_of_an_agent(tmp_path: Path, scripted: bool) -> None:
    shown, trainer = Shown(), SimpleNamespace(newest=None)
    screen = SessionScreen(shown)  # type: ignore[arg-type]

    def wheel(track: Any) -> Any:
        return scripted_human(track, "expert", None) if scripted else HumanDriver(Pad())  # type: ignore[arg-type]

    with SessionSetup(Home(tmp_path), SessionOptions(), human=wheel, watch=screen) as rig:
        screen.begin(rig, trainer, laps=True)  # type: ignore[arg-type]
        rig.session.episode("lap", seed=0, until_m=5.0)
        assert screen._shown is not None
        screen._shown = replace(screen._shown, speed=0.0)
        for reason in ("off_road", "stalled", "finish", "through"):
            screen.episode_over(EpisodeResult("lap", reason, progress=87.0))
        screen.episode_over(EpisodeResult("drive", "off_road", progress=87.0))
    again = [f"{why} at 87 m: the lap begins again." for why in ("Off the road", "You stood still")]
    assert shown.toasts == again, "else nothing would say why the car is at the start"
    for number in range(1, 7):
        screen.episode_over(EpisodeResult("lap", "off_road", progress=87.0))
        assert ("Brake earlier" in shown.toasts[-1]) == (number in (3, 6))
    view = shown.views[-1]
    assert (view.lap, view.proposed, view.driver, view.hint) == (True, None, "human", key_hint(LAP))
    assert view.who == ("stand_in" if scripted else "human")
    assert pad_hint({"takeover": ("shoulder",), "quit": ("back",)}, LAP) == "stick and pedals: drive    back: leave"


def test_over_another_game_the_hint_names_what_is_heard_there(tmp_path: Path) -> None:
    """A pad that is plugged in or pulled while the session runs, and keys that count in any window or in none."""
    shown, trainer = Shown(), SimpleNamespace(newest=None)
    shown.options = WindowOptions(game_view=False)
    screen = SessionScreen(shown)  # type: ignore[arg-type]
    pad: Any = Pad()
    pad.map, pad.device = SimpleNamespace(buttons={"takeover": ("leftshoulder",)}), None
    both = EitherPad(pad, KeyboardPad(keys=frozenset))
    seen = []
    with SessionSetup(Home(tmp_path), SessionOptions(), human=lambda track: HumanDriver(both), watch=screen) as rig:
        for device, heard in ((None, False), (object(), False), (object(), True), (None, True)):
            pad.device, shown.hears_keys = device, heard
            if not seen:
                screen.begin(rig, trainer)  # type: ignore[arg-type]
            rig.session.episode("practice", seed=0, until_m=3.0)
            seen.append(shown.views[-1].hint)
            assert screen.hints(ENGLISH).driving == seen[-1]
            assert screen.hints(LANGUAGES["de"]).driving != seen[-1], "the terminal has it in English, the overlay as it is set"
    with_pad = pad_hint(pad.map.buttons, "hold")
    assert seen == [ENGLISH["hint_unheard"], with_pad, with_pad, key_hint("hold", mouse=False, pad=False)]


@pytest.mark.parametrize(
    ("inside", "heard", "said"),
    [(True, True, "O, or click here: settings"), (False, True, "O: settings"), (False, False, "")],
)
def test_over_another_game_a_pause_names_no_click_for_the_settings(
    tmp_path: Path, inside: bool, heard: bool, said: str
) -> None:
    """Clicks go through an overlay."""
    shown = Shown()
    shown.options, shown.hears_keys = WindowOptions(game_view=inside), heard
    screen = SessionScreen(shown)  # type: ignore[arg-type]
    screen.settings = PauseSettings(Home(tmp_path), shown, {})  # type: ignore[arg-type]
    driver = HumanDriver(KeyboardPad(keys=frozenset))
    screen._rig = SimpleNamespace(session=SimpleNamespace(human=driver))  # type: ignore[assignment]
    decision: Any = SimpleNamespace(pressed=())
    assert screen._settings_asked(decision, paused=True) == said


@pytest.mark.parametrize("button", ["pause", "panic"])
def test_a_pause_says_what_ends_it_and_names_no_key_that_drives(tmp_path: Path, button: str) -> None:
    shown, trainer, said, ticks = Shown(), SimpleNamespace(newest=None), list[Said](), list[Tick]()
    screen = SessionScreen(shown)  # type: ignore[arg-type]
    driver = HumanDriver(KeyboardPad(keys=lambda: frozenset(KEYS[button] if len(ticks) == 5 else ())))

    def watch(tick: Tick) -> None:
        ticks.append(tick)
        screen(tick)

    def stop() -> bool:
        return len(ticks) > 10

    with SessionSetup(
        Home(tmp_path), SessionOptions(), human=lambda track: driver, watch=watch, stop=stop, say=said.append
    ) as rig:
        screen.begin(rig, trainer)  # type: ignore[arg-type]
        assert rig.session.episode(seed=0).reason == ("panic" if button == "panic" else "stopped")
        ticks.append(ticks[-1])  # the key is let go
        rig.session.episode(seed=1)
    driven, paused = shown.views[0], shown.views[-1]
    assert (driven.driver, driven.way_on, driven.hint) == ("agent", "", screen.hint)
    assert (paused.driver, paused.way_on) == ("paused", "P: drive on")
    assert paused.hint == "b: 3 s back    n: bad    k: keep    r: restart    esc: leave"
    keys = [part.split(":")[0] for stands in screen.stands_hints for part in stands.split("    ")[1:]]
    assert not {"b", "backspace", "r"} & set(keys), "before a drive there is nothing to go back in, to let go or to begin again"
    pad = pad_hint({name: (name,) for name in ("rewind", "panic", "restart", "star")}, LAP, stands=True)
    assert pad == "stick and pedals: drive    star: star"
    told = [one.text(ENGLISH) for one in said if one.name == "press_panic"]
    assert told == (["Everything was let go, and this drive is over. p: the next one begins."] if button == "panic" else [])


@pytest.mark.parametrize("purpose", ["drive", "lap"])
def test_a_pad_that_went_away_is_the_reason_of_a_pause_and_the_keys_that_drive_are_named(tmp_path: Path, purpose: str) -> None:
    shown, trainer, pad, ticks = Shown(), SimpleNamespace(newest=None), Pad(), list[Tick]()
    screen = SessionScreen(shown)  # type: ignore[arg-type]
    both = EitherPad(pad, KeyboardPad(keys=frozenset))
    drives = PadState(gas=0.5, buttons=frozenset({"takeover"}))
    pad.read = lambda: (PadState(), drives, MISSING)[min(len(ticks) // 5, 2)]  # type: ignore[method-assign]

    def watch(tick: Tick) -> None:
        ticks.append(tick)
        screen(tick)

    options = SessionOptions(gating=GatingSettings(unplugged="brake"))
    with SessionSetup(
        Home(tmp_path), options, human=lambda track: HumanDriver(both), watch=watch, stop=lambda: len(ticks) > 120
    ) as rig:
        screen.begin(rig, trainer)  # type: ignore[arg-type]
        rig.session.episode(purpose, seed=0)
    assert shown.views[8].driver == "human"
    assert {view.driver for view in shown.views[10:]} == {"paused"}, "no one drives, also while the car brakes"
    last = shown.views[-1]
    assert (last.message, last.hint) == (ENGLISH["paused_pad"], screen.hint)
    assert last.way_on == ("P: drive on" if purpose == "drive" else "")


def test_the_hint_names_a_pad_only_while_there_is_one_and_no_way_back_where_there_is_none(tmp_path: Path) -> None:
    shown, trainer = Shown(), SimpleNamespace(newest=None)
    screen = SessionScreen(shown)  # type: ignore[arg-type]
    pad: Any = Pad()
    pad.device = None
    both = EitherPad(pad, KeyboardPad(keys=frozenset))
    with SessionSetup(Home(tmp_path), SessionOptions(), human=lambda track: HumanDriver(both), watch=screen) as rig:
        screen.begin(rig, trainer)  # type: ignore[arg-type]
        assert screen.hint.startswith("hold space: arrows drive    b: 3 s back    n: bad")
        pad.device = object()
        rig.session.episode("practice", seed=0, until_m=3.0)
        assert screen.hint.startswith("hold space or the right shoulder button: drive    b: 3 s back")
    options = SessionOptions(env="gym:Pendulum-v1")
    with SessionSetup(Home(tmp_path / "other"), options, human=lambda track: HumanDriver(both), watch=screen) as rig:
        screen.begin(rig, trainer)  # type: ignore[arg-type]
        assert screen.hint.startswith("hold space or the right shoulder button: drive    n: bad")
    assert key_hint("hold", takes=("button4", "button5")).startswith("hold space or button4 or button5: drive")
    assert key_hint("hold", takes=()).startswith("hold space: arrows drive"), "the wheel has no button for it"
    assert key_hint("touch", takes=()).startswith("touch stick, pedal or arrows: drive")
    assert "3 s back" not in pad_hint({"rewind": ("leftshoulder",)}, "hold", back=False)
    for words in LANGUAGES.values():
        for mode in ("hold", "toggle", "touch", LAP):
            assert words["arrows"] in key_hint(mode, words, pad=False)


def test_the_panel_says_that_the_trainer_learns_from_another_game() -> None:
    screen = SessionScreen(Shown())  # type: ignore[arg-type]
    screen._trainer = SimpleNamespace(newest=TrainerState(True))  # type: ignore[assignment]
    for refused, said in ((True, ENGLISH["weights_unfit"]), (False, "")):
        screen._rig = SimpleNamespace(policy=SimpleNamespace(refused=refused))  # type: ignore[assignment]
        state = screen._trainer_state()
        assert state is not None
        assert state.finding_title == said


def test_what_is_held_goes_by_the_name_on_the_device_that_it_is_held_on() -> None:
    keys, pad = KeyboardPad(keys=frozenset), SimpleNamespace(map=SimpleNamespace(buttons={"takeover": ("leftshoulder",)}))
    both = EitherPad(pad, keys)  # type: ignore[arg-type]
    takeover = frozenset({"takeover"})

    def named(device: Any, *ignored_by: frozenset[str]) -> tuple[str, ...]:
        ignored = frozenset[str]().union(*ignored_by)
        action = np.zeros(2, np.float32)
        return ignored_names(Decision(0, action, 0.0, None, "", ignored=ignored, ignored_by=ignored_by), device)

    assert named(keys, takeover) == ("space",)
    assert named(both, frozenset(), takeover | {"gas"}) == ("gas", "space")
    assert named(both, takeover, frozenset()) == ("leftshoulder",)
    assert named(both, takeover, takeover) == ("leftshoulder", "space")
    assert named(Pad(), takeover | {"left"}) == ("left", "takeover"), "a device without names"
    assert named(None) == ()


def test_a_held_space_bar_is_named_in_the_views(tmp_path: Path) -> None:
    shown, trainer = Shown(), SimpleNamespace(newest=None)
    screen = SessionScreen(shown)  # type: ignore[arg-type]
    pad = EitherPad(Pad(), KeyboardPad(keys=lambda: frozenset({"space"})))  # type: ignore[arg-type]
    with SessionSetup(Home(tmp_path), SessionOptions(), human=lambda track: HumanDriver(pad), watch=screen) as rig:
        screen.begin(rig, trainer)  # type: ignore[arg-type]
        rig.session.policy = Cruise()  # type: ignore[assignment]
        rig.session.episode(seed=0, until_m=5.0)
    assert {view.held for view in shown.views} == {("space",)}


def test_the_demo_s_views(tmp_path: Path) -> None:
    shown = Shown()
    trainer, process = SimpleNamespace(newest=TrainerState(True)), SimpleNamespace(alive=True)
    screen = DemoWindow(shown, HAIRPIN)  # type: ignore[arg-type]
    results = [EpisodeResult("evaluation", total=68.5, passed={"hairpin": number < 5}) for number in range(EPISODES)]
    half = [EpisodeResult("evaluation", passed={"hairpin": number < EPISODES // 2}) for number in range(EPISODES)]

    def begin(rig: SessionSetup) -> None:
        screen.begin_demo(rig, process, trainer)  # type: ignore[arg-type]
        rig.session.human = NoHuman()  # no one to ask
        screen.measured(Measurement(results, "hairpin", 1))
        screen.evaluated(1_000, Measurement(half, "hairpin", 2))
        screen.phase("evaluation")
        screen.lap(7, EPISODES)

    drive(tmp_path, screen, begin)
    view = shown.views[0]
    assert (view.message, view.hint, view.ceiling) == ("the agent alone: what has it learned so far?", "esc: leave", 68.5)
    assert view.fast.startswith(f"lap 7 of {EPISODES}, ")
    assert view.evaluations == ((0.0, 0.25), (1_000.0, 0.5)), "the trend begins with what was measured"
    assert view.trainer is trainer.newest
    assert shown.toasts == [f"{EPISODES // 2} of {EPISODES} laps passed without help"]
    screen.phase("learning")
    assert (screen.message, screen.fast, screen.hint) == ("", "", ENGLISH.say("demo_hint", drive="arrows"))
    process.alive = False
    screen._window.views.clear()  # type: ignore[attr-defined]
    drive(tmp_path, screen, lambda rig: screen.begin_demo(rig, process, trainer))  # type: ignore[arg-type]
    assert shown.views[0].trainer == TrainerState(alive=False)
    process.alive = True
    screen.phase("after")
    screen.lap(EPISODES, EPISODES)
    screen.session_over()
    last = shown.views[-1]
    assert (last.driver, last.message, last.fast, last.store, last.trainer) == ("over", "", "", None, TrainerState())


def test_behind_the_last_card_stands_what_the_last_try_has_changed(tmp_path: Path) -> None:
    shown = Shown()
    screen = SessionScreen(shown)  # type: ignore[arg-type]
    drive(tmp_path, screen, lambda rig: screen.begin(rig, SimpleNamespace(newest=None)))  # type: ignore[arg-type]
    screen._shown = before = replace(shown.views[-1], driver="paused", message="practice at hairpin: 0 of 1 through", fast="5×")
    args = Namespace(call_me=False, practice="", episodes=3, seed=0, lap=False, pad="none", home=None)
    tries = [  # the second one is lost at once, and the last one cut off: neither was tried
        EpisodeResult("practice", "off_road", 40, progress=60.0, passed={"hairpin": False}),
        EpisodeResult("practice", "env_lost", 0, passed={"hairpin": False}),
        EpisodeResult("practice", "through", 40, progress=240.0, passed={"hairpin": True}),
        EpisodeResult("practice", "stopped", 20, progress=100.0, passed={"hairpin": False}),
    ]
    with SessionSetup(Home(tmp_path), SessionOptions(real_time=False)) as rig:
        loop = PlayLoop(rig, args, screen, line_keeper(screen, False), Caller(rig, None, None, Sounds(on=False)))
        args.practice = "hairpin"
        loop._practice = SimpleNamespace(attempt=lambda seed: tries.pop(0), lap_steps=lambda: None)  # type: ignore[assignment]
        told = loop.run()
    assert told.startswith("2 tries at 'hairpin'")
    assert loop.looking.practised == ("hairpin", 1, 2)
    screen.session_over()
    after = shown.views[-1]
    assert (after.driver, after.message, after.fast) == ("over", "practice at hairpin: 1 of 2 through", "")
    assert after.store is None, "nothing is recorded any more"
    assert after.failures == (*before.failures, 60.0)
    screen.episode_over(EpisodeResult("drive", "off_road", 40, progress=70.0))
    screen.stand()
    assert shown.views[-1].failures == (*after.failures, 70.0), "no tick comes while the agent learns"
    screen._trainer = SimpleNamespace(newest=TrainerState(alive=False))  # type: ignore[assignment]
    views = len(shown.views)
    for _ in range(2):
        screen.trainer_goes_on()
    assert shown.views[views:] == [replace(shown.views[views - 1], trainer=TrainerState(alive=False))]


def test_while_the_wheel_cannot_be_taken_no_key_is_named_that_takes_it(tmp_path: Path) -> None:
    shown = Shown()
    screen = SessionScreen(shown)  # type: ignore[arg-type]
    driver = HumanDriver(KeyboardPad(keys=frozenset))
    with SessionSetup(Home(tmp_path), SessionOptions(), human=lambda track: driver, watch=screen) as rig:
        screen.begin(rig, SimpleNamespace(newest=None))  # type: ignore[arg-type]
        rig.session.hands_off = True
        rig.session.episode("practice", seed=0, until_m=3.0)
    assert {view.hint for view in shown.views} == {"b: 3 s back    n: bad    k: keep    r: restart    esc: leave"}
