"""Compare: a row of players that needs no kernel, with a bar where scripts run."""

from __future__ import annotations

import re

import pytest
from IPython.core.error import UsageError
from IPython.utils.capture import capture_output

from ipyreel.errors import InvalidRequest, VideoError
from ipyreel.notebook import api
from ipyreel.notebook.handles import compare
from ipyreel.notebook.handles.video import Video
from tests.notebook.conftest import JUPYTER


@pytest.fixture
def jobs(screen):  # noqa: ARG001 - the front end they are shown in
    made = [api.submit("A <b>boat</b>", seed=1), api.submit("A <b>boat</b>", seed=2)]
    for job in made:
        job.wait()
    return made


def test_it_is_the_value_of_its_cell_and_not_shown_besides(reel, jobs):
    reel.run_cell("import ipyreel")
    for cell in ("%video compare {} {}", "ipyreel.compare('{}', '{}')"):
        with capture_output() as shown:
            value = reel.run_cell(cell.format(*(job.id for job in jobs))).result
        assert isinstance(value, compare.Row)
        assert shown.outputs == []


def test_the_row_has_the_videos_and_what_sets_them_apart(jobs):
    row = api.compare(*jobs)
    html = row.html()
    assert row.labels == ("seed 1", "seed 2")
    assert re.findall(r'<video src="(videos/[^"]+)"', html) == [
        f"videos/{job.path.name}" for job in jobs
    ]
    assert html.count("&lt;b&gt;boat") == 1  # said once, above
    # What is left of it in a notebook that is not trusted.
    bare = re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.DOTALL)
    assert bare.count("controls") == 2
    assert not re.search(r"<source|<style|<script|\bid=|var\(|aria-", bare)
    assert repr(row).splitlines()[0] == f"seed 1: videos/{jobs[0].path.name}"


def test_the_bar_is_saved_with_the_row_and_knows_the_frames(jobs):
    html = api.compare(*jobs).html()
    assert html.startswith('<div data-rate="24">')
    assert html.count("<script>") == html.count("</script>") == 1
    assert len(html) < 10_000
    script = html.partition("<script>")[2].partition("</script>")[0]
    assert "//" not in script
    assert "All videos together" in script


def test_files_are_told_apart_by_their_names(jobs, screen):
    videos = [Video(job.path, host=JUPYTER, folder=screen.folder) for job in jobs]
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
