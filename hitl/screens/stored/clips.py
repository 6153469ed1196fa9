"""Clips of what a store holds: a takeover, a drive, or the agent alone at one place before and after."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from data.errors import UsageError
from data.reading.segment_review import Detail, StoreReview
from data.records import Segment
from hitl.commands.selection import local_time
from hitl.home import Home
from takeover_ui.clips.clip import Clip, Outcome, Pane
from takeover_ui.clips.files import can_write, write
from takeover_ui.language import ENGLISH, Words

if TYPE_CHECKING:
    from data.reading.drives import Drive
    from data.records import Corner
    from takeover_ui.view import Scene

SECONDS, WIDTH = 20.0, 640  # of a clip, where nothing else is asked for; pixels
APPROACH_M, BEHIND_M = 45.0, 10.0  # m around a corner that are shown of a drive through it
_AT_ITS_END_M = 5.0  # a stretch that comes this near to its episode's farthest place ends where that ended


class ClipMaker:
    """Makes clips of one track. Raises UsageError where there is nothing to be seen of what is asked for."""

    def __init__(self, data: StoreReview, scene: Scene, words: Words, *, seconds: float = SECONDS, width: int = WIDTH) -> None:
        """``seconds``: of longer drives, the last so many are shown; ``width``: of the whole picture, in pixels."""
        self._data, self._scene, self._words = data, scene, words
        self._seconds, self._width = seconds, width

    def segment(self, segment: Segment) -> Clip:
        """Return the clip of a takeover, a lap, or what was kept."""
        return self._clip(self._of_segment(segment, self._data.detail(segment)))

    def film(self, folder: Path, segment: Segment) -> Iterator[str]:
        """Write a segment's clip into a folder while this is iterated over, as MP4 if possible; yields what to say."""
        suffix = ".mp4" if can_write(".mp4") else ".gif"
        path = folder / f"{segment.kind}-{segment.id}{suffix}"
        clip = self.segment(segment)
        for share in write(path, clip):
            yield self._words.say("clip_drawn", percent=100 * share)
        yield self._words.say("clip_there", path=f"{folder.name}/{path.name}", what=told(path, clip, self._words))

    def drive(self, episode: int, beside: int | None = None, corner: str | None = None) -> Clip:
        """Return the clip of a drive, or of two that begin together; ``corner``: only of what was driven there."""
        low, high = self._around(self._corner(corner)) if corner else (None, None)
        numbers = [episode] if beside is None else [episode, beside]
        drives = [self._data.episode(number, low, high) for number in numbers]
        panes = []
        for number, drive in zip(numbers, drives, strict=True):
            title = f"{self._words['clip_drive']} {number}, {local_time(drive.episode.started, short=True)}"
            panes.append(self._of_drive(title, drive, self._scene.corner(corner)))
        return self._clip(*panes)

    def before_after(self, segment: Segment) -> Clip:
        """Return the agent alone where a takeover was: as it drove then, and as its newest weights drive, side by side."""
        corner = self._scene.corner(segment.corner)
        if corner is None:
            raise UsageError(f"Segment {segment.id} belongs to no corner: choose one with --corner, or two drives with --beside.")
        taken = self._data.detail(segment).drive.episode.checkpoint_id
        before, after = self._data.before_and_now(*self._around(corner), taken)
        if before is None or after is None:
            raise UsageError(self._nothing_to_compare(corner, taken, then=before is None))
        named = (self._words["clip_before"], before), (self._words["clip_after"], after)
        return self._clip(*(self._of_drive(f"{corner.name}, {name}", drive, corner) for name, drive in named))

    def _nothing_to_compare(self, corner: Corner, taken: int | None, *, then: bool) -> str:
        """Return why the agent as it was at a takeover cannot be compared with today's, and what can be done about it.

        ``taken``: the checkpoint of that moment; ``then``: it is what is missing, else today's is.
        """
        store, place = self._data.store, f"the '{corner.name}' alone"
        newest, record = store.latest_checkpoint(), None if taken is None else store.checkpoint(taken)
        if newest is None:
            return (
                f"There are no two drives of the agent through {place} with different weights, so there is nothing to compare. "
                "This home has no checkpoint of its own that could drive there: `hitl train` makes one."
            )
        if then and record is None:
            return "At that takeover the agent had not learned anything yet, so there is nothing to compare: choose a later one."
        if then and record is not None:
            said = f"The agent has not driven {place} with the weights of that takeover, so there is nothing to compare."
            if (Home(store.path.parent).checkpoints / record.name).is_file():
                return f'{said} `hitl eval --checkpoint "{record.name}"` lets these weights drive alone.'
            return f"{said} These weights are no longer here: choose a later takeover."
        if taken in store.strange_checkpoints() or newest.id > (taken or 0):
            return (
                f"The agent has not driven {place} with newer weights than at that takeover, so there is nothing to compare. "
                "`hitl eval` lets it drive alone."
            )
        return (
            "There are no newer weights than those of that takeover, so there is nothing to compare. `hitl train` learns from "
            "it; after that, `hitl eval` lets the new ones drive alone."
        )

    def _clip(self, *panes: Pane) -> Clip:
        return Clip(panes, self._scene, self._words, self._width)

    def _of_segment(self, segment: Segment, detail: Detail) -> Pane:
        title = f"{segment.corner or self._words[f'clip_{segment.kind}']}, {local_time(segment.started, short=True)}"
        outcome: Outcome = "cleared" if segment.outcome == "cleared" else "failed" if segment.outcome == "failed" else ""
        detail = Detail(segment, self._shortened(detail.drive), detail.same, detail.latest)
        return Pane(title, detail, outcome, segment.trigger == "scripted")

    def _of_drive(self, title: str, drive: Drive, corner: Corner | None) -> Pane:
        drive = self._shortened(drive)
        episode = drive.episode
        outcome: Outcome = ""
        if corner is not None and drive.progress[-1] >= corner.to_m:
            outcome = "cleared"
        elif episode.failed and drive.progress[-1] > episode.farthest - _AT_ITS_END_M:
            outcome = "failed"
        first, last = int(drive.t[0]), int(drive.t[-1]) + 1
        sessions = self._data.store.sessions(episode.track)
        driver = next((s.driver for s in sessions if s.id == episode.session_id), "")
        # As the plan of the review wants it: no segment that the store holds, but the stretch that is shown.
        whole = Segment(
            0, episode.session_id, episode.id, "drive", "", corner.name if corner else None, first, last, 0, 0,
            (last - first) / episode.hz, 1.0, "unreviewed", "unclear", False, True, "", (), None, None, episode.started, "",
            episode.track, episode.hz, driver, episode.purpose, None, None,
        )  # fmt: skip
        return Pane(title, Detail(whole, drive, None, None), outcome)

    def _shortened(self, drive: Drive) -> Drive:
        known = drive[np.isfinite(drive.x) & np.isfinite(drive.y)]
        if len(known) < 2:
            raise UsageError(f"Of episode {drive.episode.id} no positions are known there, so there is nothing to be seen.")
        return known[known.t > known.t[-1] - max(2, round(self._seconds * drive.episode.hz))]

    def _corner(self, name: str) -> Corner:
        corner = self._scene.corner(name)
        if corner is None:
            known = ", ".join(c.name for c in self._scene.corners)
            raise UsageError(f"The track '{self._scene.track}' has no corner '{name}'; it has {known or 'none'}.")
        return corner

    @staticmethod
    def _around(corner: Corner) -> tuple[float, float]:
        return corner.from_m - APPROACH_M, corner.to_m + BEHIND_M


def told(path: Path, clip: Clip, words: Words = ENGLISH) -> str:
    """Return what there is to say of a clip that was written."""
    megabytes, (width, height) = path.stat().st_size / 1e6, clip.size
    size = f"{1000 * megabytes:.0f} kB" if megabytes < 0.1 else f"{megabytes:.1f} MB"
    return words.say("clip_is", seconds=clip.seconds, width=width, height=height, size=words.written(size))
