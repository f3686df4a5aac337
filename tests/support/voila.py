"""A real Voilà, which runs a notebook for each visitor and serves the result as a page."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from playwright.sync_api import Browser

from tests.support.lab import FACTS, SEEK, Server, Tab


class VoilaServer(Server):
    """One Voilà over all notebooks below `root`."""

    ready = "/"  # the list of notebooks

    def _command(self) -> list[str]:
        return [
            "voila",
            str(self.root),
            "--no-browser",
            f"--port={self.port}",
            "--Voila.port_retries=0",
            "--Voila.ip=127.0.0.1",
        ]


class VoilaPage(Tab):
    """A visit: one page, one notebook, and a kernel until the page is closed."""

    def __init__(self, server: VoilaServer, browser: Browser) -> None:
        super().__init__(server, browser)
        self.asked: list[str] = []
        self.page.on("request", lambda request: self.asked.append(request.url))

    def open(self, path: str, *, theme: str = "light") -> None:
        """Visit a notebook; returns when all of its cells have run."""
        self.page.goto(f"{self.server.url}/voila/render/{quote(path)}?theme={theme}")

    def text(self) -> str:
        """Return the visible text."""
        return self.page.locator("body").inner_text()

    def video(self) -> dict[str, Any]:
        """Wait until the video on the page can play; return the state of its element."""
        self.wait_for("() => document.querySelector('video')?.readyState >= 2")
        facts: dict[str, Any] = self.page.locator("video").evaluate(FACTS)
        return facts

    def seek(self, second: float) -> float:
        """Seek the video to `second`; return its new time."""
        landed: float = self.page.locator("video").evaluate(SEEK, second)
        return landed
