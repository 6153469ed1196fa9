"""Writes ``docs/settings.md`` from the settings themselves: ``python docs/make_settings.py``. A test holds the two together."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from data.files.validation import allowed, types, written  # noqa: E402
from hitl.pads.mapping import Axis  # noqa: E402
from hitl.settings import CONTROLS, TABLES  # noqa: E402
from trainer.config import TrainConfig  # noqa: E402
from trainer.presets import PRESETS  # noqa: E402
from trainer.retired import RETIRED  # noqa: E402

PAGE = ROOT / "docs" / "settings.md"
HEAD = """# Settings

Everything that can be set is on this page. It is written by `python docs/make_settings.py`.

Your own settings are in `settings.toml` in the home folder (`~/.hitl`, or `--home`). Write it with an editor, or change what you
need most in the window of `hitl settings`; it changes single lines, and leaves your comments and everything else as they are:

```toml
[takeover]
mode = "touch"

[train]
utd = 4
drop_pool = "none"

[reward]
speed_bonus = 0.01
```

There are four layers; each takes precedence over the ones before it:

1. the default; for the game and the track of `hitl play` and `hitl eval`, those of the home's newest session (in TrackMania, a
   line of your own must be named again);
2. for `[train]`: a preset, `preset = "rlpd"` there or `--preset rlpd` on the command line (or `--tmrl-config FILE`).
   Without a preset, a run keeps its own settings, which are in its checkpoints;
3. `settings.toml`;
4. the command line: `hitl train --set utd=4` for every setting of `[train]`; of `hitl play`, the options `--env`, `--track`,
   `--greedy-every`, `--gating` (takeover.mode), `--offer` (help.offer), `--coach` (coach.say), `--overlay` (overlay.show),
   `--agent` (agent.use), `--actions`, `--agent-normalize`, `--agent-stack`, `--agent-range`; of `hitl eval`, `--env`,
   `--track` and the agent's.

`hitl config show` prints the settings in force and where each value comes from. If a setting is wrong, a message names the file,
the setting and the values allowed; commands that do not need its table still work. To set nothing where that is allowed, write
`"none"`. Settings of earlier versions are ignored, and a message says so.

The shape of a run's networks is fixed. If `[train]` asks for another one, the trainer says so and keeps the networks that it has.
If `--set` asks for it, the trainer does not start.
"""
AFTER = {
    "train": "The groups are named after the papers; [training.md](training.md) explains how they work together.",
    "reward": "A value that is not set depends on the track. Each session is stored with the settings of its reward.",
    "observation": "An agent identifies what it sees by name. One that was trained with other settings is refused.",
}


def meanings(kind: type) -> dict[str, tuple[str, str]]:
    """Return (group, meaning) of each field: the comment behind it, or the text below it; the comment above a group names it."""
    found: dict[str, tuple[str, str]] = {}
    for part in kind.__mro__:
        if dataclasses.is_dataclass(part):
            found |= _meanings_in(textwrap.dedent(inspect.getsource(part)))
    return found


def _meanings_in(source: str) -> dict[str, tuple[str, str]]:
    """Return the same of one class, without what it inherits."""
    lines, body = source.splitlines(), ast.parse(source).body[0].body  # type: ignore[attr-defined]
    found: dict[str, tuple[str, str]] = {}
    for node, following in zip(body, [*body[1:], None], strict=True):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        behind = lines[node.end_lineno - 1][node.end_col_offset :].partition("#")[2].strip()
        text = following is not None and isinstance(following, ast.Expr) and ast.literal_eval(following.value)
        above = [line.strip()[2:] for line in lines[: node.lineno] if line.startswith("    # ")]
        found[node.target.id] = (above[-1] if above else "", behind or " ".join(str(text or "").split()))
    return found


def table(kind: type) -> Iterator[str]:
    """Yield the lines of a table of settings."""
    groups, said = "", meanings(kind)
    for number, field in enumerate(dataclasses.fields(kind)):
        group, meaning = said[field.name]
        assert meaning, f"{kind.__name__}.{field.name} does not say what it means"
        if group != groups or not number:
            groups = group
            yield from (["", f"### {group}", ""] if group else [""])
            yield from ("| setting | meaning | default | allowed |", "|---|---|---|---|")
        default = "" if field.default is dataclasses.MISSING else f"`{written(field.default)}`"
        cells = (f"`{field.name}`", meaning.replace("``", "`"), default, allowed(types(kind)[field.name]))
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def page() -> str:
    """Return the whole page."""
    lines = [HEAD]
    for name, kind in TABLES.items():
        doc = "What the trainer does." if kind is TrainConfig else str(kind.__doc__).partition("\n")[0]
        lines += [f"## [{name}]", "", doc, *([AFTER[name]] if name in AFTER else [])]
        if name == "train":
            lines += ["", f"Beside these, `preset`: one of {', '.join(PRESETS)}. The defaults are those of `hitl`."]
        lines += [*table(kind), ""]
    lines += [
        "## [controls]",
        "",
        "For `gym:ID`, one list for each environment: which control moves each action number. "
        f"A control is one of {', '.join(CONTROLS)}, with a minus in front if reversed.",
        "",
        "```toml",
        "[controls]",
        '"CarRacing-v3" = ["steer", "gas", "brake"]',
        "```",
        "",
        "## pads.toml",
        "",
        "`hitl pads` and `hitl settings` write this file, and the same checks apply to it. It holds the chosen pad (`[use]`,",
        "like `[pad]` above, which takes precedence), and the buttons and calibration of each device, a table for each of steer,",
        "gas and brake.",
        "See [pads.md](pads.md).",
        *table(Axis),
        "",
        "## overlay.toml",
        "",
        "The session's window and `hitl settings` write this file when you move, scale or switch off gauges. It holds settings",
        "of `[overlay]`: `scale`, `hidden` and `places`. What `settings.toml` says takes precedence, so what it names is changed",
        "there.",
        "",
        "## Settings of earlier versions",
        "",
        "In `settings.toml` and on the command line they are ignored, and a message says so. If a checkpoint has one with a",
        "value that is not in effect today, it is named.",
        "",
        "| setting | had no effect at | today |",
        "|---|---|---|",
        *(f"| `{name}` | `{written(usual)}` | {today} |" for name, (usual, today) in RETIRED.items()),
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
