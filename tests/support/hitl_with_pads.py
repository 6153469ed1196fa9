"""hitl as a process that sees pads of other processes: ``python -m tests.support.hitl_with_pads PORT:NAME... -- play ...``"""

from __future__ import annotations

import sys

from hitl.pads.devices import Devices
from tests.support.pad_line import PadIn


def _main() -> int:
    cut = sys.argv.index("--")
    pads = [PadIn(int(port), name) for port, _, name in (text.partition(":") for text in sys.argv[1:cut])]
    poll, busy = Devices.poll, [False]

    def looked(self: Devices) -> None:
        if not busy[0]:  # plugging in polls as well
            busy[0] = True
            try:
                for pad in pads:
                    pad.look()
            finally:
                busy[0] = False
        poll(self)

    Devices.poll = looked  # type: ignore[method-assign]
    from hitl.cli import main

    return main(sys.argv[cut + 1 :])


if __name__ == "__main__":
    sys.exit(_main())
