"""The list of measurements, in the order in which they are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import resolve_name

from hitl.field_kit.site import FigureDict, Site


@dataclass(frozen=True)
class KitMeasurement:
    """``question``: what is done, before it is done. ``holds``: what the kit holds of it. ``where``: ``module:function``.

    ``needs``: other measurements, without which this one cannot be made.
    """

    name: str
    question: str
    holds: str
    where: str
    needs: tuple[str, ...] = ()

    def make(self, site: Site) -> FigureDict:
        """Make it. Raises whatever goes wrong."""
        measure: Callable[[Site], FigureDict] = resolve_name(f"hitl.field_kit.{self.where}")
        return measure(site)


MEASUREMENTS = (
    KitMeasurement(
        "machine",
        "I look at the machine: system, processor, memory, Python and packages, graphics card. Some seconds.",
        "versions of system, Python and packages; models of processor and graphics card; memory",
        "machine:measure",
    ),
    KitMeasurement(
        "clock",
        "I keep a rhythm of 20 ticks a second, ten seconds as other programs run and ten as a session does. Keep your hands off.",
        "how late ticks come here",
        "clock:measure",
    ),
    KitMeasurement(
        "pad",
        "I read your own pad for ten seconds: hands off for the first two, then move everything to its ends and press buttons. "
        "Plug it in now.",
        "the pad's model, its controls, where they rest, how far they go, how often they change",
        "pads:measure_own",
    ),
    KitMeasurement(
        "virtual_pad",
        "I plug in a virtual pad, look whether it can be heard, and unplug it. Some seconds.",
        "whether a virtual pad can be made and is heard",
        "pads:measure_virtual",
    ),
    KitMeasurement(
        "telemetry",
        "I listen to TrackMania for ten seconds. Be on a map, and drive a little with your own pad or keys: steer, gas, brake.",
        "what the plugin sends, how often, with what gaps, and the least and most of each number",
        "telemetry:measure",
    ),
    KitMeasurement(
        "steering",
        "I steer TrackMania's car with the virtual pad for ten seconds. Stand on a map, go back to the game and touch nothing.",
        "what the game makes of the stick, and how soon",
        "steering:measure",
        needs=("telemetry", "virtual_pad"),
    ),
    KitMeasurement(
        "their_pad",
        "I plug in a second virtual pad, as another program would that drives, and look whether the game obeys that one, too. "
        "Ten seconds. Stand on a map, if the game runs, and touch nothing.",
        "whether another program's pad is told from ours, how soon it is read, whether the game obeys it, and whether frames are "
        "passed on whole",
        "their_pad:measure",
        needs=("virtual_pad",),
    ),
    KitMeasurement(
        "overlay",
        "I show the overlay for eight seconds. Click into the game in the first three, to see whether it keeps the focus.",
        "how many pictures the overlay draws, and whether it takes the focus",
        "overlay:measure",
    ),
    KitMeasurement(
        "takeover",
        "I run a session of twenty seconds, into a store that is deleted. If you have a pad, hold and let go a shoulder button "
        "again and again.",
        "how many ticks a press needs to become an action, and how late ticks came meanwhile",
        "takeover:measure",
    ),
)
