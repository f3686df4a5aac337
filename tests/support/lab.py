"""Drives JupyterLab or Notebook 7 in Chromium, step by step.

`LabServer` is the server process with its own folders; `Lab` is one page on it (`Notebook7`
for a server of Notebook 7). Nothing here sleeps: each step waits for the state that
it needs, and a timeout reports what was seen instead.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import nbformat
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Playwright
from playwright.sync_api import Error as PlaywrightError
from typing_extensions import Self

from tests.support.jupyter import environment
from tests.support.notebooks import write_notebook
from tests.support.ports import free_port

__all__ = ["LAB", "NOTEBOOK", "Lab", "LabServer", "open_page", "write_notebook"]

ROOT = Path(__file__).resolve().parents[2]
SCREENSHOTS = Path(os.environ.get("IPYREEL_SCREENSHOTS") or ROOT / "screenshots")
PATIENCE = 120.0
"""Seconds after which a condition that is still false is a failure."""

VIEWPORT = {"width": 1280, "height": 1000}

CHROMIUM_FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

SETTINGS: Mapping[str, Mapping[str, Any]] = {
    # Otherwise outputs that are scrolled away are not in the page at all.
    "notebook-extension/tracker": {"windowingMode": "none"},
    "apputils-extension/notification": {
        "fetchNews": "false",
        "checkForUpdates": False,
        "doNotDisturbMode": True,
    },
    # Only tests save.
    "docmanager-extension/plugin": {"autosave": False},
}

HARMLESS = (
    # Parts of JupyterLab request files that may be missing, and work without them.
    re.compile(r"/api/(workspaces|contents|lsp|me|translations)\b"),
    re.compile(r"favicon|/custom/custom\.css|ExperimentalWarning"),
    # Notebook 7 reads the settings of a plugin that it has not loaded yet.
    re.compile(r"Cannot read properties of undefined \(reading 'schema'\)"),
    # It puts HTML into the page before it resolves relative addresses (rendermime:
    # renderers.ts), so that the browser's first request for a linked video fails.
    re.compile(r"404 \(Not Found\) \(https?://[^/]+/(?!files/)[^?]*\.mp4\)"),
)
"""Console errors of JupyterLab itself."""


@dataclass(frozen=True)
class App:
    """A front end: the module that serves it, and the option that opens it to these tests."""

    module: str
    option: str


LAB = App("jupyterlab", "--LabApp.expose_app_in_browser=True")
NOTEBOOK = App("notebook", "--JupyterNotebookApp.expose_app_in_browser=True")

FIND_PANEL = """path => {
  for (const widget of window.jupyterapp.shell.widgets('main')) {
    if (widget.context && widget.context.path === path) return widget;
  }
  throw new Error('not open: ' + path);
}"""


def find_chromium() -> str | None:
    """Return a Chromium of the system: Playwright's own build cannot play H.264."""
    named = os.environ.get("IPYREEL_CHROMIUM")
    names = ("chromium", "chromium-browser", "google-chrome")
    return named or next(filter(None, map(shutil.which, names)), None)


def launch_chromium(playwright: Playwright, executable: str, *flags: str) -> Browser:
    """Start the browser that all pages of a test module share."""
    return playwright.chromium.launch(executable_path=executable, args=[*CHROMIUM_FLAGS, *flags])


