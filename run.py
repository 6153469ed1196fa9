"""Set up and run, in one line that every shell takes: ``python run.py demo``, ``python run.py test``.

Installs this folder into the Python that runs it, with what the tests need for ``test``; then runs them, or the command of hitl.
Written so that an older Python can at least say what is missing.
"""

import hashlib
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
OLDEST, TOO_NEW = (3, 11), (3, 14)  # as requires-python in pyproject.toml
STAMP = os.path.join(sys.prefix, "hitl-installed")  # what was installed: the next start then needs neither pip nor a network


def main(words):
    """Run ``test`` with pytest's options, or a command of hitl with its own; return the exit status, or what went wrong."""
    if not OLDEST <= sys.version_info[:2] < TOO_NEW:
        return (
            "This is Python {}.{}, and hitl needs 3.11, 3.12 or 3.13 (Box2D has no wheels for newer ones). Install one of them, "
            "and name it: py -3.13 run.py demo on Windows, python3.13 run.py demo elsewhere."
        ).format(*sys.version_info[:2])
    if not words:
        return "Say what to run: python run.py demo, python run.py test, or any command of hitl."
    test = words[0] == "test"
    extra = "[test]" if test else ""
    if not is_installed(extra):
        print("Installing what hitl needs (some minutes the first time) ...", flush=True)
        if run(["-m", "pip", "install", "--disable-pip-version-check", "-e", HERE + extra]) != 0:
            return (
                "hitl could not be installed; pip says why above. If this Python belongs to the system, make an environment of "
                "your own first: python3 -m venv .venv, then .venv/bin/python run.py demo."
            )
        note_installed(extra)
    if test:
        os.chdir(HERE)
    return run((["-m", "pytest", *words[1:]]) if test else (["-m", "hitl", *words]))


def run(words):
    """Run this Python with other words, and return its exit status. Ctrl+C reaches it directly; it ends in its own time."""
    child = subprocess.Popen([sys.executable, *words])
    while True:
        try:
            return child.wait()
        except KeyboardInterrupt:
            pass


def stamp(extra):
    """Return the line that says that this folder was installed, as pyproject.toml is now."""
    with open(os.path.join(HERE, "pyproject.toml"), "rb") as file:
        return f"{hashlib.sha256(file.read()).hexdigest()} {extra} {HERE}"


def is_installed(extra):
    """Tell whether that was done, and not undone."""
    from importlib import metadata

    try:
        metadata.version("hitl-takeover")
        with open(STAMP, encoding="utf-8") as file:
            return stamp(extra) in file.read().splitlines()
    except (metadata.PackageNotFoundError, OSError, ValueError):
        return False


def note_installed(extra):
    """Note it. Where that cannot be written, pip looks again the next time."""
    try:
        with open(STAMP, encoding="utf-8") as file:
            before = [line for line in file if line.rstrip("\n").endswith(" " + HERE)]  # another folder's is replaced by this one
    except (OSError, ValueError):
        before = []
    try:
        with open(STAMP, "w", encoding="utf-8") as file:
            file.writelines([*before, stamp(extra) + "\n"])
    except OSError:
        pass


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
