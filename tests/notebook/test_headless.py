"""Without a front end, cells wait, failures stop the run, and `%video wait` waits for all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.support.jupyter import environment
from tests.support.notebooks import write_notebook

pytestmark = pytest.mark.notebook

LOAD = "%load_ext ipyreel"
VIDEO = "%%video\nwaves at {}"
AFTER = "open('after', 'w').close()"
BROKEN = {"step": "retrieve", "do": {"job": {"status": "failed", "error": {"message": "too wet"}}}}


def run(tmp_path, *arguments):
    """Run a module in the folder of the settings; return what became of the process."""
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        env=environment(tmp_path / "kernel", IPYREEL_TRUST=str(Path.cwd())),
        capture_output=True,
        text=True,
        check=False,
    )


def outputs(name):
    """Return the outputs of each code cell of a notebook."""
    return [cell.outputs for cell in nbformat.read(name, as_version=4).cells if "outputs" in cell]


def shows_video(found):
    return any("<video" in output.get("data", {}).get("text/html", "") for output in found)


def test_a_failed_video_stops_papermill(live, tmp_path):
    live.faults.add(BROKEN)
    write_notebook(Path("in.ipynb"), [LOAD, VIDEO.format("dusk"), AFTER])
    ran = run(tmp_path, "papermill", "in.ipynb", "out.ipynb")
    assert ran.returncode != 0
    assert not Path("after").exists()
    error = next(one for found in outputs("out.ipynb") for one in found if "traceback" in one)
    assert error.traceback[0].startswith("JobFailed: too wet")
    assert len(error.traceback) <= 2
    assert live.posts() == 1


def test_a_last_cell_gathers_what_did_not_wait(live, tmp_path):
    settings = Path("ipyreel.toml")
    settings.write_text(f"wait = false\n{settings.read_text('utf-8')}", encoding="utf-8")
    cells = [LOAD, VIDEO.format("dawn"), VIDEO.format("noon"), "%video wait"]
    write_notebook(Path("in.ipynb"), cells)
    ran = run(tmp_path, "nbconvert", "--to", "notebook", "--execute", "--output", "out", "in.ipynb")
    assert ran.returncode == 0, ran.stderr[-3000:]
    _, dawn, noon, last = outputs("out.ipynb")
    assert shows_video(dawn)
    assert shows_video(noon)
    assert [len(dawn), len(noon)] == [1, 1]
    assert last[0]["data"]["text/plain"] == "2 done."
    assert live.posts() == 2


@pytest.mark.parametrize("how", ["ipython", "jupyter run"])
def test_a_script_waits_for_its_videos(live, tmp_path, how):
    script = Path("script.ipy")
    code = "get_ipython().run_line_magic('load_ext', 'ipyreel')\n"
    code += "get_ipython().run_cell_magic('video', 'clip', 'waves')\nprint('is', clip.status)"
    script.write_text(code, encoding="utf-8")
    ran = {
        "ipython": lambda: run(tmp_path, "IPython", "script.ipy"),
        "jupyter run": lambda: run(tmp_path, "jupyter", "run", "script.ipy"),
    }[how]()
    assert "is completed" in ran.stdout, ran.stdout + ran.stderr
    assert live.posts() == 1
