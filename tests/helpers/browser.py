"""A headless Chromium driven by its DevTools protocol: real pointers, keys, sizes and colours."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
_KEYS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40, "Escape": 27}

_REMEMBER_ERRORS = (
    "window.errorsOfThePage = [];"
    "addEventListener('error', (event) => errorsOfThePage.push(event.message));"
)


class Browser:
    """One page without a network, as a context manager.

    :param folder: for the browser's profile
    """

    def __init__(self, folder: Path, width: int = 800, height: int = 900) -> None:
        to_browser, self._commands = os.pipe()
        self._answers, from_browser = os.pipe()
        self._rest = b""
        self._number = 0
        # the protocol's pipes are the file descriptors 3 and 4
        plumbing = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
        options = (
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-extensions"),
            *("--hide-scrollbars", "--host-resolver-rules=MAP * ~NOTFOUND"),
            *("--remote-debugging-pipe", f"--user-data-dir={folder / 'profile'}"),
        )
        self._process = subprocess.Popen(
            ["bash", "-c", plumbing, "bash", str(CHROMIUM), *options],
            pass_fds=(to_browser, from_browser),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_browser)
        os.close(from_browser)
        self._session: str | None = None
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.send("Page.enable")
        self.send("Page.addScriptToEvaluateOnNewDocument", source=_REMEMBER_ERRORS)
        self.resize(width, height)

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._commands)
        os.close(self._answers)
        self._process.terminate()
        self._process.wait(timeout=60)

    def send(self, method: str, **parameters: Any) -> Any:
        """The result of one command of the protocol; events in between are dropped."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._commands, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]

    def resize(self, width: int, height: int, mobile: bool = False) -> None:
        """Give the page a window of so many CSS pixels."""
        self.send(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )
        self.settle()

    def prefer(self, scheme: str) -> None:
        """Ask the page for its ``light`` or ``dark`` colours."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.send("Emulation.setEmulatedMedia", features=features)
        self.settle()

    def open(self, path: Path) -> None:
        """Load a file and wait until its scripts have run."""
        self.send("Page.navigate", url=path.as_uri())
        self.wait(f"location.href === {path.as_uri()!r} && document.readyState === 'complete'")

    def errors(self) -> list[str]:
        """What scripts of the page threw since it was opened."""
        return self.evaluate("errorsOfThePage")

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript; promises are awaited."""
        answer = self.send(
            "Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True
        )
        if "exceptionDetails" in answer:
            raise RuntimeError(answer["exceptionDetails"]["exception"]["description"])
        return answer["result"].get("value")

    def settle(self) -> None:
        """Let the page answer to what has changed, and draw."""
        frame = "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
        self.evaluate(f"{frame}.then(() => true)")

    def wait(self, condition: str, seconds: float = 60.0) -> None:
        """Wait until an expression is true."""
        end = time.monotonic() + seconds
        while not self.evaluate(condition):
            if time.monotonic() > end:
                raise TimeoutError(f"not true within {seconds:g} s: {condition}")
            time.sleep(0.02)

    def box(self, selector: str) -> dict[str, float]:
        """Left, top, width and height of an element in the window, scrolled into view."""
        return self.evaluate(
            f"""(() => {{
              const element = document.querySelector({selector!r});
              element.scrollIntoView({{block: "center", behavior: "instant"}});
              const {{left, top, width, height}} = element.getBoundingClientRect();
              return {{left, top, width, height}};
            }})()"""
        )

    def move(self, x: float, y: float) -> None:
        """Move the pointer."""
        self._mouse("mouseMoved", x, y)

    def click(self, selector: str, count: int = 1) -> None:
        """Click in the middle of an element, or double-click."""
        box = self.box(selector)
        x, y = box["left"] + box["width"] / 2, box["top"] + box["height"] / 2
        self.click_at(x, y, count)

    def click_at(self, x: float, y: float, count: int = 1) -> None:
        """Click at a point of the window, or double-click."""
        self.move(x, y)
        for number in range(1, count + 1):
            self._mouse("mousePressed", x, y, button="left", clickCount=number)
            self._mouse("mouseReleased", x, y, button="left", clickCount=number)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press at one point of the window, release at another."""
        self.move(*start)
        self._mouse("mousePressed", *start, button="left", clickCount=1)
        for part in (0.3, 0.6, 1.0):
            x, y = (a + part * (b - a) for a, b in zip(start, end, strict=True))
            self._mouse("mouseMoved", x, y, button="left", buttons=1)
        self._mouse("mouseReleased", *end, button="left", clickCount=1)

    def press(self, key: str) -> None:
        """Press and release a key on the element that has the focus."""
        for kind in ("rawKeyDown", "keyUp"):
            self.send(
                "Input.dispatchKeyEvent",
                type=kind,
                key=key,
                code=key,
                windowsVirtualKeyCode=_KEYS[key],
            )

    def screenshot(self, path: Path, whole: bool = True) -> None:
        """Write a PNG of the window, or of the whole page."""
        picture = self.send("Page.captureScreenshot", captureBeyondViewport=whole)
        path.write_bytes(base64.b64decode(picture["data"]))

    def _mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            chunk = os.read(self._answers, 1 << 16)
            if not chunk:
                raise RuntimeError("the browser ended")
            self._rest += chunk
        line, self._rest = self._rest.split(b"\0", 1)
        return json.loads(line)
