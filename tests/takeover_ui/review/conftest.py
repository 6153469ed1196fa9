import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from data.reading.segment_review import StoreReview
from data.store import Store
from takeover_ui.review.model import ReviewModel
from tests.support import sample_stores as stores


@pytest.fixture(scope="session")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("filled") / "store.sqlite"
    stores.fill(path, takeovers=5)
    return path


@pytest.fixture
def store(filled: Path, tmp_path: Path) -> Iterator[Store]:
    """A copy of the filled store: 5 takeovers and 2 laps."""
    path = tmp_path / "store.sqlite"
    source, target = sqlite3.connect(filled), sqlite3.connect(path)
    source.backup(target)
    source.close()
    target.close()
    with Store(path) as opened:
        yield opened


@pytest.fixture
def model(store: Store) -> ReviewModel:
    return ReviewModel(StoreReview(store, "default"))
