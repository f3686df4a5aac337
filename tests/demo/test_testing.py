"""The demo server as a test double: fixture, control routes, and few dependencies."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from importlib import resources
from pathlib import Path

import httpx
import pytest

from ipyreel.demo.exchange import LogEntry, RequestLog
from ipyreel.demo.faults import ACTIONS, STEPS, FaultError
from ipyreel.demo.testing import video_server
from ipyreel.settings import tomllib

ROOT = Path(__file__).parents[2]
README = resources.files("ipyreel.demo").joinpath("README.md").read_text(encoding="utf-8")
EXTRAS = ("av", "numpy", "PIL", "httpx", "IPython", "ipywidgets", "openai")
ASK = {"prompt": "a red balloon"}


def client(server):
    headers = {"authorization": f"Bearer {server.key}"}
    return httpx.Client(base_url=server.url, headers=headers, trust_env=False, timeout=60)


def test_a_server_for_a_block():
    with video_server() as server, client(server) as http:
        server.add_fault("create", {"status": 429}, count=2)
        codes = [http.post("/videos", json=ASK).status_code for _ in range(3)]
        assert codes == [429, 429, 200]
        assert [one.status for one in server.requests("create")] == codes
        assert server.created() == 1
        job_id = server.requests()[-1].job_id
        server.advance(60)
        assert http.get(f"/videos/{job_id}").json()["status"] == "completed"
        assert http.get(f"/videos/{job_id}/content").content == server.video_bytes(job_id)
        server.add_fault("any", {"reset": True})
        with pytest.raises(httpx.TransportError):
            http.get("/models")
        server.clear_faults()
        assert http.get("/models").status_code == 200
        assert server.key not in repr(server)
        assert server.environ == {"OPENAI_BASE_URL": server.url, "OPENAI_API_KEY": server.key}
    with pytest.raises(httpx.TransportError):
        httpx.get(server.url, trust_env=False)


def test_what_cannot_be_is_an_error():
    with (
        pytest.raises(ValueError, match="'nobody' is not one of: demo, openai"),
        video_server(dialect="nobody"),
    ):
        pass
    with (
        pytest.raises(FaultError, match="creat"),
        video_server(faults=[{"step": "creat", "do": {"reset": True}}]),
    ):
        pass
    with video_server() as server, pytest.raises(LookupError, match="no such job"):
        server.video_bytes("video_1")


def test_the_control_routes():
    with video_server(dialect="demo") as server, client(server) as http:
        http.base_url = server.url.replace("/v1", "/__demo__")
        rules = [{"step": "models", "do": {"status": 503}, "count": 1}]
        assert http.post("/faults", json=rules).json() == {"faults": 1}
        assert http.post("/faults", json=rules[0]).json() == {"faults": 2}
        bad = [*rules, {"step": "models", "do": {"statsu": 503}}]
        refused = http.post("/faults", json=bad)
        assert refused.status_code == 400
        assert "rule 2: do: unknown 'statsu'" in refused.json()["error"]["message"]
        codes = [http.get(f"{server.url}/models").status_code for _ in range(3)]
        assert codes == [503, 503, 200]
        assert http.delete("/faults").json() == {"faults": 0}
        now = http.post("/clock", json={"advance": 0}).json()["now"]
        assert http.post("/clock", json={"advance": 3600}).json()["now"] >= now + 3600
        for steps in (-1, "1", True, None, 1e99):
            assert http.post("/clock", json={"advance": steps}).status_code == 400
        seen = http.get("/requests").json()["requests"]
        assert [one["status"] for one in seen] == codes
        assert http.get("/other").status_code == 404


TEST = """
import pytest

def test_it(video_server):
    import httpx
    key = {"authorization": "Bearer " + video_server.key}
    assert httpx.get(video_server.url + "/models", headers=key).status_code == 200

@pytest.mark.video_server(dialect="aiid", key="k-1", speed=5)
class TestMarks:
    @pytest.mark.video_server(speed=9)
    def test_marks(self, video_server):
        assert video_server.key == "k-1"
        assert video_server._app.config.dialect == "aiid"
        assert video_server._app.config.speed == 9
