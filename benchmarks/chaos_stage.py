"""Where the chaos run happens: a home folder on a small disk, and the environment of every process."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
from pathlib import Path
from types import TracebackType

ROOM = "192m"


class Stage:
    """The home folder (on a file system of its own where that can be had), and what the processes are given."""

    def __init__(self, root: Path) -> None:
        self.root, self.home, self.control = root, root / "home", root / "control"
        self.store = self.home / "store.sqlite"
        for folder in (self.home, self.control, root / "tmp"):
            folder.mkdir(parents=True)
        self.small = False
        parts = [str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")]
        self.environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, parts)), "TMPDIR": str(root / "tmp")}
        self.environment |= {
            "PYTHONUNBUFFERED": "1", "SDL_VIDEODRIVER": "dummy", "OMP_NUM_THREADS": "1", "WANDB_MODE": "online",
            "WANDB_BASE_URL": "http://127.0.0.1:9", "WANDB_API_KEY": "0" * 40, "WANDB_SILENT": "true",
        }  # fmt: skip
        self.logs: list[str] = ["--log", "wandb"] if importlib.util.find_spec("wandb") else []

    def __enter__(self) -> Stage:
        if shutil.which("mount"):
            command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(self.home)]
            self.small = subprocess.run(command, capture_output=True, check=False).returncode == 0
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.small:
            subprocess.run(["umount", "-l", str(self.home)], check=False)
