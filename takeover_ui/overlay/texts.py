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
    "help": ("needs you", "braucht dich"),
    "loading": ("Loading ...", "Wird geladen ..."),
    "kmh": ("km/h", "km/h"),
    "off_road": ("off road", "abseits"),
    "corner_in": ("{name} in", "{name} in"),
    "now": ("now", "jetzt"),
    "seconds": ("{value:.1f} s", "{value:.1f} s"),
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
    "return": ("points", "Punkte"),
    "best": ("best", "Bestwert"),
    "ceiling": ("stuck at", "hing bei"),
    "takeovers": ("takeovers", "Übernahmen"),
    "learning": ("The agent learns", "Der Agent lernt"),
    "not_learning": ("The agent does not learn now", "Der Agent lernt gerade nicht"),
    "evaluations": ("alone through the corner", "allein durch die Kurve"),
    "recording": ("recording", "wird aufgezeichnet"),
    "disk_slow": ("The disk is slow", "Die Platte ist langsam"),
    "late": ("controls late: {value}×", "Steuerung verspätet: {value}×"),
    "diagnose": ("more: `hitl diagnose`", "mehr: `hitl diagnose`"),
    "risk": ("risk", "Risiko"),
    "let_go": ("let go", "loslassen"),
    "let_go_of": ("let go: {what}", "loslassen: {what}"),
    "gauge_driver": ("who drives", "wer fährt"),
    "gauge_corner": ("speed and corner", "Tempo und Kurve"),
    "gauge_track": ("track", "Strecke"),
    "gauge_progress": ("track", "Strecke"),
    "gauge_controls": ("pedals and steering", "Pedale und Lenkung"),
    "gauge_risk": ("risk", "Risiko"),
    "gauge_points": ("points", "Punkte"),
    "gauge_laps": ("lap times", "Rundenzeiten"),
    "gauge_help": ("your help", "deine Hilfe"),
    "gauge_summary": ("points and help", "Punkte und Hilfe"),
    "gauge_trainer": ("learning", "Lernen"),
    "gauge_recording": ("recording", "Aufzeichnung"),
    "gauge_map": ("map", "Karte"),
    "gauge_reset": ("all as at first", "alles wie zu Anfang"),
    "arrange_move": ("drag: move    wheel: size", "ziehen: verschieben    Rad: Größe"),
    "arrange_scale": ("click: off and on", "klicken: aus und an"),
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
