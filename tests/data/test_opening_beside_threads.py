"""What a store's first opening loads in a program that has threads already, as a trainer and a session have."""

import subprocess
import sys

from tests.support.places import ROOT


def test_it_is_opened_without_pandas_beside_a_thread_that_loads_it():
    code = (
        "import sqlite3, sys, threading; from data.schema import _NoPandas, database;"
        "rest = threading.Event(); threading.Thread(target=rest.wait, daemon=True).start();"
        "database(sqlite3.connect(':memory:')); print('pandas' in sys.modules, any(type(f) is _NoPandas for f in sys.meta_path));"
        "hidden = _NoPandas(); found = [];"
        "other = threading.Thread(target=lambda: found.append(hidden.find_spec('pandas')));"
        "other.start(); other.join(); print(found)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, cwd=ROOT)
    assert done.stdout.split("\n")[:2] == ["False False", "[None]"], done.stderr
