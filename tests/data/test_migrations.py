"""A store of every earlier version, with data in it, becomes one of today; nothing that was in it changes."""

import contextlib
import sqlite3
from pathlib import Path

import pytest

from data import connect as connecting
from data.connect import open_store, version_of
from data.errors import StoreError
from data.reading.follow import Follower
from data.recording.recorder import Recorder
from data.schema import MIGRATIONS, Migration, database
from data.store import Store
from tests.support.recorded import drive, session_info

STORES = Path(__file__).parent / "stores"


def tables(conn):
    names = [name for (name,) in conn.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
    return {name: conn.execute(f"SELECT * FROM {name} ORDER BY 1, 2").fetchall() for name in names}


@pytest.mark.parametrize("version", range(1, len(MIGRATIONS)))
def test_from_every_earlier_version(path, version):
    conn = sqlite3.connect(path)
    conn.executescript((STORES / f"v{version}.sql").read_text())
    conn.execute("PRAGMA journal_mode = WAL")
    before = tables(conn)
    assert version_of(conn) == version
    conn.close()
    with Store(path) as store:
        assert version_of(store.conn) == len(MIGRATIONS)
        after = tables(store.conn)
        for name, rows in before.items():
            assert [row[: len(rows[0])] for row in after[name]] == rows if rows else True
        assert store.check() == []
        assert len(store.segments()) == 2
    new = Follower(path).poll()
    assert (len(new), int(new.driver.sum())) == (50, 10)
    with Recorder(path, session_info()) as recorder:
        drive(recorder)
    with Store(path) as store:
        assert len(store.segments()) == 3


def test_there_is_a_store_of_every_earlier_version():
    assert sorted(p.stem for p in STORES.glob("v*.sql")) == sorted(f"v{n}" for n in range(1, len(MIGRATIONS)))


def filled(path):
    with Recorder(path, session_info()) as recorder:
        drive(recorder)


def test_a_copy_is_kept_before_data_changes(path):
    filled(path)
    newer = (
        *MIGRATIONS,
        Migration(lambda db: db.execute("UPDATE steps SET reward = reward * 2") and None, changes_data=True),
    )
    conn = open_store(path, migrations=newer)
    assert conn.execute("SELECT max(reward) FROM steps").fetchone() == (19.0,)
    conn.close()
    copy = path.with_name(f"store.sqlite.v{len(MIGRATIONS)}-copy")
    with Store(copy) as kept:
        assert kept.conn.execute("SELECT max(reward) FROM steps").fetchone() == (9.5,)
    with pytest.raises(StoreError, match="newer version"):
        Store(path)


def test_a_migration_that_fails_changes_nothing(path):
    filled(path)
    before = list(sqlite3.connect(path).iterdump())

    def broken(db):
        db.execute("UPDATE steps SET reward = 0")
        db["more"].create({"id": int})
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        open_store(path, migrations=(*MIGRATIONS, Migration(broken, changes_data=True)))
    assert list(sqlite3.connect(path).iterdump()) == before
    with Store(path) as store:
        assert version_of(store.conn) == len(MIGRATIONS)


def test_two_that_open_a_new_store_at_once_make_it_once(path):
    import threading

    problems = []

    def opening():
        try:
            for _ in range(3):
                Store(path).close()
        except Exception as error:  # whatever it is, it is shown below
            problems.append(error)

    for _ in range(5):
        threads = [threading.Thread(target=opening) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert problems == []
        for file in path.parent.glob("store.sqlite*"):
            file.unlink()


def test_a_store_of_an_older_version_can_be_merged_and_stays_as_it_is(path, tmp_path):
    from data.exchange.merge import merge

    old = tmp_path / "old.sqlite"
    conn = sqlite3.connect(old)
    conn.executescript((STORES / "v1.sql").read_text())
    conn.close()
    content = old.read_bytes()
    with Store(path) as store:
        assert merge(store.conn, path, old).steps == 50
    assert old.read_bytes() == content
    assert connecting.header_version(old) == 1


def schema_and_rows(conn):
    header = [conn.execute(f"PRAGMA {name}").fetchone() for name in ("user_version", "application_id")]
    return header, conn.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY rowid").fetchall(), tables(conn)


@pytest.mark.parametrize("with_rows", [False, True])
def test_a_new_store_is_what_the_migrations_make_one_after_the_other(path, with_rows):
    rows = Migration(lambda db: db.execute("INSERT INTO corners (track, name, from_m, to_m, source) VALUES ('a', 'b', 1, 2, '')"))
    migrations = (*MIGRATIONS, rows) if with_rows else MIGRATIONS
    by_one = sqlite3.connect(":memory:", isolation_level=None)
    for migration in migrations:
        migration.apply(database(by_one))
    by_one.execute(f"PRAGMA user_version = {len(migrations)}")
    with contextlib.closing(open_store(path, migrations=migrations)) as conn:
        assert schema_and_rows(conn) == schema_and_rows(by_one)
    by_one.close()


def test_a_new_store_that_cannot_be_made_whole_stays_empty(path):
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE events (mine)")  # of another program that counts no versions
    other.close()
    with pytest.raises(sqlite3.OperationalError, match="events"):
        open_store(path)
    other = sqlite3.connect(path)
    assert other.execute("SELECT name FROM sqlite_master").fetchall() == [("events",)]
    other.close()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("CREATE TRIGGER mine AFTER INSERT ON steps BEGIN DELETE FROM tags; END", "the trigger 'mine'"),
        ("DROP TRIGGER episodes_added", "'episodes_added' is missing"),
        ("DROP TABLE tags", "'tags' is not there"),
        ("ALTER TABLE segments RENAME COLUMN note TO notes", "'segments' is not there or not whole"),
        ("CREATE TABLE mine (a); CREATE VIEW ours AS SELECT 1; CREATE INDEX theirs ON steps (t)", ""),
    ],
)
def test_a_store_is_refused_for_what_it_lacks_and_for_foreign_triggers_alone(path, change, said):
    filled(path)
    with contextlib.closing(sqlite3.connect(path)) as conn:
        conn.executescript(change)
    if said:
        with pytest.raises(StoreError, match=said):
            Store(path)
    else:
        with Store(path) as store:
            assert store.check() == []
