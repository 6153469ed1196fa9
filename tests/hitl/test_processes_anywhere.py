"""`python -m hitl` and every child work wherever one stands, and print to any file."""

import argparse
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from data.recording.recorder import Recorder
from hitl.cli import main
from hitl.commands import train
from hitl.home import Home
from hitl.processes import ROOT, command, environment
from tests.support.recorded import drive, session_info

pytestmark = pytest.mark.realtime  # other programs are waited for

SHADOWED = "raise SystemExit('shadowed: ' + __name__)\n"
NAMES = ("data", "trainer", "takeover_ui")


@pytest.fixture(params=["files", "folders", "packages"])
def standing(request, tmp_path, monkeypatch):
    """A folder of the user's, one stands in it, that holds names of ours and of Python's."""
    here = tmp_path / "here"
    for name in NAMES:
        (here / name).mkdir(parents=True)
        if request.param == "files":
            (here / name).rmdir()
            (here / f"{name}.py").write_text(SHADOWED)
        elif request.param == "packages":
            (here / name / "__init__.py").write_text(SHADOWED)
        else:
            for module in ("store.py", "config.py", "laps.csv"):
                (here / name / module).write_text(SHADOWED)
    if request.param == "files":
        for name in ("random", "queue", "socket", "rich", "statistics", "sqlite_utils"):
            (here / f"{name}.py").write_text(SHADOWED)
    else:  # a home, notes, a checkout: a folder without the file that makes it a package
        (here / "hitl").mkdir()
        (here / "hitl" / "notes.txt").write_text("")
    monkeypatch.chdir(here)
    return here


