"""A headless Chromium, driven through chromedriver by the WebDriver protocol; needs nothing but Python."""

import base64
import json
import os
import re
import shutil
import subprocess
import urllib.error
import urllib.request

ELEMENT = "element-6066-11e4-a52e-4f735466cecf"  # of the protocol
KEYS = {"Enter": "\ue007", "Escape": "\ue00c", "ArrowDown": "\ue015", "ArrowUp": "\ue013", "Tab": "\ue004"}


def missing():
    """What is not there of what a browser needs."""
    return [name for names in (("chromedriver",), ("chromium", "google-chrome", "chromium-browser"))
            if not any(shutil.which(name) for name in names) for name in names[:1]]


class Browser:
    def __init__(self, folder):
        self.driver = subprocess.Popen(["chromedriver", "--port=0"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        for line in self.driver.stdout:
            if found := re.search(r"started successfully on port (\d+)", line):
                self.address = f"http://127.0.0.1:{found[1]}"
                break
        arguments = ["--headless=new", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--hide-scrollbars",
                     f"--user-data-dir={os.path.abspath(folder)}", "--force-device-scale-factor=1"]
        if os.geteuid() == 0:
            arguments += ["--no-sandbox", "--disable-dev-shm-usage"]
        binary = next(path for name in ("chromium", "google-chrome", "chromium-browser") if (path := shutil.which(name)))
        wanted = {"browserName": "chrome", "goog:chromeOptions": {"binary": binary, "args": arguments},
                  "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
        self.session = ""
        self.session = "/session/" + self.call("POST", "/session", {"capabilities": {"alwaysMatch": wanted}})["sessionId"]

    def call(self, method, path, body=None):
        data = json.dumps(body if body is not None else {}).encode() if method == "POST" else None
        request = urllib.request.Request(self.address + self.session + path, data, {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"{method} {path}: {error.read().decode(errors='replace')[:600]}") from None

    def close(self):
        try:
            if self.session:
                self.call("DELETE", "")
        finally:
            self.driver.terminate()
            self.driver.wait(10)

    def open(self, path):
        self.call("POST", "/url", {"url": "about:blank"})
        self.logs("browser"), self.logs("performance")
        self.call("POST", "/url", {"url": "file://" + os.path.abspath(path)})

    def resize(self, width, height):
        """The inside of the window, as of a phone where it is narrow."""
        self.devtools("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600})

    def devtools(self, command, parameters):
        return self.call("POST", "/goog/cdp/execute", {"cmd": command, "params": parameters})

    def run(self, script, *arguments):
        return self.call("POST", "/execute/sync", {"script": script, "args": list(arguments)})

    def find(self, selector):
        return self.call("POST", "/element", {"using": "css selector", "value": selector})[ELEMENT]

    def text(self, selector):
        return self.call("GET", f"/element/{self.find(selector)}/text")

    def click(self, selector):
        self.call("POST", f"/element/{self.find(selector)}/click")

    def type(self, selector, text):
        self.call("POST", f"/element/{self.find(selector)}/value", {"text": text})

    def press(self, *keys):
        """Keys for whatever has the focus."""
        actions = [{"type": kind, "value": KEYS.get(key, key)} for key in keys for kind in ("keyDown", "keyUp")]
        self.call("POST", "/actions", {"actions": [{"type": "key", "id": "keyboard", "actions": actions}]})

    def point_at(self, selector):
        move = {"type": "pointerMove", "duration": 0, "origin": {ELEMENT: self.find(selector)}, "x": 0, "y": 0}
        self.call("POST", "/actions", {"actions": [{"type": "pointer", "id": "mouse", "actions": [move]}]})

    def choose(self, selector, value):
        self.run("const e = document.querySelector(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event('change', {bubbles: true}))", selector, value)

    def logs(self, kind):
        return self.call("POST", "/se/log", {"type": kind})

    def complaints(self):
        """What the console has to say since the page was opened."""
        return [entry["message"] for entry in self.logs("browser")]

    def requests(self):
        """Addresses that were asked for since the page was opened, but for those that its policy stopped."""
        told = [json.loads(entry["message"])["message"] for entry in self.logs("performance")]
        stopped = {m["params"]["requestId"] for m in told if m["method"] == "Network.loadingFailed" and m["params"].get("blockedReason") == "csp"}
        return [m["params"]["request"]["url"] for m in told if m["method"] == "Network.requestWillBeSent" and m["params"]["requestId"] not in stopped]

    def screenshot(self, path, whole=False):
        if whole:
            picture = self.devtools("Page.captureScreenshot", {"format": "png", "captureBeyondViewport": True})["data"]
        else:
            picture = self.call("GET", "/screenshot")
        with open(path, "wb") as file:
            file.write(base64.b64decode(picture))
