"""`hitl config show`: every setting in force and where it comes from, or what an existing tmrl config.json means here."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from data.errors import StoreError
from hitl.arguments import Parser, with_verb
from hitl.home import Home, add_home, home_path

if TYPE_CHECKING:
    from data.tables.checkpoints import CheckpointRecord
    from trainer.tmrl.config import KeyUse

BY_TRACK = ("progress", "max_stray")
"""Terms of the reward that follow the track where they are not set."""


class Shown(NamedTuple):
    """One setting as it is in force."""

    section: str
    name: str
    value: Any
    origin: str
    """``default``, ``preset NAME``, ``this run``, ``pads.toml``, ``settings.toml`` or ``command line``."""


def main(argv: list[str]) -> int:
    """Print settings."""
    parser = Parser(prog="hitl config", description="Show the settings in force, and where each value comes from.")
    parser.add_argument("what", choices=("show",), help="print the settings in force, and where each comes from")
    parser.add_argument(
        "file", nargs="?", type=Path, help="an existing tmrl config.json: what each of its keys does here"
    )
    add_home(parser)
    parser.add_argument("--preset", help="as of `hitl train`: hitl, plain, rlpd or run_l")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="as of `hitl train`")
    parser.add_argument("--json", action="store_true", help="as JSON")
    args = parser.parse_args(with_verb(argv, "show", or_file=True))

    if args.file is None:
        rows = list(_in_force(home_path(args), args))
        if args.json:
            found: dict[str, dict[str, Any]] = {}
            for row in rows:
                found.setdefault(row.section, {})[row.name] = {"value": row.value, "from": row.origin}
            print(json.dumps(found, indent=1))
        else:
            _print(rows)
        return 0
    from trainer.daemon.wish import read_pairs
    from trainer.tmrl.config import read

    config, findings = read(args.file)
    config = config.with_values(**read_pairs(args.set))
    if args.json:
        keys = [{"section": f.section, "key": f.key, "status": f.status, "note": f.note} for f in findings]
        print(json.dumps({"settings": config.to_dict(), "keys": keys}, indent=1))
    else:
        show(findings)
    return 0


def _in_force(home: Home, args: argparse.Namespace) -> Iterator[Shown]:
    """Yield every setting of a home, as the next `hitl play` and `hitl train` take it."""
    from data.reward import RewardSettings
    from hitl.settings import TABLES, load
    from trainer.config import TrainConfig
    from trainer.daemon.run_settings import FROZEN, run_config
    from trainer.daemon.wish import Wish, read_pairs

    asked = read_pairs(args.set) | ({} if args.preset is None else {"preset": args.preset})
    settings = load(home, over={"train": asked})
    for note in settings.notes:
        print(note, file=sys.stderr)
    newest, road = _newest(home)
    wish = Wish.of(settings.train, insisted=frozenset(asked))
    config, kept = wish.config_where(road), list[str]()
    if newest is not None:
        config, kept = run_config(wish, newest.config, newest.updates, own=newest.of_run, road=road)
        kept += [name for name in FROZEN if getattr(config, name) != settings.train.get(name, getattr(config, name))]
    preset = settings.train.get("preset", "hitl" if road else "plain")
    whole = {"train": config.to_dict(), "reward": asdict(RewardSettings()) | dict.fromkeys(BY_TRACK)}
    whole["reward"] |= settings.reward
    usual = TrainConfig().to_dict()
    for section in TABLES:
        part = getattr(settings, section)
        values = asdict(part) if is_dataclass(part) and not isinstance(part, type) else whole[section]
        for name, value in values.items():
            origin = settings.origin.get(f"{section}.{name}", "default")
            if section == "train" and name in kept:
                origin = "this run"
            elif section == "train" and origin == "default" and value != usual[name]:
                origin = f"preset {preset}" if newest is None or not newest.of_run or wish.changes is None else "this run"
            if section == "reward" and name in BY_TRACK and value is None:
                origin = "the track"
            yield Shown(section, name, value, origin)
    for name, row in settings.controls.items():
        yield Shown("controls", name, row, settings.origin[f"controls.{name}"])


def _newest(home: Home) -> tuple[CheckpointRecord | None, bool]:
    """Return the checkpoint that the next `hitl train` goes on with (None: a new run), and whether there is a road."""
    from data.reading.layouts import has_road
    from data.store import Store

    if not home.store_path.is_file():
        return None, True
    try:
        with Store(home.store_path, read_only=True) as store:
            return store.latest_checkpoint(), has_road(store.conn)
    except StoreError as error:
        print(f"The settings of this home's run are not shown. {error}", file=sys.stderr)
        return None, True


def _print(rows: list[Shown]) -> None:
    from data.files.validation import written

    section = ""
    width = max(len(row.name) for row in rows)
    for row in rows:
        if row.section != section:
            section = row.section
            print(f"\n[{section}]")
        value = "(as the track is)" if row.origin == "the track" else written(row.value)
        note = "" if row.origin == "default" else f"  # {row.origin}"
        print(f"{row.name:<{width}} = {value}{note}")


def show(findings: list[KeyUse], brief: bool = False) -> None:
    """Print what each key of a tmrl configuration does here: what was changed first, keys of one fate together.

    ``brief``: only that, what is unknown, and how many others there are.
    """
    from rich.markup import escape

    from hitl.console import console, indented, marked

    out, others = console(), list[str]()
    for title, statuses, colour in GROUPS:
        chosen = [f for f in findings if f.status in statuses]
        if not chosen:
            continue
        if brief and statuses[0] not in ("changed", "unknown"):
            others.append(f"{len(chosen)} {title[0].lower()}{title[1:]}")
            continue
        out.print(marked(f"[bold]{title}[/] [dim]({len(chosen)})[/]"))
        by_note: dict[str, list[str]] = {}
        for f in chosen:
            together = f.status not in ("changed", "unknown")
            by_note.setdefault(f.note if together else f"{f.key}\n{f.note}", []).append(_named(f))
        # What needs the most words first: that is what was changed most.
        for note, keys in sorted(by_note.items(), key=lambda item: -len(item[0])):
            out.print(indented(f"[{colour}]{escape(', '.join(keys))}[/]: {escape(note.rpartition(chr(10))[2])}", 2))
    if others:
        out.print(f"Of the other keys: {', '.join(others)}. `hitl config show FILE` lists them.", style="dim")


GROUPS = (
    ("Changed: it means another thing here", ("changed",), "yellow"),
    ("Unknown", ("unknown",), "red"),
    ("Used", ("used", "session"), "green"),
    ("Not carried over to a session", ("not carried over",), "cyan"),
    ("Not used here", ("read, not used", "never kept"), "dim"),
)


def _named(use: KeyUse) -> str:
    """Return a key with its value, where that is short; those that are only named need none."""
    text = str(use.value)
    return f"{use.key} {text}" if use.status in ("used", "changed", "unknown", "session") and len(text) <= 24 else use.key
