"""A real browser, driven through its own protocol over two pipes: pages at any width, light or dark, and what is in them."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

CHROMIUM = next((path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None)
WAIT_S = 60.0


class Browser:
    """Chromium without a window; one page at a time; a context manager. POSIX only: it talks through descriptors 3 and 4."""

    def __init__(self, folder: Path) -> None:
        to_read, self._out = os.pipe()
        self._in, to_write = os.pipe()

        def pipes() -> None:
            copies = os.dup(to_read), os.dup(to_write)  # elsewhere, in case one of the two is 3 or 4 itself
            for number, copy in zip((3, 4), copies, strict=True):
                os.dup2(copy, number)
                os.set_inheritable(number, True)

        command = [
            str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--disable-dev-shm-usage",
            "--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}", "about:blank",
        ]  # fmt: skip
        self._process = subprocess.Popen(
            command,
            preexec_fn=pipes,
            pass_fds=(3, 4),
            env={**os.environ, "HOME": str(folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._number, self._rest = 0, b""
        self._events: list[dict[str, Any]] = []
        self._session = ""
        target = next(t for t in self._send("Target.getTargets")["targetInfos"] if t["type"] == "page")
        self._session = self._send("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._send(f"{domain}.enable")

    def _send(self, method: str, **values: Any) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": values}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return dict(answer["result"])
            self._events.append(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._in, 1 << 16)
            assert part, "the browser has ended"
            self._rest += part
        text, _, self._rest = self._rest.partition(b"\0")
        return dict(json.loads(text))

    def view(self, width: int, height: int = 900, *, dark: bool = False) -> None:
        """Choose the size of the page's window, and light or dark."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
        self._send("Emulation.setDeviceMetricsOverride", **size)
        wanted = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._send("Emulation.setEmulatedMedia", features=wanted)

    def open(self, address: str) -> None:
        """Open a page and wait until it has loaded."""
        self._events.clear()
        self._send("Page.navigate", url=address)
        self.wait(f"document.readyState === 'complete' && location.href !== 'about:blank' && {json.dumps(address)} !== ''")

    def run(self, script: str) -> Any:
        """Return the value of a JavaScript expression in the page."""
        answer = self._send("Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def wait(self, script: str) -> Any:
        """Wait until an expression is true in the page, and return its value."""
        until = time.monotonic() + WAIT_S
        while not (value := self.run(script)):
            assert time.monotonic() < until, f"never came true: {script}"
            time.sleep(0.05)
        return value

    def picture(self, path: Path) -> None:
        """Write the whole page as a PNG."""
        size = self._send("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        data = self._send("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)["data"]
        path.write_bytes(base64.b64decode(data))

    def printed(self) -> bytes:
        """Return the page as a PDF, as its style sheet for paper has it."""
        return base64.b64decode(self._send("Page.printToPDF", printBackground=True)["data"])

    def asked_for(self) -> set[str]:
        """Return the addresses that were asked for since the page was opened."""
        return {e["params"]["request"]["url"] for e in self._events if e.get("method") == "Network.requestWillBeSent"}

    def complaints(self) -> list[str]:
        """Return what the browser has logged as errors since the page was opened: blocked files, scripts that failed."""
        logged = [e["params"]["entry"]["text"] for e in self._events if e.get("method") == "Log.entryAdded"]
        return logged + [str(e["params"]) for e in self._events if e.get("method") == "Runtime.exceptionThrown"]

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(AssertionError, OSError):
            self._session = ""
            self._send("Browser.close")
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._out)
        os.close(self._in)
