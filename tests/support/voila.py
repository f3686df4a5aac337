"""A real Voilà: it runs a notebook for each visitor, and serves what came of it as a page."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from playwright.sync_api import Browser, Page
from playwright.sync_api import Error as PlaywrightError

from tests.support.lab import PATIENCE, SCREENSHOTS, Server


class VoilaServer(Server):
    """One Voilà over all notebooks below `root`."""

    def _command(self) -> list[str]:
        return [
            "voila",
            str(self.root),
            "--no-browser",
            f"--port={self.port}",
            "--Voila.port_retries=0",
            "--Voila.ip=127.0.0.1",
        ]

    def wait_ready(self, path: str = "/") -> VoilaServer:
        """Return once the list of notebooks is served."""
        return super().wait_ready(path)


class VoilaPage:
    """A visit: one page, one notebook, and a kernel for as long as the page is open."""

    def __init__(self, server: VoilaServer, browser: Browser) -> None:
        self.server = server
        self.page: Page = browser.new_page(viewport={"width": 1280, "height": 800})
        self.page.set_default_timeout(PATIENCE * 1000)
        self.asked: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))

    def open(self, path: str, *, theme: str = "light") -> None:
        """Visit a notebook; returns when all of its cells have run."""
        self.page.goto(f"{self.server.url}/voila/render/{quote(path)}?theme={theme}")

    def close(self) -> None:
        """End the visit."""
        self.page.close()

    def wait_for(self, script: str) -> Any:
        """Wait until the JavaScript gives something true; return that."""
        try:
            return self.page.wait_for_function(script, polling=50).json_value()
        except PlaywrightError as error:
            picture = self.screenshot("voila-gave-up")
            text = self.page.locator("body").inner_text()[:2000]
            message = f"never true: {script}\nscreenshot: {picture}\npage: {text}"
            raise AssertionError(message) from error

    def text(self) -> str:
        """Return what a visitor reads."""
        return self.page.locator("body").inner_text()

    def video(self) -> dict[str, Any]:
        """Wait until the video on the page can play; return what it says of itself."""
        facts: dict[str, Any] = self.wait_for(
            """() => { const v = document.querySelector('video');
                 return v && v.readyState >= 2 && {width: v.videoWidth, height: v.videoHeight,
                   duration: v.duration, src: v.currentSrc.slice(0, 64)}; }"""
        )
        return facts

    def seek(self, second: float) -> float:
        """Move the video to `second`; return where it then stands."""
        landed: float = self.page.locator("video").evaluate(
            """(v, second) => new Promise(done => {
                 v.addEventListener('seeked', () => done(v.currentTime), {once: true});
                 v.currentTime = second; })""",
            second,
        )
        return landed

    def screenshot(self, name: str) -> Path:
        """Write a picture of the page where a developer can look at it."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        self.page.screenshot(path=path)
        return path
