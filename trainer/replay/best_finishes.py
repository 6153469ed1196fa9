"""Which of the agent's own drives are worth holding on to: its best finishes without help, track by track."""

from __future__ import annotations

from collections.abc import Iterator


class BestFinishes:
    """The ``count`` episodes with the highest returns on each track, whatever the order in which they are offered."""

    def __init__(self, count: int) -> None:
        self.count = count
        self._tracks: dict[str, list[tuple[float, int]]] = {}

    def offer(self, id_: int, total: float, track: str) -> None:
        """Take up an episode with the return ``total`` if it is among the best; the worst gives way, the later one of equals."""
        best = self._tracks.setdefault(track, [])
        if all(known != id_ for _, known in best):
            best.append((total, id_))
            best.sort(key=lambda one: (-one[0], one[1]))
            del best[self.count :]

    def __iter__(self) -> Iterator[int]:
        return (id_ for best in self._tracks.values() for _, id_ in best)

    def __contains__(self, id_: object) -> bool:
        return any(known == id_ for known in self)
