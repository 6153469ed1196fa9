"""`hitl play --record`: a session is followed while it is driven, and what a reviewer needs of it is written when it is over."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from data.errors import HitlError, UsageError
from data.records import AGENT
from hitl.home import Home
from hitl.processes import apart, command, environment, interruptible
from hitl.protocols import Tick

if TYPE_CHECKING:
    from data.records import Segment
    from hitl.session.setup import SessionSetup

NEAR_S = 2.0  # s between a takeover that was seen and the one that the store holds of it
CLOSE_S = 20.0  # s that the last pictures may take


class KeptPictures:
    """Has the game's own pictures around takeovers kept, by a process of its own at the lowest priority.

    ``note`` is called in each tick; it writes a few bytes into a pipe where the wheel changes hands, and nothing else.
    """

    def __init__(self, picture: Path, folder: Path) -> None:
        self._folder = folder
        self._process = subprocess.Popen(
            command("takeover_ui.clips.capture", str(picture), str(folder)),
            stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, bufsize=0, env=environment(), **apart(),
        )  # fmt: skip
        self._input: IO[bytes] | None = self._process.stdin
        self._begun: list[datetime] = []
        self._runs = False

    def note(self, tick: Tick) -> None:
        """Look who has the wheel in this tick."""
        event = tick.decision.event
        if event == "takeover":
            self._begun.append(datetime.now(UTC))
            self._runs = True
            self._say("T")
        elif self._runs and (event is not None or tick.decision.driver == AGENT):
            self._runs = False
            self._say("E")

    def _say(self, letter: str) -> None:
        if self._input is not None:
            try:
                self._input.write(f"{letter} {len(self._begun)}\n".encode())
            except OSError:  # it is gone: there are no more pictures
                self._input = None

    def by_segment(self, segments: Sequence[Segment]) -> dict[int, Path]:
        """Return the folder of each takeover's pictures, by its number in the store."""
        found = {}
        for segment in segments:
            began = datetime.fromisoformat(segment.started)
            near = {abs((at - began).total_seconds()): k for k, at in enumerate(self._begun, 1)}
            if near and min(near) <= NEAR_S:
                found[segment.id] = self._folder / str(near[min(near)])
        return found

    def close(self) -> None:
        """Let the last pictures be kept, and end it."""
        with contextlib.suppress(OSError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        try:
            self._process.wait(CLOSE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Recording:
    """What is kept of one session. ``over``: the command line's settings, by section."""

    def __init__(self, home: Home, into: Path | None, over: Mapping[str, Mapping[str, Any]]) -> None:
        """Raises HitlError where a setting cannot be told, or nothing can be written into that folder."""
        from hitl.screens.stored.session_files import FOLDER, SETTINGS
        from hitl.settings import load

        self._home, self._into = home, into or home.root / FOLDER
        there = next((path for path in (self._into, *self._into.absolute().parents) if path.exists()), self._into)
        if not there.is_dir() or not os.access(there, os.W_OK):
            raise UsageError(f"Nothing can be written into the folder '{self._into.name}': name another with --record.")
        self._settings = load(home, *SETTINGS, over=over)
        self._pictures: KeptPictures | None = None
        self._temporary: Path | None = None
        self._session: int | None = None

    @contextlib.contextmanager
    def following(self, rig: SessionSetup) -> Iterator[None]:
        """Follow a session until the block is left."""
        if rig.world.picture is not None:
            self._temporary = Path(tempfile.mkdtemp(prefix="hitl-pictures-"))
            kept, watch = KeptPictures(rig.world.picture, self._temporary), rig.session.watch
            self._pictures = kept

            def watched(tick: Tick) -> None:
                watch(tick)
                kept.note(tick)

            rig.session.watch = watched
        try:
            yield
        finally:
            rig.written()
            self._session = rig.recorder.session_id
            if self._pictures is not None:
                self._pictures.close()

    @staticmethod
    def unfilmed(rig: SessionSetup) -> str:
        """Return a sentence where nothing of a session can be filmed; else ""."""
        from hitl.screens.stored.session_files import NO_FILMS

        return "" if rig.world.has_line or rig.world.picture is not None else f"{NO_FILMS} --record keeps session.json alone."

    def left(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Leave a session; one that ends with an error is kept before that is told."""
        if isinstance(error, HitlError) and self._session is not None:
            try:
                print(self.write(), flush=True)
            except HitlError as other:
                print(other, flush=True)
        elif error is not None:
            self._forget_pictures()

    def write(self) -> str:
        """Write it, now that nothing is driven any more; return a sentence. Raises HitlError where that cannot be."""
        from hitl.screens.stored.session_files import NOTHING, SessionFiles
        from hitl.settings import language_of
        from takeover_ui.report.texts import LANGUAGES as OF_REPORTS
        from takeover_ui.review.texts import LANGUAGES

        try:
            if self._session is None:
                return NOTHING
            language = language_of(self._home)
            files = SessionFiles(
                self._home, self._session, self._into, settings=self._settings, words=(LANGUAGES[language], OF_REPORTS[language]),
                pictures=self._pictures.by_segment if self._pictures is not None else lambda segments: {},
                say=lambda line: print(line, flush=True),
            )  # fmt: skip
            with interruptible():
                return files.write()
        finally:
            self._forget_pictures()

    def _forget_pictures(self) -> None:
        if self._temporary is not None:
            shutil.rmtree(self._temporary, ignore_errors=True)
