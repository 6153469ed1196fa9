"""The words on the screens, by language."""

from __future__ import annotations

from collections.abc import Mapping

_WORDS = {
    "agent": ("AGENT", "AGENT"),
    "human": ("YOU", "DU"),
    "stand_in": ("DRIVER", "FAHRER"),
    "paused": ("PAUSED", "PAUSE"),
    "agent_does": ("drives", "fährt"),
    "human_does": ("drive", "fährst"),
    "stand_in_does": ("drives", "fährt"),
    "paused_does": ("", ""),
    "help": ("asks for your help", "bittet um deine Hilfe"),
    "loading": ("Loading ...", "Wird geladen ..."),
    "kmh": ("km/h", "km/h"),
    "off_road": ("off road", "abseits"),
    "corner_in": ("{name} in", "{name} in"),
    "now": ("now", "jetzt"),
    "seconds": ("{value:.1f} s", "{value:.1f} s"),
    "progress": ("progress", "Fortschritt"),
    "lap": ("lap {value:.1f} s", "Runde {value:.1f} s"),
    "last_lap": ("last lap", "letzte Runde"),
    "best_you": ("your best", "deine beste"),
    "best_agent": ("agent's best", "beste: Agent"),
    "to_best": ("to the best", "zur besten"),
    "delta": ("{value:+.1f} s", "{value:+.1f} s"),
    "of_metres": ("{at:.0f} of {length:.0f} m", "{at:.0f} von {length:.0f} m"),
    "gas_brake": ("gas / brake", "Gas / Bremse"),
    "gas": ("gas", "Gas"),
    "brake": ("brake", "Bremse"),
    "steer": ("steering", "Lenkung"),
    "done": ("driven", "gefahren"),
    "would": ("agent would", "Agent würde"),
    "return": ("return", "Belohnung"),
    "best": ("best", "Bestwert"),
    "ceiling": ("ceiling", "Obergrenze"),
    "takeovers": ("takeovers", "Übernahmen"),
    "your_help": ("of help", "Hilfe"),
    "trainer": ("trainer", "Training"),
    "trainer_idle": ("not running", "läuft nicht"),
    "updates": ("{value:,} updates", "{value:,} Aktualisierungen"),
    "behind": ("{value:,} steps behind", "{value:,} Schritte Rückstand"),
    "ago": ("{seconds:.0f} s ago", "vor {seconds:.0f} s"),
    "evaluations": ("corner passes", "Kurve geschafft"),
    "steps_saved": ("{value:,} steps saved", "{value:,} Schritte gesichert"),
    "waiting": ("{value:,} waiting", "{value:,} warten"),
    "late": ("late ticks", "verspätete Ticks"),
    "diagnose": ("more: `hitl diagnose`", "mehr: `hitl diagnose`"),
    "risk": ("risk", "Risiko"),
    "let_go": ("let go first", "erst loslassen"),
    "let_go_of": ("let go first: {what}", "erst loslassen: {what}"),
    "takeover": ("button", "Taste"),
    "space": ("space bar", "Leertaste"),
}
"""Each text in English and in German."""

_HELD = ("gas", "brake", "takeover", "space")  # that have words; another key or button goes by its name

LANGUAGES: Mapping[str, Mapping[str, str]] = {
    code: {name: texts[k] for name, texts in _WORDS.items()} for k, code in enumerate(("en", "de"))
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
    """Return what tells the player to let go of controls (``left``, ``right``, ``gas``, ``brake``, buttons and keys by name)."""
    named = [words["steer"] if name in ("left", "right") else words[name] if name in _HELD else name for name in held]
    return words["let_go_of"].format(what=", ".join(dict.fromkeys(named)))
