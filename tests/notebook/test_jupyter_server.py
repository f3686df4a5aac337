"""A kernel finds its Jupyter server, and what that serves."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path

import pytest
from jupyter_client import BlockingKernelClient

from ipyreel.notebook import jupyter_server
from tests.support.lab import Server
from tests.support.ports import free_port

TOKEN = "secret-of-the-server"
ASK = """import json, os, pathlib
from ipyreel.notebook import frontends, jupyter_server
server = jupyter_server.find(get_ipython(), os.environ)
document = frontends.find_document(get_ipython())
print(json.dumps({
    "root": str(server.root),
    "notebooks": [str(one) for one in server.notebooks(jupyter_server.kernel_id(get_ipython()))],
    "check": server.check(pathlib.Path.cwd()),
    "folder": str(document.folder),
    "known": document.known,
}))"""


class Running(Server):
    """A Jupyter server with one kernel, asked as a front end asks it."""

    ready = "/api"  # the one address that needs no token

    def _command(self):
        return [
            *("jupyter_server", "--allow-root", "--no-browser"),
            *(f"--port={self.port}", "--ServerApp.port_retries=0"),
            *(f"--ServerApp.root_dir={self.root}", f"--IdentityProvider.token={TOKEN}"),
            f"--ServerApp.base_url={self.base_url}",
        ]

    def start_kernel(self):
        """Open the notebook, as a person does."""
        self.kernel = self.ask("POST", "sessions", self.session("sub/a.ipynb"))["kernel"]["id"]
        file = Path(self._env["JUPYTER_RUNTIME_DIR"]) / f"kernel-{self.kernel}.json"
        self.client = BlockingKernelClient(connection_file=str(file))
        self.client.load_connection_file()
        self.client.start_channels(hb=False)  # which misses beats on a busy machine
        self.client.wait_for_ready(60)

    @staticmethod
    def session(path, **kernel):
        return {
            "path": path,
            "name": path,
            "type": "notebook",
            "kernel": {"name": "python3", **kernel},
        }

    def ask(self, method, path, data=None):
        request = urllib.request.Request(  # noqa: S310
            f"{self.url}/api/{path}",
            method=method,
            data=None if data is None else json.dumps(data).encode(),
            headers={"Authorization": f"token {TOKEN}", "Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as reply:  # noqa: S310
            return json.loads(reply.read() or b"{}")

    def facts(self):
        """Return what the kernel finds out."""
        said = []
        self.client.execute_interactive(
            ASK, timeout=60, output_hook=lambda message: said.append(message["content"])
        )
        (text,) = [one["text"] for one in said if one.get("name") == "stdout"]
        assert TOKEN not in text
        return json.loads(text)


@pytest.fixture
def running(tmp_path):
    (tmp_path / "root" / "sub").mkdir(parents=True)
    (tmp_path / "root" / "sub" / "a.ipynb").write_text("{}")
    # No extension of this machine: each takes a while to start, and none is asked for anything.
    server = Running(
        tmp_path / "root", tmp_path / "home", base_url="/user/zoe%2Bann/", JUPYTER_NO_CONFIG="1"
    )
    server.wait_ready().start_kernel()
    yield server
    server.client.stop_channels()
    server.stop()


def test_a_kernel_knows_where_its_notebook_is_and_what_is_served(running):
    found = running.facts()
    sub = str(running.root / "sub")
    assert found["root"] == str(running.root)
    assert found["notebooks"] == [f"{sub}/a.ipynb"]
    assert (found["folder"], found["known"]) == (sub, True)
    assert found["check"] == [True, "the server returned a test file"]
    assert [path.name for path in (running.root / "sub").iterdir()] == ["a.ipynb"]

    # The notebook is moved: the server knows.
    (session,) = running.ask("GET", "sessions")
    (running.root / "other").mkdir()
    (running.root / "sub" / "a.ipynb").rename(running.root / "other" / "a.ipynb")
    running.ask("PATCH", f"sessions/{session['id']}", {"path": "other/a.ipynb"})
    assert running.facts()["folder"] == str(running.root / "other")

    # A second notebook, in another folder, uses the same kernel.
    running.ask("POST", "sessions", running.session("b.ipynb", id=running.kernel))
    assert not running.facts()["known"]


def test_what_leaves_the_root_by_a_link_is_not_served(tmp_path):
    root, outside = tmp_path / "root", tmp_path / "outside"
    for folder in (root / "videos", outside):
        folder.mkdir(parents=True)
    (root / "out").symlink_to(outside)
    (root / "inner").symlink_to(root / "videos")
    (tmp_path / "link").symlink_to(root)
    server = jupyter_server.Server(root, "http://127.0.0.1:1/", "")
    assert server.serves(root / "videos" / "a.mp4")
    assert server.serves(root / "inner" / "a.mp4")
    assert not server.serves(root / "out" / "a.mp4")
    assert not server._replace(root=tmp_path / "link").serves(tmp_path / "link" / "a.mp4")


def test_a_server_without_a_token_or_an_answer_is_not_checked(tmp_path):
    server = jupyter_server.Server(tmp_path, f"http://127.0.0.1:{free_port()}/", "")
    assert server.notebooks("k") is None
    assert server.check(tmp_path) == (None, "not checked: the server has no token")
    gone = server._replace(token=TOKEN)
    assert gone.notebooks("k") is None
    assert gone.check(tmp_path) == (None, "not checked: the server did not answer")
    assert gone.check(tmp_path.parent)[0] is False
    assert list(tmp_path.glob("*.txt")) == []


@pytest.mark.parametrize("pid", ["", "handle", "1"])
def test_no_server_is_found_where_none_is_named(pid):
    assert jupyter_server.find(None, {"JPY_PARENT_PID": pid}) is None