"""


def environment(tmp_path):
    """Return an environment in which the plugin is installed as pyproject.toml has it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = tmp_path / "site" / "ipyreel_plugin-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: ipyreel-plugin\nVersion: 1\n")
    ((name, value),) = project["entry-points"]["pytest11"].items()
    (info / "entry_points.txt").write_text(f"[pytest11]\n{name} = {value}\n")
    paths = [str(ROOT / "src"), str(tmp_path / "site")]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


LAZY = """
import sys
def test_it():
    loaded = {name for name in sys.modules if name.startswith("ipyreel")}
    assert loaded == {"ipyreel", "ipyreel._version", "ipyreel.demo", "ipyreel.demo.pytest_plugin"}
    assert not {"starlette", "uvicorn", "httpx", "av", "numpy", "PIL"} & sys.modules.keys()
"""


def test_the_plugin_works_in_an_empty_project_and_loads_nothing_before(tmp_path):
    project = tmp_path / "project"
    project.mkdir()
    (project / "test_1.py").write_text(LAZY)
    (project / "test_2.py").write_text(TEST)
    command = [sys.executable, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, "--strict-markers"],
        cwd=project,
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "3 passed" in done.stdout, done.stdout + done.stderr


BLOCKED = """
import sys
for name in {extras!r}:
    sys.modules[name] = None
from ipyreel.demo.__main__ import main
sys.exit(main(["--port", "0", "--exit-with-stdin", *sys.argv[1:]]))
"""


def test_a_stub_needs_no_extra_but_the_web_server(tmp_path):
    code = BLOCKED.format(extras=EXTRAS)
    command = [sys.executable, "-c", code, "--home", str(tmp_path)]
    with subprocess.Popen(
        [*command, "--stub", "--speed", "1000"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        said = json.loads(process.stdout.readline())
        key = {"authorization": f"Bearer {said['key']}"}
        with httpx.Client(base_url=said["url"], headers=key, trust_env=False) as http:
            job = http.post("/videos", json=ASK).json()
            control = said["url"].replace("/v1", "/__demo__/clock")
            http.post(control, json={"advance": 60})
            content = f"/videos/{job['id']}/content"
            assert http.get(content).content[4:8] == b"ftyp"
            assert http.get(content, params={"variant": "thumbnail"}).content[8:12] == b"WEBP"
            assert http.get(content, params={"variant": "spritesheet"}).content[8:12] == b"WEBP"
            form = {"prompt": (None, "x"), "video": ("a.mp4", b"x", "video/mp4")}
            assert http.post("/videos/edits", files=form).status_code == 501
        process.stdin.close()
        assert process.wait(60) == 0
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert 'pip install "ipyreel[demo]"' in json.loads(done.stdout)["hint"]


def test_the_page_names_every_step_and_action():
    table = README[README.index("## Faults") :]
    for name in (*STEPS, *ACTIONS):
        assert f"`{name}`" in table, name
    for name in re.findall(r"`(\w+)`", table[table.index("| `do` |") :]):
        assert name in {*ACTIONS, "do", "true"} or name in table, name


def test_the_page_names_the_dialects_and_routes():
    from ipyreel.demo.dialects import DIALECTS  # noqa: PLC0415 - of this test only

    for name in DIALECTS:
        assert f"`{name}`" in README
    for route in ("GET /__demo__/requests", "POST /__demo__/faults", "POST /__demo__/clock"):
        assert route in README


def entry(fields):
    names = dict.fromkeys(LogEntry.__slots__)
    return LogEntry(**{**names, "query": "", "path": "/", "fields": fields})


def test_the_log_of_requests_is_bounded():
    log = RequestLog(entries=3, size=10_000)
    for number in range(5):
        log.add(entry({"prompt": str(number)}))
    assert [one.fields["prompt"] for one in log.entries()] == ["2", "3", "4"]
    log.add(entry({"prompt": "x" * 9000}))  # too large for its share: kept without its fields
    assert [one.fields for one in log.entries()][-1] is None
    log = RequestLog(entries=1000, size=10_000)
    for _ in range(100):
        log.add(entry({"prompt": "x" * 1000}))
    assert 4 <= len(log.entries()) <= 9
