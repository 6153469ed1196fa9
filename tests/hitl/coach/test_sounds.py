"""Small sounds without a sound card: they have a length and no click, and where nothing plays them, driving goes on."""

from __future__ import annotations

import numpy as np
import pytest

from hitl.coach.sounds import NOTES, RATE, Sounds, wave


@pytest.mark.parametrize("name", NOTES)
def test_a_sound_is_short_soft_at_its_ends_and_never_clips(name: str) -> None:
    samples = wave(name, 0.4)
    assert 0.04 * RATE < len(samples) < 0.8 * RATE
    assert abs(int(samples[0])) < 200 > abs(int(samples[-1]))
    assert 0.1 * 32767 < np.abs(samples.astype(int)).max() <= 0.4 * 32767
    assert np.abs(np.diff(samples.astype(int))).max() < 0.2 * 32767  # no jump between two notes


def test_it_plays_on_a_machine_without_a_sound_card(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_AUDIODRIVER", "dummy")
    with Sounds(volume=0.1) as sounds:
        for name in ("help", "counted", "", "help"):
            sounds.play(name)
    assert (sounds.played, sounds.problem) == (3, "")


def test_where_no_driver_opens_there_is_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDL_AUDIODRIVER", "no such driver")
    with Sounds() as sounds:
        sounds.play("call")
        sounds.play("go")
    assert sounds.played == 0
    assert sounds.problem


@pytest.mark.parametrize("off", [Sounds(on=False), Sounds(volume=0.0)])
def test_switched_off_it_starts_nothing(off: Sounds) -> None:
    with off:
        off.play("help")
    assert off._thread is None
