"""The agent's side of a session: a policy is asked for no more than it can do, and told of what it can use."""

import numpy as np

from hitl.drivers.agent_side import AgentSide
from hitl.drivers.human import NoHuman, scripted_human
from hitl.drivers.scripted import HelpRule
from hitl.home import Home
from hitl.session.setup import SessionSetup
from hitl.session_options import SessionOptions

GAS = np.array([0.6, 0.0], np.float32)


class Plain:
    """It drives straight on, and can do nothing else."""

    checkpoint_id = 7

    def act(self, observation, deterministic):
        return GAS

    def begin_episode(self):
        pass


class Able(Plain):
    """It is told of everything, and notes it."""

    def __init__(self):
        self.told, self.notices, self.is_there = [], [], 3

    def at(self, progress):
        self.told.append(("at", progress))

    def now(self):
        self.notices.append("Read.")
        return -GAS

    def ready(self):
        self.is_there -= 1
        return self.is_there == 0

    def asks_restart(self):
        return True

    def stepped(self, executed):
        self.told.append(("stepped", executed.tolist()))

    def drive_begins(self, deterministic):
        self.told.append(("begins", deterministic))

    def drive_ended(self, share):
        self.told.append(("ended", share))


def test_a_plain_policy_is_asked_for_actions_alone():
    side = AgentSide(Plain(), lambda notices: None)
    side.begin_episode()
    assert side.there(lambda seconds: False)
    assert side.act(np.zeros(3, np.float32), True, 4.0) is GAS
    assert side.read_late() is None
    assert not side.asks_restart()
    for nothing in (lambda: side.stepped(GAS), lambda: side.drive_begins(True), lambda: side.drive_ended(1.0)):
        nothing()
    assert side.checkpoint_id == 7


def test_one_that_can_do_more_is_told_of_it():
    said, waited = [], []
    policy = Able()
    side = AgentSide(policy, lambda notices: said.extend(notices))
    assert side.there(lambda seconds: waited.append(seconds) or True)
    assert len(waited) == 2
    side.act(np.zeros(3, np.float32), True, 4.0)
    assert side.read_late().tolist() == (-GAS).tolist()
    assert (said, policy.notices) == (["Read."], [])
    assert side.asks_restart()
    side.stepped(GAS)
    policy.notices.append("Beyond.")
    side.stepped(GAS)
    assert said == ["Read.", "Beyond."], "what it notices in a step is said at once"
    policy.told.pop()
    side.drive_begins(True)
    side.drive_ended(0.5)
    assert policy.told == [("at", 4.0), ("stepped", GAS.tolist()), ("begins", True), ("ended", 0.5)]
    policy.is_there = 9
    assert not side.there(lambda seconds: False), "the player has left"


class Holds(Plain):
    """It chooses its weights by how far its drives come."""

    def __init__(self):
        self.told = []

    def drive_begins(self, deterministic):
        self.told.append(("begins", deterministic))

    def drive_ended(self, share):
        self.told.append(("ended", share))


def test_a_session_tells_how_far_a_drive_came_alone(tmp_path):
    policy = Holds()
    with SessionSetup(Home(tmp_path), SessionOptions()) as rig:
        rig.session.policy = policy
        rig.session.human = scripted_human(rig.track, "expert", HelpRule(), hz=20.0)
        helped = rig.session.episode(seed=1, deterministic=True)
        rig.session.human = NoHuman()
        alone = rig.session.episode(seed=1, deterministic=True)
        length = rig.track.line.length
    assert helped.takeovers >= 1
    assert [word for word, _ in policy.told] == ["begins", "begins", "ended"]
    assert policy.told[2][1] == alone.progress / length
