"""The harness itself: if these fail, believe no other test in this folder."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from tests.support.lab import write_notebook

pytestmark = pytest.mark.browser

SHOW = """from IPython.display import HTML
HTML('<video src="clip.mp4" controls preload="metadata" width="320"></video>')"""


def make_clip(path: Path, *, seconds: int = 2) -> Path:
    """Write a small H.264 file: a grey that brightens."""
    with av.open(str(path), "w", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=24)
        stream.width, stream.height, stream.pix_fmt = 160, 96, "yuv420p"
        stream.time_base = Fraction(1, 24)
        for index in range(24 * seconds):
            picture = np.full((96, 160, 3), index * 4, dtype=np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode(None))
    return path


def test_cells_run_and_what_they_print_is_read(server, lab):
    write_notebook(server.root / "plain.ipynb", ["print('hel' + 'lo')", "1 / 0"])
    lab.open("plain.ipynb")
    assert lab.run_cell(0)[0]["text"] == "hello\n"
    assert lab.output_text(0).strip() == "hello"
    with pytest.raises(AssertionError, match="division by zero"):
        lab.run_cell(1)
    assert lab.console_errors == []


def test_a_video_plays_live_and_in_a_fresh_server_with_no_kernel(
    server, lab, open_page, start_server
):
    make_clip(server.root / "clip.mp4")
    write_notebook(
        server.root / "clip.ipynb", [SHOW, "print('begun')\nimport time; time.sleep(3600)"]
    )
    lab.open("clip.ipynb")
    lab.run_cell(0)
    facts = lab.video(0)
    assert (facts["width"], facts["height"]) == (160, 96)
    assert facts["duration"] == pytest.approx(2, abs=0.1)
    assert lab.seek(0, 1.5) == pytest.approx(1.5)
    assert lab.is_trusted(0)
    lab.start_cell(1)
    lab.output(1).get_by_text("begun").wait_for()  # an earlier interrupt would be lost
    assert lab.is_running(1)
    lab.interrupt()
    lab.wait_cell(1)
    lab.use_theme("dark")
    assert lab.screenshot("harness-dark").stat().st_size > 0
    saved = lab.save()
    assert "<video" in saved.cells[0].outputs[0]["data"]["text/html"]
    lab.shutdown_kernel()
    assert not lab.has_kernel()

    stranger = open_page(start_server(server.root, kernels=False))
    stranger.open("clip.ipynb", kernel=False)
    assert not stranger.has_kernel()
    assert not stranger.is_trusted(0)
    assert stranger.video(0)["width"] == 160
    assert stranger.play(0) > 0


def test_reload_keeps_kernel_and_saved_outputs(server, lab):
    write_notebook(server.root / "reload.ipynb", ["word = 'kept'", "print(word)"])
    lab.open("reload.ipynb")
    lab.run_cell(0)
    lab.save()
    lab.reload()
    lab.run_cell(1)
    assert lab.output_text(1).strip() == "kept"


def test_run_all_ends_with_the_first_error_or_the_last_cell(server, lab):
    write_notebook(server.root / "all.ipynb", ["print(1)", "assert stop", "print(3)"])
    lab.open("all.ipynb")
    lab.run_all()
    assert lab.outputs(1)[0]["ename"] == "NameError"
    assert lab.outputs(2) == []
    lab.set_source(1, "stop = True")
    lab.run_all()
    assert [lab.output_text(index).strip() for index in (0, 2)] == ["1", "3"]
