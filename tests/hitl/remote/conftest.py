import pytest

from hitl.home import Home
from hitl.remote.receive import Inbox


@pytest.fixture
def worker(tmp_path):
    return Home(tmp_path / "worker").create()


@pytest.fixture
def inbox(tmp_path):
    inbox = Inbox(Home(tmp_path / "trainer").create())
    yield inbox
    inbox.close()
