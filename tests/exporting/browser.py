"""A headless Chromium, driven through its debugging pipe: pages, mouse, fingers, screenshots."""

import base64
import itertools
import json
import os
import subprocess
from contextlib import contextmanager
from shutil import which

import pytest


class Page:
    def __init__(self, send, receive):
        self._send, self._receive, self._ids = send, receive, itertools.count(1)
        self.events = []
        target = self._ask("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self(f"{domain}.enable")

    def _ask(self, method, session=None, **params):
        number = next(self._ids)
        message = {"id": number, "method": method, "params": params, **({"sessionId": session} if session else {})}
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while (answer := self._read()).get("id") != number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _read(self):
        data = bytearray()
        while (byte := self._receive.read(1)) != b"\0":
            assert byte, "the browser has ended"
            data += byte
        return json.loads(data)

    def __call__(self, method, **params):
        return self._ask(method, self._session, **params)

    def open(self, path, width=1280, height=900, dark=False):
        self("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=width < 600)
        self(
            "Emulation.setEmulatedMedia",
            features=[{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}],
        )
        self("Page.navigate", url=path.resolve().as_uri())
        self.run("new Promise(done => document.readyState === 'complete' ? done() : addEventListener('load', done))")

    def run(self, script):
        found = self("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def settle(self):
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def _mouse(self, kind, x, y):
        self(
            "Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", buttons=1, clickCount=1, pointerType="mouse"
        )

    def drag(self, points):
        """Draw through points of the page with the mouse."""
        self._mouse("mousePressed", *points[0])
        for point in points[1:]:
            self._mouse("mouseMoved", *point)
        self._mouse("mouseReleased", *points[-1])
        self.settle()

    def swipe(self, points):
        """Draw through points of the page with a finger."""
        for kind, (x, y) in zip(["touchStart"] + ["touchMove"] * (len(points) - 1), points, strict=True):
            self("Input.dispatchTouchEvent", type=kind, touchPoints=[{"x": x, "y": y}])
        self("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])
        self.settle()

    def screenshot(self, path):
        size = self("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(shot["data"]))


@contextmanager
def browser(folder):
    """A page of a Chromium whose profile is in the folder."""
    chromium = which("chromium") or which("google-chrome")
    if chromium is None:
        pytest.skip("there is no Chromium")
    commands, send = os.pipe()
    receive, answers = os.pipe()
    ours, theirs = (send, receive), (commands, answers)
    flags = ["--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", f"--user-data-dir={folder}"]
    redirect = f'exec 3<&{commands} 4>&{answers}; exec "$@"'
    process = subprocess.Popen(
        ["bash", "-c", redirect, "bash", chromium, *flags],
        pass_fds=theirs,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    for end in theirs:
        os.close(end)
    try:
        with open(receive, "rb") as file:
            yield Page(send, file)
    finally:
        os.close(ours[0])  # the browser ends when its pipe is closed
        process.wait(20)
