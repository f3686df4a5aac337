"""JupyterHub with two users of the system, set up as `notebooks/70_for_teachers.ipynb` says.

Skipped without root, since it makes two users, and without `jupyterhub` and its proxy.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from ipyreel.demo.requests import Refused
from tests.browser.conftest import HOLDS
from tests.support.demo import running_demo
from tests.support.jupyter import package_folder
from tests.support.lab import ROOT, Lab, Server, write_notebook
from tests.support.ports import free_port


def for_all(path):
    """Whether every user may enter all folders up to a path."""
    return all(folder.stat().st_mode & 0o001 for folder in (path, *path.parents))


PROXY = "configurable-http-proxy"
PYTHON = [Path(sys.executable).resolve(), Path(sys.prefix), Path(package_folder())]
MISSING = [
    *(["root"] if os.name != "posix" or os.geteuid() != 0 else []),
    *(["jupyterhub"] if importlib.util.find_spec("jupyterhub") is None else []),
    *(name for name in (PROXY, "useradd") if shutil.which(name) is None),
    *([] if all(map(for_all, PYTHON)) else ["a Python that other users can run"]),
]
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(bool(MISSING), reason=f"needs {', '.join(MISSING)}"),
]

ANNA, BEN = "reel-anna", "reel-ben"
KEYS = {ANNA: "sk-anna", BEN: "sk-ben"}
PAGE = nbformat.read(ROOT / "notebooks" / "70_for_teachers.ipynb", as_version=4)
TEXT = "\n".join(cell.source for cell in PAGE.cells)
CONFIG = """
c.JupyterHub.bind_url = "http://127.0.0.1:{port}/"
c.JupyterHub.hub_bind_url = "http://127.0.0.1:{hub}/"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{api}/"
c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True
c.Spawner.cmd = [{python!r}, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--LabApp.expose_app_in_browser=True"]
c.Spawner.default_url = "/lab"
"""


class Gateway:
    """What a gateway adds to the demo's provider: keys of its own, each with a budget."""

    def __init__(self, provider, budgets):
        self._provider = provider
        self.left = {f"Bearer {KEYS[name]}": budget for name, budget in budgets.items()}

    def __getattr__(self, name):
        return getattr(self._provider, name)

    def check_key(self, call):
        """Refuse unknown keys, as LiteLLM does."""
        if call.headers.get("authorization") not in self.left:
            raise Refused(401, "Authentication Error, Invalid proxy server token passed.")

    def reply(self, call, body, **more):
        """Count what a key makes, and refuse more than its budget."""
        self.check_key(call)
        key = call.headers["authorization"]
        if call.step == "create":
            if not self.left[key]:
                raise Refused(400, "Budget has been exceeded!", code="budget_exceeded")
            self.left[key] -= 1
        return self._provider.reply(call, body, **more)


def shell(word):
    """Return the shell blocks of the page's text that contain a word."""
    return [code for code in re.findall(r"```bash\n(.*?)```", TEXT, re.DOTALL) if word in code]


def run(command, folder):
    """Run a command of the page, as root."""
    subprocess.run(["bash", "-euc", command], cwd=folder, check=True)


class Hub(Server):
    """A JupyterHub whose configuration is what the page says, and where it listens."""

    ready = "/hub/health"

    def __init__(self, root, home, gateway):
        self._gateway = gateway
        super().__init__(root, home)

    def _prepare(self):
        keys = self.home / "video-keys.json"
        keys.write_text(json.dumps(KEYS), encoding="utf-8")
        keys.chmod(0o600)
        (told,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
        replaced = {
            "/etc/jupyterhub/video-keys.json": str(keys),
            "https://gateway.example.edu/v1": self._gateway,
            'BUDGET_TOTAL"] = "5"': 'BUDGET_TOTAL"] = "0.9"',
        }
        for word, here in replaced.items():
            assert word in told
            told = told.replace(word, here)
        ports = {"port": self.port, "hub": free_port(), "api": free_port()}
        mine = CONFIG.format(**ports, python=sys.executable)
        (self.root / "jupyterhub_config.py").write_text(told + mine, encoding="utf-8")

    def _command(self):
        return ["jupyterhub", "-f", str(self.root / "jupyterhub_config.py")]


class Desk(Lab):
    """A student's JupyterLab on the hub, in a browser of the student's own."""

    def __init__(self, hub, browser, name):
        self.name = name
        url, root = f"{hub.url}/user/{name}", Path(f"~{name}").expanduser()
        super().__init__(SimpleNamespace(url=url, root=root, hub=hub.url), browser)

    def _enter(self):
        self.page.goto(f"{self.server.hub}/hub/login?next=/hub/spawn")
        self.page.locator("[name=username]").fill(self.name)
        self.page.locator("[name=password]").fill("any")
        self.page.locator("#login_submit").click()
        self._wait_app()

    def write(self, path, cells):
        """Write a notebook that belongs to the student."""
        write_notebook(self.server.root / path, cells)
        owner = f"{self.name}:{self.name}"
        subprocess.run(["chown", "--recursive", owner, self.server.root], check=True)
        self.open(path)


@pytest.fixture(scope="module")
def students():
    """Two users of the system, as a hub's spawner needs them; gone with their homes at the end."""
    for name in KEYS:
        subprocess.run(["useradd", "--create-home", "--shell=/bin/bash", name], check=True)
    yield
    for name in KEYS:
        subprocess.run(["pkill", "-KILL", "-u", name], check=False)
        subprocess.run(["userdel", "--remove", name], check=True, capture_output=True)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory):
    home = tmp_path_factory.mktemp("gateway")
    with running_demo(home, dialect="openai", speed=20) as demo:
        demo.app.provider = Gateway(demo.app.provider, {ANNA: 9, BEN: 1})
        yield demo


@pytest.fixture(scope="module")
def hub(students, gateway, tmp_path_factory):  # noqa: ARG001 - they must exist first
    home = tmp_path_factory.mktemp("hub-home")
    server = Hub(tmp_path_factory.mktemp("hub"), home, gateway.url)
    yield server.wait_ready()
    server.stop()


LOAD = "%load_ext ipyreel"
VIDEO = """%%video clip --seconds 4 --size 1280x720
A paper boat on a dark sea"""
LONG = VIDEO.replace("--seconds 4", "--seconds 12")
LOOK = f"""import os, subprocess
def found(*words):
    return subprocess.run(words, capture_output=True, text=True).stdout.split()
home = os.path.expanduser("~{ANNA}")
print("library", found("find", home, "-path", "*/ipyreel/*", "-readable"))
print("requests", found("find", home, "-path", "*/videos/*.json", "-readable"))
print("keys", found("grep", "-l", "{KEYS[ANNA]}", "-r", "/proc", "--include=environ"))
print("folder", found("ls", home))
%video history"""


def wait_error(desk, index):
    """Run a cell that fails, and return what is read below it."""
    desk.start_cell(index)
    desk.wait_cell(index)
    return desk.output_text(index)


def test_a_student_has_a_key_and_budgets_and_saves_the_video(hub, gateway, browser):
    anna = Desk(hub, browser, ANNA)
    anna.write("examples/boot ü.ipynb", [LOAD, VIDEO, "clip.wait()", LONG, "%video doctor"])
    gateway.faults.add(HOLDS)
    anna.run_cell(0)
    anna.run_cell(1)
    anna.output(1).locator("[role=progressbar]").wait_for()
    anna.screenshot("hub-card", cell=1)
    gateway.faults.clear()
    anna.run_cell(2)
    assert f"/user/{ANNA}/files/examples/videos/" in anna.video(1)["src"]
    assert anna.play(1) > 0
    anna.screenshot("hub-video", cell=1)
    assert gateway.app.provider.left == {"Bearer sk-anna": 8, "Bearer sk-ben": 1}
    assert "max_cost of 1.00 USD (IPYREEL_MAX_COST)" in wait_error(anna, 3)
    anna.run_cell(4)
    assert "the server returned a test file" in anna.output_text(4)
    assert "<video src=" in str(anna.save().cells[1].outputs)
    anna.shutdown_kernel()
    anna.reload()
    assert anna.is_trusted(1)
    assert anna.play(1) > 0
    anna.set_source(3, VIDEO + " at night")
    anna.run_cell(0)
    anna.run_cell(3)
    assert "the total budget of 0.90 USD" in wait_error(anna, 3)
    anna.close()


def test_another_student_sees_the_examples_and_nothing_else(hub, browser):
    for command in shell("chmod 700"):
        homes = " ".join(str(Path(f"~{name}").expanduser()) for name in KEYS)
        run(command.replace("/home/*", homes), "/")
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # not pytest's, which is private
        Path(folder).chmod(0o755)
        teacher, student = (command.replace("/srv", folder) for command in shell("cp -r"))
        run(teacher, Path(f"~{ANNA}").expanduser())
        ben = Desk(hub, browser, BEN)
        cells = [LOAD, VIDEO, "clip.wait()", VIDEO + "!", "clip.wait()", LOOK, f"!{student}"]
        ben.write("ben.ipynb", cells)
        for index in (0, 1, 2, 3, 5, 6):
            ben.run_cell(index)
        assert "Budget has been exceeded!" in wait_error(ben, 4)
        seen = ben.output_text(5)
        assert seen.startswith("library []\nrequests []\nkeys []\nfolder []\n")
        assert seen.count("A paper boat") == 2
        ben.screenshot("hub-other", cell=5)
    ben.open("examples/boot ü.ipynb")
    assert not ben.is_trusted(1)
    assert ben.play(1) > 0
    ben.screenshot("hub-examples", cell=1)
    ben.page.goto(f"{hub.url}/user/{ANNA}/lab")
    assert "You do not have permission" in ben.page.locator("body").inner_text()
    ben.close()
