"""The store with plain verbs: what was driven, read as arrays, judged, brought in and carried out."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from data.errors import InputFileError, UsageError, shown
from data.exchange.exporters import EXPORTERS, WHOLE, Chosen
from data.extras import UNLESS_INSTALLED, code_of_others, imported
from data.files.new_output import new_output
from data.files.paths import FILE_SUFFIXES, STORE_NAME, private_folder, user_path
from data.files.validation import SettingPlace, known, types
from data.reading.standing import moved_until
from data.records import Segment
from data.store import Closed, Store
from data.suggest import did_you_mean
from data.words import number_of
from hitl.home import Home

if TYPE_CHECKING:
    from data.demos import DemoRule
    from data.exchange.merge import Summary


def store_file(path: str | Path | Store) -> Path:
    """Return the file of a store that is open, of a home folder, or the file itself, as an absolute path.

    What is there already is what it is; earlier versions took any name with a dot for a file's. Raises UsageError for what names
    no folder, as an empty text, and for ``~`` without a known home directory.
    """
    if isinstance(path, Store):
        return path.path
    if not isinstance(path, str | os.PathLike) or not os.fspath(path):
        raise UsageError(
            f"{shown(repr(path))} names no store: give a home folder ('.' is the one that you are in), a store's file or an open "
            "Store."
        )
    path = Path(os.path.abspath(user_path(path)))
    is_file = path.is_file() or (path.suffix.lower() in FILE_SUFFIXES and not path.is_dir())
    return path if is_file else path / STORE_NAME


def file_to_write(store: str | Path | Store) -> Path:
    """Return the file of a store that is to be written. Raises StoreError for an open one that is closed, or can only be read."""
    if isinstance(store, Store):
        store.check_writable()
    return store_file(store)


def make_room(file: Path) -> None:
    """Make the folder of a store that is to be written; a home is its owner's alone. Raises StoreError."""
    if file.name == STORE_NAME:
        Home(file.parent).create()
    elif not file.parent.exists():
        private_folder(file.parent)


@dataclass(frozen=True)
class Exported:
    """What was carried out."""

    episodes: int
    steps: int
    left_out: tuple[Segment, ...] = ()
    """Segments that were chosen and that the agent does not learn from."""


