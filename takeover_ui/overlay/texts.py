"""The words on the screens, by language."""

from __future__ import annotations

from collections.abc import Mapping

ENGLISH: Mapping[str, str] = {
    "agent": "AGENT",
    "human": "YOU",
    "stand_in": "DRIVER",
    "paused": "PAUSED",
    "agent_does": "drives",
    "human_does": "drive",
    "stand_in_does": "drives",
    "paused_does": "",
    "help": "asks for your help",
    "kmh": "km/h",
    "off_road": "off road",
    "corner_in": "{name} in",
    "now": "now",
    "seconds": "{value:.1f} s",
    "progress": "progress",
    "of_metres": "{at:.0f} of {length:.0f} m",
    "gas_brake": "gas / brake",
    "gas": "gas",
    "brake": "brake",
    "steer": "steering",
    "done": "driven",
    "would": "agent would",
    "return": "return",
    "best": "best",
    "ceiling": "ceiling",
    "takeovers": "takeovers",
    "your_help": "of help",
    "trainer": "trainer",
    "trainer_idle": "not running",
    "updates": "{value:,} updates",
    "behind": "{value:,} steps behind",
    "ago": "{seconds:.0f} s ago",
    "evaluations": "corner passes",
    "steps_saved": "{value:,} steps saved",
    "waiting": "{value:,} waiting",
    "late": "late ticks",
    "diagnose": "more: `hitl diagnose`",
    "risk": "risk",
    "let_go": "let go first",
    "let_go_of": "let go first: {what}",
    "takeover": "button",
}

GERMAN: Mapping[str, str] = {
    "agent": "AGENT",
    "human": "DU",
    "stand_in": "FAHRER",
    "paused": "PAUSE",
    "agent_does": "fährt",
    "human_does": "fährst",
    "stand_in_does": "fährt",
    "paused_does": "",
    "help": "bittet um deine Hilfe",
    "kmh": "km/h",
    "off_road": "abseits",
    "corner_in": "{name} in",
    "now": "jetzt",
    "seconds": "{value:.1f} s",
    "progress": "Fortschritt",
    "of_metres": "{at:.0f} von {length:.0f} m",
    "gas_brake": "Gas / Bremse",
    "gas": "Gas",
    "brake": "Bremse",
    "steer": "Lenkung",
    "done": "gefahren",
    "would": "Agent würde",
    "return": "Belohnung",
    "best": "Bestwert",
    "ceiling": "Obergrenze",
    "takeovers": "Übernahmen",
    "your_help": "Hilfe",
    "trainer": "Training",
    "trainer_idle": "läuft nicht",
    "updates": "{value:,} Aktualisierungen",
    "behind": "{value:,} Schritte Rückstand",
    "ago": "vor {seconds:.0f} s",
    "evaluations": "Kurve geschafft",
    "steps_saved": "{value:,} Schritte gesichert",
    "waiting": "{value:,} warten",
    "late": "verspätete Ticks",
    "diagnose": "mehr: `hitl diagnose`",
    "risk": "Risiko",
    "let_go": "erst loslassen",
    "let_go_of": "erst loslassen: {what}",
    "takeover": "Taste",
}


def short(value: float, decimals: int = 0) -> str:
    """Return a number in at most six characters or so: 1,234 is written out, 123k and 12.3M are not."""
    if abs(value) < 10_000:
        return f"{value:,.{decimals}f}"
    return f"{value / 1e3:.0f}k" if abs(value) < 1e6 else f"{value / 1e6:.1f}M"


def duration(seconds: float, decimals: int = 1) -> str:
    """Return a length of time: seconds up to ten minutes, then minutes, then hours."""
    if seconds < 600:
        return f"{seconds:.{decimals}f} s"
    return f"{seconds / 60:.0f} min" if seconds < 36_000 else f"{seconds / 3600:.0f} h"


def let_go(held: tuple[str, ...], words: Mapping[str, str]) -> str:
    """Return what tells the player to let go of controls (``left``, ``right``, ``gas``, ``brake``, meanings of buttons)."""
    named = [words["steer"] if name in ("left", "right") else words.get(name, name) for name in held]
    return words["let_go_of"].format(what=", ".join(dict.fromkeys(named)))


LANGUAGES: Mapping[str, Mapping[str, str]] = {"en": ENGLISH, "de": GERMAN}
