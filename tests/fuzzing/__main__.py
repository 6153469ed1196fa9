"""Each reader of foreign data with thousands of broken inputs: accepted and right, or refused in one sentence, and nothing else.

python -m tests.fuzzing [--inputs N] [--reader NAME]... [--seed S] [--json FILE]
python -m tests.fuzzing --reader NAME --only I      # one input again, with what came of it
"""

from __future__ import annotations

import os
import pickle
import select
import signal
import struct
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.common import parser, print_table, write_report
from tests.fuzzing.harness import Outcome, Reader, limit_memory, run
from tests.fuzzing.readers import READERS

FAULTS = ("traceback", "wrong", "hang", "memory", "code", "sentence", "crash")


def input_of(reader: Reader, seed: int, index: int) -> bytes:
    """Return input ``index`` of a reader, the same each time."""
    return reader.make(Random(f"{reader.name} {seed} {index}"))


def _some(reader: Reader, seed: int, first: int, stop: int, out: Any) -> None:
    """Run inputs ``first`` to ``stop`` and write what came of each."""
    with tempfile.TemporaryDirectory() as name:
        (folder := Path(name) / "warm").mkdir()
        reader.use(reader.sound(), folder)  # what is imported late is imported now
        _empty(folder)
        outcome = run(reader, reader.sound(), folder)
        if outcome.kind != "accepted":
            raise RuntimeError(f"{reader.name}: a sound input is not accepted: {outcome.kind} {outcome.text}")
        limit_memory()
        for index in range(first, stop):
            (folder := Path(name) / "one").mkdir(exist_ok=True)
            raw = pickle.dumps(run(reader, input_of(reader, seed, index), folder))
            out.write(struct.pack("<I", len(raw)) + raw)
            out.flush()
            _empty(folder)


def _empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()


def _exactly(pipe: Any, size: int) -> bytes:
    raw = b""
    while len(raw) < size and (piece := pipe.read(size - len(raw))):
        raw += piece
    return raw


def outcomes(reader: Reader, seed: int, count: int, block: int = 1000) -> list[Outcome]:
    """Return what came of each input; they run in child processes, so that one that takes its process down is seen."""
    found: list[Outcome] = []
    while len(found) < count:
        stop = min(count, len(found) + block)
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            status = 1
            try:
                os.close(reading)
                with os.fdopen(writing, "wb") as out:
                    _some(reader, seed, len(found), stop, out)
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        os.close(writing)
        with os.fdopen(reading, "rb", buffering=0) as into:
            while True:
                if not select.select([into], [], [], 60 if len(found) % block == 0 else 12)[0]:
                    os.kill(child, signal.SIGKILL)  # our own child, which hangs where no signal handler runs
                head = into.read(4)
                if not head:
                    break
                found.append(pickle.loads(_exactly(into, struct.unpack("<I", head)[0])))
        _, status = os.waitpid(child, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            found.append(Outcome("hang", 12.0, text="killed"))
        elif os.WIFSIGNALED(status):
            found.append(Outcome("crash", text=f"signal {os.WTERMSIG(status)}"))
        elif status:
            raise SystemExit(f"{reader.name}: stopped at input {len(found)}")
    return found


def main() -> int:
    """Run the readers, print and write the table; the status is 1 when there are faults."""
    line = parser("Broken inputs for each reader of foreign data.")
    names = [reader.name for reader in READERS]
    line.add_argument("--inputs", type=int, default=10_000, metavar="N", help="for each reader (default: 10000)")
    line.add_argument("--reader", action="append", choices=names, metavar="NAME", help=", ".join(names))
    line.add_argument("--seed", type=int, default=0)
    line.add_argument("--only", type=int, metavar="I", help="this one input")
    line.add_argument("--show", type=int, default=8, help="faults shown of each reader")
    args = line.parse_args()
    chosen = [reader for reader in READERS if not args.reader or reader.name in args.reader]
    if args.only is not None:
        data = input_of(chosen[0], args.seed, args.only)
        print(data[:2000])
        with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as other:
            chosen[0].use(chosen[0].sound(), Path(other))
            print(run(chosen[0], data, Path(name)))
            _empty(Path(name))
            chosen[0].use(data, Path(name))
        return 0
    rows, figures = [], {}
    for reader in chosen:
        found = outcomes(reader, args.seed, args.inputs)
        counts = Counter(outcome.kind for outcome in found)
        faults = sum(counts[kind] for kind in FAULTS)
        slowest, most = max(o.seconds for o in found), max(o.bytes for o in found) / 2**20
        rows.append(
            [
                reader.name, len(found), counts["accepted"], counts["refused"], counts["traceback"],
                faults - counts["traceback"], f"{slowest * 1000:.0f} ms", f"{most:.0f} MiB",
            ]
        )  # fmt: skip
        figures[reader.name] = {
            "inputs": len(found), "accepted": counts["accepted"], "refused": counts["refused"],
            **{kind: counts[kind] for kind in FAULTS}, "slowest_s": round(slowest, 3), "peak_mib": round(most, 1),
            "median_s": sorted(o.seconds for o in found)[len(found) // 2],
        }  # fmt: skip
        told: set[str] = set()
        for index, outcome in enumerate(found):
            if (
                outcome.kind in FAULTS
                and (key := outcome.kind + outcome.text[-60:]) not in told
                and len(told) < args.show
            ):
                told.add(key)
                print(f"  {reader.name} {index}: {outcome.kind}: {outcome.text}", flush=True)
    title = "Broken inputs"
    print_table(
        title, ["reader", "inputs", "accepted", "refused", "tracebacks", "other faults", "slowest", "peak memory"], rows
    )
    write_report(args.json, figures, [args.seed])
    return 1 if any(figures[name][kind] for name in figures for kind in FAULTS) else 0


if __name__ == "__main__":
    sys.exit(main())