class Server:
    """One server process on its own port, which serves the files below `root` at `url`."""

    program: tuple[str, ...] = (sys.executable, "-m")
    ready = "/api/status"  # what answers as soon as the server is up

    def __init__(self, root: Path, home: Path, *, base_url: str = "/", **env: str) -> None:
        self.root = root
        self.home = home
        self.port = free_port()
        self.base_url = base_url
        self.url = f"http://127.0.0.1:{self.port}{base_url.rstrip('/')}"
        self.log = home / "server.log"
        root.mkdir(parents=True, exist_ok=True)
        self._env = environment(home, **{"IPYREEL_TRUST": str(root), **env})
        self._prepare()
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*self.program, *self._command()],
                cwd=root,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def _prepare(self) -> None:
        """Write the files that the process needs at its start."""

    def _command(self) -> list[str]:
        raise NotImplementedError

    def wait_ready(self) -> Self:
        """Return once the server answers; raise with its log when it ended instead."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self._process.poll() is None:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"{self.url}{self.ready}", timeout=5).close()  # noqa: S310
                return self
            time.sleep(0.05)  # between two requests
        log = self.log.read_text(encoding="utf-8", errors="replace")
        self.stop()
        raise RuntimeError(f"the server did not come up; its log ends:\n{log[-3000:]}")

    def wait_idle(self) -> None:
        """Wait until no kernel is busy, whether or not a page is open."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            with urllib.request.urlopen(f"{self.url}/api/kernels", timeout=60) as reply:  # noqa: S310
                if all(one["execution_state"] == "idle" for one in json.load(reply)):
                    return
            time.sleep(0.1)  # between two requests
        raise AssertionError("a kernel did not become idle")

    def begin_to_stop(self) -> None:
        """Ask the server to end, without waiting for it."""
        self._process.terminate()

    def stop(self) -> None:
        """End the server and, with it, its kernels."""
        self.begin_to_stop()
        try:
            self._process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class LabServer(Server):
    """One JupyterLab or Notebook 7: serves `root`, and keeps its own files under `home`.

    A second server with another `home` has another signing secret, so that no notebook of the first
    is trusted. With `kernels=False` it offers no kernels.
    """

    def __init__(
        self,
        root: Path,
        home: Path,
        *,
        app: App = LAB,
        kernels: bool = True,
        base_url: str = "/",
        **env: str,
    ) -> None:
        self.app = app
        self._kernels = kernels
        super().__init__(root, home, base_url=base_url, **env)

    def _prepare(self) -> None:
        folder = Path(self._env["JUPYTERLAB_SETTINGS_DIR"]) / "@jupyterlab"
        for name, values in SETTINGS.items():
            path = folder / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values), encoding="utf-8")

    def _command(self) -> list[str]:
        command = [
            self.app.module,
            self.app.option,
            "--no-browser",
            "--allow-root",
            f"--port={self.port}",
            "--ServerApp.port_retries=0",
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.root_dir={self.root}",
            f"--ServerApp.base_url={self.base_url}",
            "--IdentityProvider.token=",
            "--ServerApp.disable_check_xsrf=True",
            "--LabApp.extension_manager=readonly",
        ]
        if not self._kernels:
            command.append("--KernelSpecManager.allowed_kernelspecs=none")
        return command


FACTS = """v => ({width: v.videoWidth, height: v.videoHeight, duration: v.duration,
  src: v.currentSrc, muted: v.muted, controls: v.controls,
  seekable: v.seekable.length ? v.seekable.end(0) : 0})"""
SEEK = """(v, second) => new Promise((done, fail) => {
  v.addEventListener('seeked', () => done(v.currentTime), {once: true});
  v.addEventListener('error', () => fail(new Error(v.error?.message)), {once: true});
  v.currentTime = second; })"""


class Tab:
    """A page in Chromium on a server."""

    def __init__(self, server: Server, browser: Browser) -> None:
        self.server = server
        self.console_errors: list[str] = []
        self.page = browser.new_page(viewport=dict(VIEWPORT))  # type: ignore[arg-type]
        self.page.set_default_timeout(PATIENCE * 1000)

    def close(self) -> None:
        """Close the page; its kernel and server keep running."""
        self.page.close()

    def wait_for(self, script: str, timeout: float = PATIENCE, *, arg: Any = None) -> Any:
        """Wait until the JavaScript returns something true; return that.

        `script` is an expression, or a function of `arg`. A timeout (seconds) fails with
        a screenshot's path, what the outputs say and what the console said.
        """
        try:
            handle = self.page.wait_for_function(
                script, arg=arg, timeout=timeout * 1000, polling=50
            )
            return handle.json_value()
        except PlaywrightError as error:
            picture = self.screenshot("timeout")
            seen = "\n".join(self.page.locator(".jp-OutputArea-output").all_inner_texts())
            raise AssertionError(
                f"never true: {script}\n{error.message}\nscreenshot: {picture}\n"
                f"outputs: {seen[:2000]}\nconsole: {self.console_errors}"
            ) from error

    def screenshot(self, name: str) -> Path:
        """Write a picture of the page where a developer can look at it."""
        return self._picture(name, self.page)

    def _picture(self, name: str, part: Page | Locator) -> Path:
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        part.screenshot(path=path)
        return path


