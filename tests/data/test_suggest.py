import pytest

from data.suggest import did_you_mean, nearest


@pytest.mark.parametrize(
    ("name", "known", "meant"),
    [
        ("--practise", ["--practice", "--pad", "--lead"], "--practice"),
        ("--overlay-off", ["--overlay", "--offer"], "--overlay"),
        ("harpin", ["hairpin", "ess"], "hairpin"),
        ("HAIRPIN", ["hairpin", "ess"], "hairpin"),
        ("hair", ["hairpin", "ess"], "hairpin"),
        ("pin", ["hairpin", "ess"], "hairpin"),
        ("learnalpha", ["learn_alpha", "alpha"], "learn_alpha"),
        ("stauts", ["run", "status", "stop"], "status"),
        ("Corner 1", ["corner 1", "corner 2"], "corner 1"),
    ],
)
def test_what_was_probably_meant(name, known, meant):
    assert nearest(name, known) == meant
    assert did_you_mean(name, known) == f" Did you mean '{meant}'?"


@pytest.mark.parametrize("name", ["", "zzz", "x" * 10_000, "--"])
def test_nothing_is_made_up(name):
    assert did_you_mean(name, ["hairpin", "ess"]) == ""


def test_what_all_options_share_makes_none_of_them_alike():
    assert nearest("--no-train", ["--agent-range", "--headless"]) is None
    assert nearest("-seed", ["--agent-range", "--seed"]) == "--seed"