class TakeoverStore(Store):
    """The store as the commands open it; scripts have :class:`hitl.scripting.script_store.ScriptStore`.

    ``path`` is a home folder or the file itself (``.sqlite``, ``.sqlite3``, ``.db``); what is not there is made, unless
    ``create`` is False. Raises StoreError when it is damaged, newer than this program, or cannot be written.
    """

    def __init__(self, path: str | Path, *, create: bool = True, read_only: bool = False) -> None:
        file = store_file(path)
        if create and not read_only:
            make_room(file)
        super().__init__(file, create=create, read_only=read_only)

    def takeovers(
        self,
        corner: str | None = None,
        *,
        verdict: str | Sequence[str] | None = None,
        outcome: str | None = None,
        **filters: Any,
    ) -> list[Segment]:
        """Return the takeovers that meet every condition given, oldest first; further filters as in :meth:`segments`.

        ``verdict``: ``unreviewed``, ``good``, ``bad``, ``star`` or several of them. ``outcome``: ``cleared``, ``failed``,
        ``unclear``.
        """
        return self.segments(corner, verdict, "takeover", outcome=outcome, **filters)

    def laps(self, **filters: Any) -> list[Segment]:
        """Return the laps that a human drove from start to end, oldest first; filters as in :meth:`segments`."""
        return self.segments(kind="lap", **filters)

    def import_from(self, *paths: str | Path, kind: str | None = None, **options: Any) -> Summary:
        """Bring in player runs, Minari datasets or other stores, as `hitl import` does; nothing comes in twice.

        ``kind``: ``player-run``, ``minari``, ``trackmaniarl`` or ``store``; None: told by their content. ``options``: ``hz``,
        ``track``, ``track_name``, ``keep_rewards``, ``keep_observations``, ``consume``, ``layout_of``, ``driver``. Returns how
        many ``episodes``, ``steps`` and ``segments`` came in, ``present`` that were there already, and ``refused`` with reasons.
        Raises InputFileError for what cannot be imported at all, UsageError for an unknown kind or option.
        """
        from data.exchange.merge import Summary
        from data.exchange.relayout import rebuild_said
        from hitl.player_runs.importing import KINDS, Importer, ImportOptions, kind_of

        if kind is not None and kind not in KINDS:
            raise UsageError(f"There is no kind '{kind}': use one of {', '.join(KINDS)}.{did_you_mean(str(kind), KINDS)}")
        taken = SettingPlace(error=UsageError, noun="argument", in_python=True)
        given = {name: value for name, value in options.items() if known(name, types(ImportOptions), taken)}
        importer = Importer(self, Home(self.path.parent), ImportOptions(**given), say=lambda text: None)
        files, total = [store_file(p) if kind == "store" else Path(p).expanduser() for p in paths], Summary()
        kinds = [kind or kind_of(file) for file in files]  # before anything comes in
        rebuild_said(self)  # what is there already, and then what has come, has the layout of today
        for file, its_kind in zip(files, kinds, strict=True):
            total.add(importer.bring(file, its_kind))
        rebuild_said(self)
        return total

    def export_to(
        self,
        path: str | Path,
        form: str = "minari",
        *,
        episodes: bool = False,
        everything: bool = False,
        segments: Iterable[Segment] | None = None,
        geometry: str | Path | None = None,
        **filters: Any,
    ) -> Exported:
        """Carry segments out, trimmed, each as an episode of its own, as `hitl export` does.

        ``form``: ``minari``, ``player-run``, ``store``, ``parquet``, ``lerobot``, ``trackmaniarl``, or what an
        installed package adds.
        ``episodes``: whole drives (those with a chosen segment, where there are filters), as ``parquet`` and ``trackmaniarl``
        always have them. ``everything``: also what the agent
        does not learn from, and the ends of takeovers that failed. ``segments``: these instead of those that ``filters`` (as in
        :meth:`segments`) choose. ``geometry``: the map's geometry file, which demonstrations of ``trackmaniarl`` name. What is
        made is at ``path`` at the end, whole. Raises UsageError when there is nothing to export, something is at ``path``
        already, or the form is unknown, InputFileError where the geometry cannot be used.
        """
        if form not in EXPORTERS:
            meant = did_you_mean(form, EXPORTERS) or UNLESS_INSTALLED
            raise UsageError(f"There is no format '{form}': use one of {', '.join(EXPORTERS)}.{meant}")
        filtered = segments is not None or any(value is not None for value in filters.values())
        listed = self.segments(**filters) if segments is None else segments
        found = [s for s in listed if s.closed and s.stop > s.start]
        rule = self.rule()
        # Another home applies the rule itself, with its owner's settings: only what was judged bad stays behind.
        own = form == "store"
        chosen = found if everything else [s for s in found if (s.verdict != "bad" if own else rule.judge(s).counts)]
        whole = episodes or form in WHOLE
        drives = sorted({s.episode_id for s in chosen}) if filtered else None
        if whole:
            count = self.db["episodes"].count if drives is None else len(drives)
        else:
            count = len(chosen)
        if not count and found and not chosen:
            raise UsageError(
                f"The agent does not learn from any of these ({rule.reasons(found)}). Use --all to export them anyway "
                "(everything=True in a script)."
            )
        if not count:
            raise UsageError("Nothing to export. `hitl segments` with the same filters shows what there is.")
        if whole and own and filtered:
            raise UsageError("A store is exported by segments: omit --episodes or the filters.")
        ids = None if whole else [s.id for s in chosen]
        shown = {} if everything or ids is None else self._shown(rule, chosen)
        export = Chosen(self, ids, drives, _facts_of(geometry), shown)
        write = imported(f"The format '{form}'", EXPORTERS[form].write)
        with new_output(Path(path).expanduser()) as place, code_of_others(EXPORTERS, "format", form, EXPORTERS[form].write):
            write(place, export)
        kept = {s.id for s in chosen}
        left = () if ids is None and drives is None else tuple(s for s in found if s.id not in kept)
        return Exported(export.count, export.steps, left)

    def _shown(self, rule: DemoRule, segments: Sequence[Segment]) -> dict[int, tuple[int, int]]:
        """Return by segment the steps of its episode that the agent is shown."""
        moved = {episode: moved_until(self.conn, episode) for episode in {s.episode_id for s in segments}}
        return {s.id: rule.shown_steps(s, moved[s.episode_id]) for s in segments}

    def __repr__(self) -> str:
        held = "closed" if isinstance(self.conn, Closed) else number_of(self.count_steps(), "step")
        return f"Store('{self.path}', {held})"


def _facts_of(geometry: str | Path | None) -> tuple[str, str]:
    """Return (map uid, SHA-256) of a geometry file, ("", "") for none. Raises InputFileError where it cannot be used."""
    if geometry is None:
        return "", ""
    from data.exchange.checks import EpisodeRefusedError
    from data.exchange.trackmaniarl.reading import geometry_facts

    path = user_path(geometry)
    try:
        return geometry_facts(path)
    except EpisodeRefusedError as error:
        raise InputFileError(f"The geometry '{path.name}' cannot be used: {error}.") from error