class Lab(Tab):
    """One page with JupyterLab in it, and at most one notebook.

    Cells are counted from 0. `console_errors` collects errors and exceptions of the page.
    """

    prefix = ""  # of the names of its pictures

    def __init__(self, server: LabServer, browser: Browser) -> None:
        super().__init__(server, browser)
        self.path = ""
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self._complain(str(error)))
        self._enter()

    def _enter(self) -> None:
        self.page.goto(f"{self.server.url}/lab?reset")
        self._wait_app()

    def close_notebook(self, *, kernels: bool = True) -> None:
        """Close the notebook without saving and, by default, end all kernels."""
        self.page.evaluate(
            """async kernels => {
                 const app = window.jupyterapp;
                 for (const widget of [...app.shell.widgets('main')]) widget.dispose();
                 if (kernels) await app.serviceManager.sessions.shutdownAll(); }""",
            kernels,
        )

    def reset(self) -> None:
        """Reset the page for the next test."""
        self.close_notebook()
        self.page.set_viewport_size(dict(VIEWPORT))  # type: ignore[arg-type]
        self.use_theme("light")

    # --- console errors ---------------------------------------------------

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._complain(f"{message.text} ({message.location.get('url', '')})")

    def _complain(self, text: str) -> None:
        if not any(pattern.search(text) for pattern in HARMLESS):
            self.console_errors.append(text)

    # --- conditions --------------------------------------------------------------------

    def _wait_app(self) -> None:
        self.wait_for("() => window.jupyterapp && window.jupyterapp.shell")
        self.page.evaluate("() => window.jupyterapp.restored.then(() => true)")
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def _panel(self, body: str, arg: Any = None) -> Any:
        """Run JavaScript that sees `panel` (the open notebook), `app` and `arg`."""
        script = f"""async ([path, arg]) => {{
          const app = window.jupyterapp; const panel = ({FIND_PANEL})(path); {body}
        }}"""
        return self.page.evaluate(script, [self.path, arg])

    def command(self, name: str, args: Mapping[str, Any] | None = None) -> None:
        """Run a command of JupyterLab and wait for it."""
        script = "([name, args]) => window.jupyterapp.commands.execute(name, args).then(() => {})"
        self.page.evaluate(script, [name, dict(args or {})])

    # --- the notebook ------------------------------------------------------------------

    def open(self, path: str, *, kernel: bool = True) -> None:
        """Open a notebook (relative to the server's root) and wait until it can be used.

        Without `kernel`, the dialog that asks for one is answered with "no kernel".
        """
        self.path = path
        self._go_to(path)
        self.wait_for(
            f"path => {{ try {{ return ({FIND_PANEL})(path).context.isReady; }}"
            "catch { return false; } }",
            arg=path,
        )
        if kernel:
            self.wait_kernel()
        else:
            self._refuse_kernel()
        self.page.locator(".jp-NotebookPanel:visible .jp-Notebook .jp-Cell").first.wait_for()

    def _go_to(self, path: str) -> None:
        # Not awaited: without a kernel to start, opening only ends once its dialog does.
        self.page.evaluate(
            """path => { void window.jupyterapp.commands.execute(
                 'docmanager:open', {path, factory: 'Notebook'}); }""",
            path,
        )

    def wait_kernel(self) -> None:
        """Wait until the kernel has started and is idle."""
        self.wait_for(
            f"""path => {{
              const session = ({FIND_PANEL})(path).sessionContext;
              return session.isReady && session.session?.kernel?.status === 'idle';
            }}""",
            arg=self.path,
        )

    def _refuse_kernel(self) -> None:
        dialog = self.page.locator(".jp-Dialog")
        dialog.wait_for()
        dialog.locator("button", has_text="No Kernel").click()
        dialog.wait_for(state="detached")

    def start_cell(self, index: int) -> None:
        """Send a cell to the kernel and return at once."""
        # The count is cleared first: else a cell that ran before looks done before it starts.
        self._panel(
            """panel.content.activeCellIndex = arg; panel.content.deselectAll();
               panel.content.widgets[arg].model.executionCount = null;
               void app.commands.execute('notebook:run-cell');""",
            index,
        )

    def run_cell(self, index: int, timeout: float = PATIENCE) -> list[dict[str, Any]]:
        """Run a cell to its end; return its outputs, or fail with the error it ended in."""
        self.start_cell(index)
        self.wait_cell(index, timeout)
        outputs = self.outputs(index)
        for error in (output for output in outputs if output["output_type"] == "error"):
            raise AssertionError("\n".join([error["evalue"], *error["traceback"]]))
        for text in (output["text"] for output in outputs if output.get("name") == "stderr"):
            assert not text.startswith("UsageError"), (
                text
            )  # IPython shows it as one line, not as an error
        return outputs

    def wait_cell(self, index: int, timeout: float = PATIENCE) -> None:
        """Wait until a cell that was sent has ended, with or without an error."""
        self.wait_for(
            f"""([path, index]) => {{
              const cell = ({FIND_PANEL})(path).content.widgets[index];
              return cell.model.executionCount !== null && cell.model.executionState === 'idle';
            }}""",
            timeout,
            arg=[self.path, index],
        )

    def is_running(self, index: int) -> bool:
        """Return whether the kernel has, or is about to get, this cell."""
        state = self._panel("return panel.content.widgets[arg].model.executionState;", index)
        return bool(state == "running")

    def run_all(self, timeout: float = PATIENCE) -> None:
        """Run all cells to the end, or to the first error."""
        self._panel(
            """const code = panel.content.widgets.filter(cell => cell.model.type === 'code');
               code.forEach(cell => { cell.model.executionCount = null; });
               app.commands.execute('notebook:run-all-cells').then(
                 () => { panel.node.dataset.ran = 'all'; });"""
        )
        self.wait_for(
            f"""path => {{
              const node = ({FIND_PANEL})(path).node;
              return node.dataset.ran === 'all' && delete node.dataset.ran;
            }}""",
            timeout,
            arg=self.path,
        )

    def outputs(self, index: int) -> list[dict[str, Any]]:
        """Return a cell's outputs as they would be saved."""
        found: list[dict[str, Any]] = self._panel(
            "return panel.content.widgets[arg].model.outputs.toJSON();", index
        )
        return found

    def cell(self, index: int) -> Locator:
        """Return the whole cell, source and outputs, on the page."""
        return self.page.locator(".jp-NotebookPanel:visible .jp-Notebook .jp-Cell").nth(index)

    def output(self, index: int) -> Locator:
        """Return a cell's output area; search it, not the page, which also has the source."""
        return self.cell(index).locator(".jp-Cell-outputArea")

    def output_text(self, index: int) -> str:
        """Return the text that is visible below the cell."""
        return self.output(index).inner_text()

    def set_source(self, index: int, source: str) -> None:
        """Replace the source of a cell."""
        self._panel(
            "panel.content.widgets[arg[0]].model.sharedModel.setSource(arg[1]);", [index, source]
        )

    def save(self) -> Any:
        """Save the notebook; return it as it is on the disk now."""
        self._panel("await panel.context.save();")
        return nbformat.read(self.server.root / self.path, as_version=4)

    def is_trusted(self, index: int) -> bool:
        """Return whether JupyterLab trusts the outputs of a cell."""
        return bool(self._panel("return panel.content.widgets[arg].model.trusted;", index))

    def interrupt(self) -> None:
        """Interrupt the kernel, as the stop button does."""
        self._panel("await panel.sessionContext.session.kernel.interrupt();")

    def shutdown_kernel(self) -> None:
        """Stop the kernel; the notebook is still open."""
        self._panel("await panel.sessionContext.shutdown();")

    def reload(self) -> None:
        """Reload the page as a user does; the same notebook is opened again."""
        self.page.reload()
        self._wait_app()
        self.open(self.path)

    # --- looking -----------------------------------------------------------------------

    def use_theme(self, name: str) -> None:
        """Change to the "light" or the "dark" theme and wait until it shows."""
        light = name == "light"
        self.command("apputils:change-theme", {"theme": f"JupyterLab {name.title()}"})
        wanted = str(light).lower()
        self.wait_for("light => document.body.dataset.jpThemeLight === light", arg=wanted)
        self.page.locator("#jupyterlab-splash").wait_for(state="detached")

    def screenshot(self, name: str, *, cell: int | None = None) -> Path:
        """Write a picture of the page, or of one cell, where a developer can look at it."""
        part = self.page if cell is None else self.cell(cell)
        return self._picture(f"{self.prefix}{name}", part)

    def video(self, index: int, timeout: float = PATIENCE) -> dict[str, Any]:
        """Wait until the video below a cell can play; return the state of its element."""
        self._wait_video(index, "v => v.readyState >= 2", timeout)
        facts: dict[str, Any] = self._video(index).evaluate(FACTS)
        return facts

    def seek(self, index: int, second: float) -> float:
        """Seek the video below a cell to `second`; return its new time."""
        landed: float = self._video(index).evaluate(SEEK, second)
        return landed

    def play(self, index: int) -> float:
        """Play the video below a cell until its time advances; return the second it reached."""
        self._video(index).evaluate("v => { v.muted = true; return v.play(); }")
        self._wait_video(index, "v => v.currentTime > 0", PATIENCE)
        reached: float = self._video(index).evaluate("v => { v.pause(); return v.currentTime; }")
        return reached

    def _video(self, index: int) -> Locator:
        # A live card hides the player that is saved with it.
        return self.output(index).locator("video:visible").first

    def _wait_video(self, index: int, condition: str, timeout: float) -> None:
        script = f"""index => {{
          const cells = [...document.querySelectorAll('.jp-Notebook .jp-Cell')]
            .filter(cell => cell.checkVisibility());
          const video = [...cells[index]?.querySelectorAll('.jp-Cell-outputArea video') ?? []]
            .find(video => video.checkVisibility());
          return !!video && ({condition})(video);
        }}"""
        self.wait_for(script, timeout, arg=index)


class Notebook7(Lab):
    """The same for Notebook 7: a page is one notebook, and shows nothing before it."""

    prefix = "notebook7-"

    def _enter(self) -> None:
        """Do nothing: the page opens with its notebook."""

    def _go_to(self, path: str) -> None:
        self.page.goto(f"{self.server.url}/notebooks/{quote(path)}")
        self._wait_app()


def open_page(server: LabServer, browser: Browser) -> Lab:
    """Open one more page on a server."""
    return (Notebook7 if server.app is NOTEBOOK else Lab)(server, browser)