def env_of_a_user():
    """Return an environment in which our packages are found behind the folder one stands in, as with an installation."""
    return {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


def test_the_command_line_and_its_children_find_our_packages(standing, tmp_path):
    home = Home(tmp_path / "home")
    with Recorder(home.create().store_path, session_info()) as recorder:
        drive(recorder)
    # Each may meet another one's name. What keeps a trainer off this folder does not ask what lies in it: one folder shows it.
    trains = (standing / "random.py").exists()
    more = (["config", "show"], ["train", "--background", "--seed", "0"]) if trains else ()
    for words in (["store", "info"], *more, ["train", "stop"]):
        at = [] if words[0] == "config" else ["--home", "../home"]
        done = subprocess.run(
            [sys.executable, "-m", "hitl", *words, *at], capture_output=True, text=True, timeout=120, env=env_of_a_user()
        )
        assert done.returncode == 0, (words, done.stdout, done.stderr)
    if trains:
        assert "shadowed" not in (home.root / "trainer.log").read_text()


def test_a_child_that_a_session_starts_finds_our_packages(standing, tmp_path):
    child = subprocess.run(
        command("hitl.remote.child"), input="{}\n", capture_output=True, encoding="utf-8", timeout=60, env=environment()
    )
    assert "KeyError" in child.stderr  # it came as far as to look for what it should do
    spawned = (
        "import hitl, multiprocessing, sys\n"
        "from hitl.processes import prepare_children\n"
        "def main():\n"
        "    prepare_children()\n"
        "    import takeover_ui.theme\n"
        "    multiprocessing.get_context('spawn').Pool(1).apply(len, ['x'])\n"
        "if __name__ == '__main__':\n"
        "    main()\n"
    )
    (tmp_path / "a_program.py").write_text(spawned)
    subprocess.run([sys.executable, "-P", str(tmp_path / "a_program.py")], check=True, timeout=60, env=env_of_a_user())


def test_a_checkout_called_hitl_is_started_from_the_folder_above(tmp_path, monkeypatch):
    (tmp_path / "hitl").symlink_to(ROOT, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    bare = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    # As after a git clone, with nothing of ours installed: -S -s would take the libraries away, too, so they are named.
    libraries = os.pathsep.join(p for p in sys.path if "site-packages" in p)
    done = subprocess.run(
        [sys.executable, "-S", "-m", "hitl", "--version"], capture_output=True, text=True, env={**bare, "PYTHONPATH": libraries}
    )
    assert done.stdout.startswith("hitl "), done.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["--background", "--home", "run"],
        ["--background", "run", "--home=run", "--quiet", "--log", "wandb:run", "--log", "tensorboard"],
        ["--home", "background", "--background", "--preset", "rlpd", "--set", "a=--background", "--seed", "0"],
        ["run", "--home", "run", "--init", "best", "--fresh", "--device=cuda", "--set", "a=1", "--set", "b=2"],
        ["--home", "a", "--from-server", "--tmrl-weights", "--port", "7", "--no-tls"],
        ["--home", "a b", "--from-server", "--server", "-strange", "--keys", "run", "--tmrl-config", "run/config.json"],
    ],
)
def test_a_trainer_behind_is_started_from_what_was_understood(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if "-strange" in words:
        words = [w for w in words if w not in ("--server", "-strange")] + ["--server=-strange"]
    started: list[list[str]] = []
    monkeypatch.setattr(train, "_background", lambda home, args, given: started.append([*given, "--home", str(home.root)]) or 0)
    monkeypatch.setattr(train, "_wish", lambda home, args: None)  # what is in files is not asked here
    seen: list[argparse.Namespace] = []
    real = argparse.ArgumentParser.parse_args
    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", lambda self, argv=None: seen.append(real(self, argv)) or seen[-1])
    if "--background" not in words:
        words = ["--background", *words]
    monkeypatch.setattr("hitl.remote.link.access", lambda *args, **more: None)
    train.main(words)
    monkeypatch.setattr(train, "_run", lambda home, args, wish: 0)
    monkeypatch.setattr("hitl.remote.child.Child", lambda *args, **more: argparse.Namespace(close=lambda: None))
    train.main(started[0])
    asked, done = (vars(each) for each in seen)
    assert done.pop("home") == tmp_path / asked.pop("home")
    assert (asked.pop("background"), done.pop("background")) == (True, False)
    assert done == asked


def test_a_trainer_behind_that_fails_says_its_own_last_words(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "trainer.log").write_text("hitl: words of another time\n")
    (tmp_path / "Łódź.safetensors").write_text("no checkpoint")
    done = subprocess.run(
        [sys.executable, "-m", "hitl", "train", "--background", "--home", "home", "--init", "Łódź.safetensors"],
        capture_output=True, encoding="cp1252", timeout=120, cwd=tmp_path, env=environment(PYTHONIOENCODING="cp1252"),
    )  # fmt: skip
    assert done.returncode == 7
    assert "The trainer ended at once: The checkpoint" in done.stderr
    assert "Łódź" in (home / "trainer.log").read_text(encoding="utf-8")  # whatever the code page: the log is UTF-8


PAGES = ["cp1252", "cp1250", "cp852", "ascii"]


@pytest.fixture(scope="module")
def full_home(tmp_path_factory):
    """A home whose track, tags and notes have letters that no code page has all of."""
    home = tmp_path_factory.mktemp("home")
    with Recorder(home / "store.sqlite", session_info(track="Żółć → 東京")) as recorder:
        drive(recorder)
    (home / "config.json").write_text(
        '{"__VERSION__": "0.6.0", "RUN_NAME": "Żółć → 東京 ✓", "ALG": {"GAMMA": 0.99}, "MODEL": {}, "ENV": {}}', encoding="utf-8"
    )
    return home


@pytest.fixture(scope="module")
def printed(full_home):
    """What commands print with each encoding, as bytes, and what they print to stderr with any."""
    config = str(full_home / "config.json")
    at = ["--home", str(full_home)]
    commands = [
        ["--help"], ["train", "--help"], ["play", "--help"], ["review", "--help"], ["segments", *at], ["segments", "--csv", *at],
        ["segments", "--json", *at], ["store", "info", *at], ["store", "check", *at], ["corners", *at], ["diagnose", *at],
        ["config", "show", config], ["doctor", *at], ["diagnose", "--config", config], ["line", "show", "default"],
        ["line", "show", "Żółć.csv"], ["pads", "--pad", "keyboard", "--once", *at],
    ]  # fmt: skip
    of_pages, errors = {}, io.BytesIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hitl.doctor.LISTEN_S", 0.0)  # to a plugin that is not there
        patch.setattr("trainer.device.MEASURE_S", 0.0)  # how fast this machine learns is a number in any encoding
        patch.chdir(ROOT)
        for page in PAGES:
            written = io.BytesIO()
            out = io.TextIOWrapper(written, page, errors="strict", write_through=True)
            err = io.TextIOWrapper(errors, page, errors="backslashreplace", write_through=True)
            patch.setattr(sys, "stdout", out)
            patch.setattr(sys, "stderr", err)
            patch.setenv("PYTHONIOENCODING", page)
            for words in commands:
                try:
                    status = main(words)
                except SystemExit as ended:
                    status = ended.code
                assert status in (0, 1, 2, 3), (page, words, status)
            of_pages[page] = written.getvalue()
            out.detach()
            err.detach()
    return of_pages, errors.getvalue()


@pytest.mark.parametrize("page", PAGES)
def test_no_command_fails_at_a_letter_that_the_output_lacks(printed, page):
    of_pages, errors = printed
    text = of_pages[page].decode(page)
    assert "hairpin" in text
    assert b"Traceback" not in errors


def test_a_process_without_an_output_prints_to_nothing(monkeypatch):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdout", None)
        patch.setattr(sys, "stderr", None)
        assert main(["--version"]) == 0
        assert main(["no-such-command"]) == 2


def test_signs_become_like_ones_and_letters_their_numbers():
    program = "from hitl.processes import take_any_letter\ntake_any_letter()\nprint('a → b … ─ ✓ ł 東')"
    plain = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, env=plain, cwd=ROOT, check=True)
    assert done.stdout.decode().strip() == "a -> b ... - + \\u0142 \\u6771"


def test_no_child_is_started_past_the_one_place():
    """A child that is started another way is not found where one stands, and its output may be no UTF-8."""
    for folder in ("hitl", "data", "trainer", "takeover_ui"):
        for path in (ROOT / folder).rglob("*.py"):
            if path != ROOT / "hitl" / "processes.py":
                assert "sys.executable" not in path.read_text(encoding="utf-8"), path.name


def test_every_address_of_a_database_is_made_in_one_place():
    for folder in ("hitl", "data", "trainer", "takeover_ui"):
        for path in (ROOT / folder).rglob("*.py"):
            text = Path(path).read_text(encoding="utf-8")
            if path != ROOT / "data" / "files" / "paths.py":
                assert "as_uri" not in text, path.name
                assert '"file:' not in text, path.name
