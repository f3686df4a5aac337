from __future__ import annotations

from pathlib import Path

import pytest
from IPython.core.error import UsageError

from ipyreel.errors import JobFailed
from ipyreel.notebook import api
from ipyreel.notebook.handles.job import Job


def cell(line, prompt="A red balloon over the sea"):
    return f"%%video {line}\n{prompt}"


def videos():
    return sorted(Path("videos").glob("*")) if Path("videos").exists() else []


def test_a_cell_gives_a_job_under_its_name_and_as_its_value(reel, live):
    result = reel.run_cell(cell("clip --seconds 2"), store_history=True)
    job = reel.user_ns["clip"]
    assert isinstance(job, Job)
    assert result.result.id == job.id
    video = job.wait(60)
    assert job.status == "completed"
    assert job.done()
    assert Path(video.path).read_bytes() == live.video_bytes(job.remote_id)
    assert live.posts() == 1


@pytest.mark.parametrize(
    ("line", "prompt", "words"),
    [
        ("--provider nope", "x", ["nope", "demo", "apiyi"]),
        ("--provider apiyi --seconds 10", "x", ["--seconds 10", "sora-2", "4, 8 or 12"]),
        ("-p apiyi --size 1920x1080", "x", ["--size 1920x1080", "1280x720", "sora-2-pro"]),
        ("--provider apiyi", "x", ["apiyi", "APIYI_API_KEY", "%video key apiyi"]),
        ("--image nowhere.png", "x", ["nowhere.png", "No such file"]),
        ("", "A {nobody} on a beach", ["nobody"]),
    ],
)
def test_bad_input_is_one_line_and_sends_nothing(reel, live, line, prompt, words):
    with pytest.raises(UsageError) as caught:
        reel.run_cell(cell(line, prompt))
    text = str(caught.value)
    assert type(caught.value) is UsageError  # a subclass would print a traceback
    assert len(text.splitlines()) == 1
    assert [word for word in words if word not in text] == []
    assert live.log() == []
    assert videos() == []
    assert api.screen().session.history() == []


def test_a_dry_run_shows_the_request_and_sends_nothing(reel, live, monkeypatch):
    monkeypatch.setenv("APIYI_API_KEY", "sk-0123456789abcdef-secret")
    shown = reel.run_cell(cell("-p apiyi -m sora-2-pro -s 8 --size 1280x720 --dry-run")).result
    text = repr(shown)
    assert "POST https://api.apiyi.com/v1/videos" in text
    assert '"seconds": "8"' in text
    assert "about $2.40" in text
    assert "Nothing was sent" in text
    assert "0123456789abcdef" not in text
    assert live.log() == []
    assert api.screen().session.history() == []


def test_a_failed_job_fails_a_waiting_cell(reel, live):
    live.faults.add(
        {
            "step": "retrieve",
            "do": {"job": {"status": "failed", "error": {"code": "moderation_blocked"}}},
        }
    )
    with pytest.raises(JobFailed, match="moderation"):
        reel.run_cell(cell("clip -w"))
    assert reel.user_ns["clip"].status == "failed"


def test_output_is_never_overwritten(reel, live):
    Path("mine.mp4").write_text("precious", encoding="utf-8")
    with pytest.raises(UsageError, match=r"mine\.mp4 exists"):
        reel.run_cell(cell("--output mine.mp4"))
    assert Path("mine.mp4").read_text(encoding="utf-8") == "precious"
    assert live.posts() == 0
    job = reel.run_cell(cell("--output 'my film.mp4' -w")).result
    assert job.path == Path("my film.mp4").absolute()
    assert job.path.exists()


def test_names_of_the_notebook_come_into_the_prompt(reel, live):
    reel.user_ns["mood"] = "calm"
    reel.run_cell(cell("-w", "A {mood} sea with {{braces}}"))
    assert api.screen().session.history()[0].request.prompt == "A calm sea with {braces}"
    reel.run_cell(cell("-w --raw", "A {mood} sea"))
    assert api.screen().session.history()[0].request.prompt == "A {mood} sea"
    assert live.posts() == 2


def test_a_prompt_may_end_in_a_semicolon(reel, capsys):
    reel.run_cell(cell("-w", "A quiet sea;"), store_history=True)
    assert "Done" in capsys.readouterr().out


def test_question_marks_and_help_show_every_option(reel):
    text = reel.object_inspect_text("%%video")
    helped = repr(reel.run_line_magic("video", "--help"))
    for option in ("--provider", "--seconds", "--dry-run", "--max-cost", "--wait"):
        assert option in text
    for verb in ("use", "resume", "doctor"):
        assert f"%video {verb}" in helped


def test_the_names_that_were_filled_in_are_shown(reel, capsys):
    reel.user_ns.update(mood="calm", light="dim")
    reel.run_cell(cell("-w", "A {mood} sea, {light}, {mood}"))
    assert "Filled in from the notebook: {mood}, {light}." in capsys.readouterr().out
    reel.run_cell(cell("--vary light=dim,bright -w", "A {mood} sea, {light}"))
    assert "Filled in from the notebook: {mood}." in capsys.readouterr().out
    assert "{mood}" in repr(reel.run_cell(cell("--dry-run", "A {mood} sea")).result)
    capsys.readouterr()
    reel.run_cell(cell("-w --raw", "A {mood} sea"))
    assert "Filled in" not in capsys.readouterr().out


def test_a_cell_in_a_function_knows_its_variables(reel):
    reel.run_cell(
        "def film(mood):\n"
        "    return get_ipython().run_cell_magic('video', 'clip -s $n', 'A {mood} sea')\n"
        "n, mood = 2, 'stormy'\n"
        "film('calm').wait()"
    )
    assert reel.user_ns["clip"].request.prompt == "A calm sea"
    assert reel.user_ns["clip"].request.seconds == 2


def test_a_line_in_a_function_knows_its_variables(reel):
    reel.run_cell(cell("clip -w", "A calm sea"))
    reel.run_cell(
        "def later(film, words='{film.id}'):\n"
        "    again = get_ipython().run_line_magic('video', 'resume $film')\n"
        "    return get_ipython().run_line_magic('video', 'show {film.id}'), again\n"
        "found, again = later(clip)"
    )
    assert reel.user_ns["found"].id == reel.user_ns["clip"].id
    assert "the video already exists" in repr(reel.user_ns["again"])


def test_a_second_magic_in_a_cell_is_refused(reel, live):
    with pytest.raises(UsageError, match=r"Line 3 is a second %%video.*cell of its own"):
        reel.run_cell("%%video\nA sea\n  %%video --seconds 4\nA wood")
    assert live.posts() == 0


def test_a_deleted_folder_is_one_sentence(reel, tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UsageError, match="working directory was deleted"):
        reel.run_cell(cell("-o mine.mp4"))
    api.close()
    with pytest.raises(UsageError, match="working directory was deleted"):
        reel.run_cell("%video")
    monkeypatch.undo()
