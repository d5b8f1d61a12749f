"""Chromium without a window, driven through its own pipe (DevTools Protocol): no package needed."""

from __future__ import annotations

import base64
import fcntl
import json
import os
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--enable-unsafe-swiftshader",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--remote-debugging-pipe",
)
# The protocol is spoken on descriptors 3 and 4, and nowhere else.
START = (
    "import os, sys; os.dup2(int(sys.argv[1]), 3); os.dup2(int(sys.argv[2]), 4); "
    "os.execv(sys.argv[3], sys.argv[3:])"
)
SECONDS = 90


def executable() -> str | None:
    """Path of an installed Chromium, or None."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Page:
    """One page of a Chromium of its own; a context that ends it.

    Its ``events`` are all messages it sent unasked, among them what it logged and fetched.
    """

    def __init__(self, folder: Path, *, size: tuple[int, int] = (1400, 900)):
        program = executable()
        assert program is not None
        inward, self._out = _pipe()
        self._in, outward = _pipe()
        options = (*OPTIONS, f"--user-data-dir={folder}", f"--window-size={size[0]},{size[1]}")
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                START,
                str(inward),
                str(outward),
                program,
                *options,
                "about:blank",
            ],
            pass_fds=(inward, outward),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "DBUS_SESSION_BUS_ADDRESS": "disabled:"},
        )
        for end in (inward, outward):
            os.close(end)
        self._rest, self._number, self._session = b"", 0, None
        self.events: list[dict] = []
        target = self._first_page()
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")
        self.resize(*size)

    def __enter__(self) -> Page:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._session = None
            self.send("Browser.close")
            self._process.wait(20)
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()
            for end in (self._in, self._out):
                os.close(end)

    def _first_page(self) -> str:
        for _ in range(100):
            found = self.send("Target.getTargets")["targetInfos"]
            pages = [target["targetId"] for target in found if target["type"] == "page"]
            if pages:
                return pages[0]
            time.sleep(0.1)
        raise AssertionError("Chromium opened no page")

    def send(self, method: str, **parameters: object) -> dict:
        """Call a method of the protocol and wait for its result."""
        self._number += 1
        message: dict[str, object] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self._out, data) :]
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                assert "error" not in answer, f"{method}: {answer['error']}"
                return answer["result"]
            self.events.append(answer)

    def _read(self) -> dict:
        end = time.monotonic() + SECONDS
        while b"\0" not in self._rest:
            ready, _, _ = select.select([self._in], [], [], max(0, end - time.monotonic()))
            assert ready, "Chromium gave no answer"
            chunk = os.read(self._in, 1 << 16)
            assert chunk, "Chromium ended"
            self._rest += chunk
        message, self._rest = self._rest.split(b"\0", 1)
        return json.loads(message)

    def open(self, path: Path, *, state: str = "ready") -> None:
        """Open a file and wait until the page's state says it has begun."""
        self.events.clear()
        self.send("Page.navigate", url=path.resolve().as_uri())
        end = time.monotonic() + SECONDS
        while self.run("document.documentElement?.dataset.state") != state:
            assert time.monotonic() < end, f"{path}: {self.errors()}"
            time.sleep(0.1)

    def run(self, script: str) -> object:
        """Value of a JavaScript expression, awaited if it is a promise."""
        result = self.send(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in result, result.get("exceptionDetails")
        return result["result"].get("value")

    def key(self, key: str, *, code: int = 0, shift: bool = False) -> None:
        """Press a key and let it go."""
        common = {"key": key, "windowsVirtualKeyCode": code, "modifiers": 8 if shift else 0}
        text = {"text": key} if len(key) == 1 else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", **common, **text)
        self.send("Input.dispatchKeyEvent", type="keyUp", **common)

    def resize(self, width: int, height: int, *, mobile: bool = False) -> None:
        """Give the page a size in CSS pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )

    def scheme(self, value: str) -> None:
        """Let the system prefer ``light`` or ``dark``."""
        features = [{"name": "prefers-color-scheme", "value": value}]
        self.send("Emulation.setEmulatedMedia", features=features)

    def picture(self) -> bytes:
        """The page as PNG."""
        return base64.b64decode(self.send("Page.captureScreenshot", format="png")["data"])

    def errors(self) -> list[str]:
        """What the page logged as warning or error, or threw."""
        said = []
        for event in self.events:
            method, values = event.get("method"), event.get("params", {})
            if method == "Runtime.exceptionThrown":
                said.append(str(values["exceptionDetails"].get("exception", values)))
            elif method == "Runtime.consoleAPICalled" and values["type"] in ("error", "warning"):
                said.append(str(values["args"]))
            elif method == "Log.entryAdded" and values["entry"]["level"] in ("error", "warning"):
                said.append(values["entry"]["text"])
        # A word of the driver about reading back what was drawn, not of the page.
        return [text for text in said if "GL Driver Message (OpenGL, Performance" not in text]

    def requests(self) -> list[str]:
        """Addresses it asked for."""
        sent = (e["params"] for e in self.events if e.get("method") == "Network.requestWillBeSent")
        return [values["request"]["url"] for values in sent]


def _pipe() -> tuple[int, int]:
    """A pipe whose ends stand clear of the descriptors the protocol takes."""
    ends = []
    for low in os.pipe():
        ends.append(fcntl.fcntl(low, fcntl.F_DUPFD_CLOEXEC, 10))
        os.close(low)
    return ends[0], ends[1]
