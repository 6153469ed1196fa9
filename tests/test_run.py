"""The two commands of the README: `run.py` installs once, then runs, in every shell; and what is asked of Python is said once."""

import ast
import importlib.util
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections import namedtuple

import pytest

from tests.support.places import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SOURCE = (ROOT / "run.py").read_text(encoding="utf-8")


@pytest.fixture
def run(tmp_path, monkeypatch):
    spec = importlib.util.spec_from_file_location("run", ROOT / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.ran, module.fails = [], False
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(module, "STAMP", str(tmp_path / "stamp"))
    monkeypatch.setattr(module, "run", lambda words: module.ran.append(words) or int(module.fails))
    monkeypatch.setattr("importlib.metadata.version", lambda name: "0.1.0")
    return module


def test_it_installs_once_and_runs(run):
    install = ["-m", "pip", "install", "--disable-pip-version-check", "-e", str(ROOT)]
    assert run.main(["demo", "--headless"]) == 0
    assert run.main(["demo"]) == 0
    assert run.ran == [install, ["-m", "hitl", "demo", "--headless"], ["-m", "hitl", "demo"]]
    run.ran.clear()
    assert run.main(["test", "-x"]) == 0
    assert run.main(["test"]) == 0
    assert run.ran == [[*install[:-1], f"{ROOT}[test]"], ["-m", "pytest", "-x"], ["-m", "pytest"]]
    assert os.getcwd() == str(ROOT)


def test_another_pyproject_or_a_package_that_is_gone_is_installed_again(run, monkeypatch):
    run.main(["demo"])
    monkeypatch.setattr(run, "stamp", lambda extra: "newer")
    run.main(["demo"])
    monkeypatch.setattr("importlib.metadata.version", lambda name: (_ for _ in ()).throw(importlib.metadata.PackageNotFoundError))
    run.main(["demo"])
    assert [words[1] for words in run.ran] == ["pip", "hitl"] * 3


def test_another_clone_takes_its_place_and_gives_it_back(run, monkeypatch):
    here = run.HERE
    run.main(["demo"])
    monkeypatch.setattr(run, "HERE", os.path.join(here, "tests"))
    monkeypatch.setattr(run, "stamp", lambda extra: f"sum {extra} {run.HERE}")
    run.main(["demo"])
    monkeypatch.setattr(run, "HERE", here)
    run.main(["demo"])
    run.main(["demo"])
    assert [words[1] for words in run.ran] == ["pip", "hitl", "pip", "hitl", "pip", "hitl", "hitl"]


def test_what_pip_could_not_install_is_not_run_and_is_tried_again(run):
    run.fails = True
    assert "could not be installed" in run.main(["demo"])
    assert "could not be installed" in run.main(["demo"])
    assert [words[1] for words in run.ran] == ["pip", "pip"]


@pytest.mark.parametrize("version", [(3, 8), (3, 10), (3, 14)])
def test_another_python_is_told_which_one_it_takes(run, monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", namedtuple("V", "major minor micro")(*version, 0))
    said = run.main(["demo"])
    assert said.startswith(f"This is Python {version[0]}.{version[1]}, and hitl needs 3.11, 3.12 or 3.13")
    assert run.ran == []


def test_an_old_python_can_read_it():
    ast.parse(SOURCE, feature_version=(3, 6))


def test_the_versions_of_python_are_the_same_everywhere(run):
    assert PROJECT["requires-python"] == ">={}.{},<{}.{}".format(*run.OLDEST, *run.TOO_NEW)
    versions = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if c.startswith("Programming Language :: Python :: 3.")]
    assert versions == [f"3.{minor}" for minor in range(run.OLDEST[1], run.TOO_NEW[1])]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no Ctrl+C for one process group there")
def test_ctrl_c_is_the_child_s_business():
    """It reaches both, and the child writes what it has to write before it ends."""
    child = "import sys, time; print('up', flush=True)\n"
    child += "try: time.sleep(30)\nexcept KeyboardInterrupt: time.sleep(0.7); sys.exit(7)"
    script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); import run; sys.exit(run.run(['-c', {child!r}]))"
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True)
    assert process.stdout.readline() == "up\n"
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(20) == 7
    process.stdout.close()
