"""Compare: a row that outlives everything, and a bar beside it where one can be."""

from __future__ import annotations

import re
import sys

import pytest
from IPython.core.error import UsageError

from ipyreel.errors import InvalidRequest, VideoError
from ipyreel.notebook import api, compare
from ipyreel.notebook.hosts import Host
from ipyreel.notebook.video import Video

JUPYTER = Host(kind="jupyter", widgets=True, links=True, embeds=True)


@pytest.fixture
def jobs(face):  # noqa: ARG001 - the front end they are shown in
    made = [api.submit("A <b>boat</b>", seed=1), api.submit("A <b>boat</b>", seed=2)]
    for job in made:
        job.wait()
    return made


@pytest.fixture
def shown(monkeypatch):
    found = []
    monkeypatch.setattr(compare, "display", found.append)
    return found


def test_the_row_has_the_videos_and_what_sets_them_apart(jobs, shown):
    row = api.compare(*jobs)
    assert shown[0] is row
    html = row.html()
    assert row.labels == ("seed 1", "seed 2")
    assert re.findall(r'<video src="(videos/[^"]+)"', html) == [
        f"videos/{job.path.name}" for job in jobs
    ]
    assert html.count("&lt;b&gt;boat") == 1  # said once, above
    assert not re.search(r"<source|<style|<script|\bid=|var\(|aria-", html)
    assert repr(row).splitlines()[0] == f"seed 1: {jobs[0].path}"


def test_the_bar_knows_its_row_and_the_frames(jobs, shown):
    row = api.compare(*jobs)
    assert shown[0] is row
    bar = shown[1]
    assert f'class="{bar.row}"' in row.html()
    assert bar.rate == 24


def test_without_anywidget_there_is_the_row_and_a_sentence(jobs, shown, monkeypatch):
    monkeypatch.setitem(sys.modules, "anywidget", None)
    row = api.compare(*jobs)
    assert shown == [row]
    assert "ipyreel[compare]" in row.html()


def test_without_widgets_there_is_the_row(jobs, face, shown):
    face.host = Host(kind="headless", embeds=True)
    row = api.compare(*jobs)
    assert shown == [row]
    assert "anywidget" not in row.html()
    assert row.html().count("data:video/mp4;base64,") == 2


@pytest.mark.usefixtures("shown")
def test_files_are_told_apart_by_their_names(jobs, face):
    videos = [Video(job.path, host=JUPYTER, folder=face.folder) for job in jobs]
    row = api.compare(*videos)
    assert row.labels == tuple(job.path.name for job in jobs)


def test_two_to_six_finished_videos(jobs, reel, live):
    with pytest.raises(InvalidRequest, match="2 to 6"):
        api.compare(*jobs[:1])
    with pytest.raises(InvalidRequest, match="2 to 6"):
        api.compare(*jobs * 4)
    live.faults.add({"step": "create", "do": {"status": 400}})
    failed = api.submit("waves")
    with pytest.raises(VideoError):
        failed.wait()
    with pytest.raises(UsageError, match="no video to compare"):
        reel.run_cell(f"%video compare {jobs[0].id} {failed.id}")
