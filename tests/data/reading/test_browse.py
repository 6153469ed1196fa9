"""The real Datasette serves the store over HTTP, and cannot write to it."""

import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request

import numpy as np
import pytest

from data.connect import now
from data.reading.browse import QUERIES
from data.recording.recorder import Recorder
from data.store import Store
from tests.support.places import ROOT
from tests.support.recorded import drive, session_info, step_row

pytest.importorskip("datasette")


def a_moment_later():
    """Return when the store's clock has moved on: drives here take microseconds, and its times are milliseconds."""
    before = now()
    while now() == before:
        pass


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    path = home / "store.sqlite"

    def evaluate(recorder, far):
        recorder.begin_episode("evaluation")
        for i in range(far):
            recorder.step(step_row(i))
        recorder.end_episode("terminated", "off_road" if far < 20 else "finish", np.zeros(4))

    with Recorder(path, session_info()) as recorder:
        recorder.flush()
        with Store(path) as store:
            store.upsert_corner("hairpin", "hairpin", 5.0, 10.0, "track")
        for _ in range(3):
            evaluate(recorder, 8)
        recorder.flush()
        a_moment_later()
        drive(recorder, 30)
        drive(recorder, 30, (5, 15))
        recorder.flush()
        a_moment_later()
        for far in (8, 30, 30):
            evaluate(recorder, far)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "hitl", "browse", "--home", str(home)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    )
    said = process.stdout.readline()
    address = re.search(r"http://\S+", said)[0] + "store"
    assert address.startswith("http://127.0.0.1:")
    for _ in range(200):
        try:
            urllib.request.urlopen(address + ".json", timeout=1).read()
            break
        except (urllib.error.URLError, ConnectionError):
            assert process.poll() is None
            import time

            time.sleep(0.05)
    yield address
    process.send_signal(signal.SIGINT if os.name != "nt" else signal.SIGTERM)
    process.wait(10)
    process.stdout.close()


def get(address, **query):
    with urllib.request.urlopen(f"{address}?{urllib.parse.urlencode(query)}", timeout=10) as answer:
        return answer.read().decode()


def rows(site, name, **query):
    return json.loads(get(f"{site}/{name}.json", _shape="array", **query))


def test_every_question_has_an_answer(site):
    page = get(site)
    for name, query in QUERIES.items():
        assert query["title"] in page
        assert isinstance(rows(site, name, **({"id": "1"} if ":id" in query["sql"] else {})), list)


def test_what_a_player_asks(site):
    (week,) = rows(site, "takeovers_by_corner_and_week")
    assert (week["corner"], week["takeovers"], week["seconds"], week["cleared"]) == ("hairpin", 2, 0.7, 2)
    (corner,) = rows(site, "passes_before_and_after")
    assert (corner["tries_before"], corner["passes_before"], corner["tries_after"], corner["passes_after"]) == (
        3,
        0,
        3,
        2,
    )
    (day,) = rows(site, "seconds_of_help_by_day")
    assert (day["takeovers"], day["seconds"]) == (2, 0.7)
    steps = rows(site, "steps_of_a_takeover", id="1")
    assert [s["driver"] for s in steps] == ["human"] * 4
    assert steps[0]["executed"] == "[5.25, 5.25]"


def test_readable_tables(site):
    assert "What the game received" in get(f"{site}/steps")
    drives = rows(site, "drives")
    assert drives[0]["farthest_m"] == 7.0
    assert {"purpose", "seconds", "checkpoint"} <= drives[0].keys()


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM segments", "INSERT INTO tags VALUES (1, 'x')", "UPDATE segments SET note = 'x'", "DROP TABLE steps",
        "PRAGMA query_only = OFF", "PRAGMA writable_schema = ON", "ATTACH '/tmp/other.sqlite' AS other",
        "VACUUM INTO '/tmp/copy.sqlite'",
        "WITH a AS (SELECT 1) DELETE FROM segments", "SELECT load_extension('x')", "SELECT writefile('/tmp/x', 'x')",
    ],
)  # fmt: skip
def test_nothing_can_be_written(site, sql):
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(f"{site}.json", sql=sql)
    assert refused.value.code == 400
    assert len(rows(site, "takeovers")) == 2


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT file FROM pragma_database_list", "SELECT * FROM PRAGMA_DATABASE_LIST()",
        "SELECT * FROM main.pragma_database_list",
        "SELECT hex(zeroblob(1000000000))", "SELECT replace(hex(zeroblob(8000000)), '0', hex(zeroblob(1000000)))",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT zeroblob(8000000) FROM n LIMIT 500",
    ],
)  # fmt: skip
@pytest.mark.parametrize("shape", ["array", ""])
def test_no_path_is_told_and_no_answer_takes_all_memory(site, sql, shape):
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(f"{site}.json", sql=sql, **({"_shape": shape} if shape else {}))
    assert refused.value.code == 400
    assert "store.sqlite" not in refused.value.read().decode()


def test_what_sqlite_tells_of_the_tables_can_be_asked(site):
    assert json.loads(get(f"{site}.json", sql="SELECT name FROM pragma_table_info('tags')", _shape="array"))
    assert "steps" in get(site)
