"""Ratings, votes and results in the notebook survive kernels."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import sys

import pytest
from IPython.core.error import UsageError

from ipyreel import merge_votes
from ipyreel.errors import InvalidRequest
from ipyreel.notebook import api
from ipyreel.notebook.frontends import FrontEnd
from tests.notebook.conftest import hurry, said
from tests.support.demo import running_demo


@pytest.fixture(scope="module")
def studio(tmp_path_factory):
    """A demo server that renders, and a library with two moods, each in two samples."""
    root = tmp_path_factory.mktemp("studio")
    with running_demo(root / "server", speed=50) as demo, pytest.MonkeyPatch.context() as patch:
        toml = f'provider = "lab"\n[providers.lab]\nbase_url = "{demo.url}"\ndialect = "openai"\n'
        (root / "ipyreel.toml").write_text(toml, encoding="utf-8")
        patch.chdir(root)
        patch.setenv("IPYREEL_TRUST", str(root))
        patch.setenv("IPYREEL_HOME", str(root / "home"))
        hurry()
        moods = {"mood": ["calm", "stormy"]}
        films = api.sweep("A {mood} sea", **moods, count=2, seed=1, seconds=1, size="64x64")
        films.wait()
        api.close()
        yield root, demo, films.id


@pytest.fixture
def live(studio):
    """The studio's server; its library is that of the test, as if made in an earlier kernel."""
    root, demo, _ = studio
    shutil.copytree(root / "home", os.environ["IPYREEL_HOME"])
    shutil.copy(root / "ipyreel.toml", "ipyreel.toml")
    yield demo
    demo.faults.clear()


@pytest.fixture
def films(reel, studio):
    """The sweep of the studio's library, as the variable `films`."""
    return reel.run_cell(f"films = %video show {studio[2]}\nfilms").result


def test_votes_decide_and_survive_the_kernel(reel, films, tmp_path):
    calm, stormy = films[:2], films[2:]
    assert "No votes yet" in said(reel, "results films")
    for person in range(10):
        api.vote(stormy[person % 2], calm[person // 2 % 2], who=f"p{person}")
    assert ">" in said(reel, f"vote {calm[0].id} {stormy[0].id} --as Zoe")
    assert "was removed" in said(reel, "vote --undo --as Zoe")
    assert "no vote to remove" in said(reel, "vote --undo --as Zoe")
    text = said(reel, "results films")
    assert "10 votes by 10 people." in text
    assert "mood=stormy beats calm 10:0, 95 % interval 0.72-1.00: decided." in text
    assert "No scores yet" in text
    said(reel, f"vote {calm[0].id} {stormy[0].id} --tie --as Zoe")
    result = films.results()
    first = result.data.standings[0]
    assert first.setting == "stormy"
    assert first.score > 0
    assert "●" in result.text
    assert result.html.count("display:flex") == 2  # one bar for each setting
    path = films.export_votes(tmp_path / "votes.json")
    api.close()  # as if the kernel had ended
    hurry()
    assert repr(reel.run_cell(f"%video show {films.id}").result.results()) == result.text
    assert merge_votes(path) == 0


def test_ratings_come_back_as_columns(reel, films):
    assert "stars" not in films.to_dict()[films[0].id]
    assert "★★★★☆ by Ann" in said(reel, f"rate {films[0].id} 4 it's sharp --tag keep --as Ann")
    api.rate(films[0], 2, tags=["keep", "sea"], who="Bo")
    row = films.to_dict()[films[0].id]
    assert (row["stars"], row["notes"], row["tags"]) == (3, "it's sharp", "keep, sea")
    assert films.to_dict()[films[1].id]["stars"] is None
    assert "was removed" in said(reel, f"rate {films[0].id} 0 --as Bo")
    assert films.to_dict()[films[0].id]["stars"] == 4


def test_stars_and_notes_are_given_under_every_video(reel, films):
    assert "%video rate" in said(reel, f"rate {films.id}")  # no widgets here
    api.screen().host = FrontEnd(kind="jupyter", widgets=True, embeds=True)
    panel = reel.run_cell("%video rate films").result
    assert [len(one.children) for one in panel.tiles] == [3] * 4
    _, stars, fields = panel.tiles[1].children
    stars.value = 4
    assert "stars saved" in status(panel)
    fields.note.value, fields.tags.value = "sharp ", "sea, , keep"
    row = films.to_dict()[films[1].id]
    assert (row["stars"], row["notes"], row["tags"]) == (4, "sharp", "sea, keep")
    fields.note.value = "x" * 2001
    assert "at most 2000" in status(panel)
    saved = panel.static_copy()
    assert "★★★★☆  sharp  sea, keep" in saved["text/plain"]
    assert films[0].id not in saved["text/html"]
    path = films[3].path
    moved = path.rename(path.with_suffix(".bak"))
    other = films[3:].rate()
    moved.rename(path)
    assert "no longer exists" in str(other.tiles[0].children[0].outputs)
    assert other.static_copy()["text/plain"] == repr(other)  # nothing is rated
    again = films[1:2].rate()
    assert (again.tiles[0].children[1].value, again.tiles[0].children[2].note.value) == (4, "sharp")
    again.tiles[0].children[1].value = 0
    assert "★" not in again.static_copy()["text/html"]


def test_the_history_is_narrowed_by_stars_and_tags(reel, films):
    api.rate(films[0], 4, "overseas", tags=["keep"])
    api.rate(films[1], 2, tags=["sea"])
    for line, found in [("--rating 4", films[:1]), ("--rating 2 calm", films[:2]),
                        ("--tag sea", films[1:2]), ("--tag sea --tag keep", ())]:  # fmt: skip
        text = said(reel, f"history {line}")
        assert [job for job in films if job.id in text] == list(found)
    assert api.history(rating=3, tags=["keep"]) == films[:1]


def test_columns_of_rows_are_lost_under_none_of_our_names(reel, tmp_path):
    row = {
        "id": 7,
        "notes": "mine",
        "file_name": "a.txt",
        "video": "b.mp4",
        "seconds": 1,
        "who": "Ann",
        "prompt": "sea",
    }
    reel.user_ns["rows"] = [row, {**row, "id": 8}]
    films = reel.run_cell("%%video films --rows $rows --size 64x64 -w\nA {prompt}").result
    api.rate(films[0], 4, "sharp")
    found = films.to_dict()[films[0].id]
    assert (found["id"], found["row_id"]) == (films[0].id, 7)
    assert (found["notes"], found["row_notes"], found["who"]) == ("sharp", "mine", "Ann")
    assert (found["prompt"], found["row_prompt"]) == ("A sea", "sea")
    assert "row_seconds" not in found
    line, _ = lines(films.to_dataset(tmp_path / "given") / "metadata.jsonl")
    assert (line["file_name"], line["filename"]) == (f"videos/{films[0].id}.mp4", "a.txt")
    assert "video" not in line  # the column that the loader makes


def press(judge, name):
    """Click a button of the panel."""
    waiting = [judge]
    while (one := waiting.pop(0)) and getattr(one, "description", None) != name:
        waiting += getattr(one, "children", ())
    one.click()


def status(judge):
    return judge.status.value.partition(">")[2].removesuffix("</div>")


def test_blind_pairs_until_there_are_enough_votes(reel, films):
    api.screen().host = FrontEnd(kind="jupyter", widgets=True, embeds=True)
    judge = reel.run_cell("%video judge films --votes 3 --as Ann").result
    shown = judge._stage.outputs[0]["data"]["text/html"]
    assert "A {mood} sea" in shown
    assert not re.search(r"calm|stormy|\bv[0-9a-z]{7}\b", re.sub(r"base64,[^\"]*", "", shown))
    assert status(judge) == "0 of 3 votes. Which video is better?"
    assert "stormy" not in judge.static_copy()["text/html"]
    for name, line in [("← Left", "1 of 3"), ("↓ Tie", "2 of 3"), ("Undo", "1 of 3")]:
        press(judge, name)
        assert status(judge).startswith(line)
    judge._heard(None, {"key": "tie", "turn": judge._turn - 1}, [])  # for the pair before
    assert status(judge).startswith("1 of 3")
    judge._heard(None, {"key": "right", "turn": judge._turn}, [])
    judge._heard(None, {"key": "undo", "turn": judge._turn}, [])
    press(judge, "↓ Tie")
    press(judge, "Right →")
    assert judge._stage.outputs == ()
    text = films.results().text
    assert "3 votes by 1 person." in text
    assert text in judge.static_copy()["text/plain"]
    assert "Votes are in the library." in status(judge)
    again = films.judge(3, who="Ann")  # as in a notebook that is run again
    assert "3 votes by 1 person." in again.static_copy()["text/html"]
    press(again, "Judge 3 more")
    press(again, "← Left")  # of four pairs the last
    press(again, "Stop and show the result")
    assert "4 votes" in again.static_copy()["text/plain"]
    api.close()
    assert "session that was closed" in status(judge)


def test_missing_keys_are_noticed_and_the_buttons_do_the_same(reel, films, monkeypatch):
    api.screen().host = FrontEnd(kind="jupyter", widgets=True, embeds=True)
    judge = films.judge()
    asyncio.run(judge.notice_absence(0))
    assert "where JupyterLab runs" in judge._hint.value
    judge._heard(None, {"key": "here"}, [])  # a busy kernel hears late
    asyncio.run(judge.notice_absence(0))
    assert "Space plays" in judge._hint.value
    monkeypatch.setitem(sys.modules, "anywidget", None)
    plain = films.judge()
    assert "ipyreel[experiments]" in plain._hint.value
    press(plain, "← Left")
    assert status(plain).startswith("1 of 20")
    api.screen().host = FrontEnd(kind="terminal")
    assert "%video vote BETTER WORSE" in said(reel, "judge films")


def test_what_cannot_be_judged_is_one_line(reel, films, live):
    live.faults.add({"step": "retrieve", "do": {"job": {"status": "queued"}}})
    job = reel.run_cell("%%video clip -s 1 --size 64x64\nA sea").result
    for line, words in (
        ("rate films 4", "films has 4 jobs"),
        ("rate ONE 7", "'7' is not 1 to 5"),
        ("rate", "name a job"),
        ("rate clip", "no finished video"),
        ("rate ONE --as Ann", "need a number of stars"),
        ("rate clip 3", "no video to judge"),
        ("vote ONE", "name two jobs"),
        ("vote ONE ONE", "two different videos"),
        ("results ONE", "is one job"),
        ("judge ONE", "is one job"),
        ("judge films[:2]", "no job"),
    ):
        with pytest.raises(UsageError, match=words):
            said(reel, line.replace("ONE", films[0].id))
    assert not job.done()


@pytest.fixture
def folder(films, tmp_path):
    """A dataset of the films with one vote for stormy, one tie and one rating."""
    api.vote(films[2], films[0], who="Ann")
    api.vote(films[3], films[1], tie=True, who="Bo")
    api.rate(films[0], 4, "flat", tags=["sea"], who="Ann")
    return films.to_dataset(tmp_path / "given")


def lines(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def elsewhere(folder, tmp_path, monkeypatch):
    """The folder, and another person's empty library in the same process."""
    api.close()
    monkeypatch.setenv("IPYREEL_HOME", str(tmp_path / "other"))
    return folder


def test_a_dataset_holds_videos_settings_and_preferences(films, folder):
    rows = lines(folder / "metadata.jsonl")
    assert [row["mood"] for row in rows] == ["calm", "calm", "stormy", "stormy"]
    assert rows[0]["prompt"] == "A calm sea"
    assert (rows[0]["stars"], rows[0]["tags"], rows[1]["stars"]) == (4, "sea", None)
    for row, job in zip(rows, films, strict=True):
        assert (folder / row["file_name"]).read_bytes() == job.path.read_bytes()
    (preference,) = lines(folder / "preferences.jsonl")
    assert preference["chosen"] == rows[2]["file_name"]
    assert preference["prompt"] is None  # the two prompts differ
    assert preference["rejected_prompt"] == "A calm sea"
    with pytest.raises(InvalidRequest, match="exists"):
        films.to_dataset(folder)


def test_hugging_faces_library_reads_a_dataset(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    datasets = pytest.importorskip("datasets")
    videos = datasets.load_dataset(str(folder), split="train")
    assert videos["mood"] == ["calm", "calm", "stormy", "stormy"]
    assert isinstance(videos.features["video"], datasets.Video)
    votes = datasets.load_dataset(
        "json", data_files=str(folder / "preferences.jsonl"), split="train"
    )
    assert votes["who"] == ["Ann"]


def test_a_dataset_is_loaded_once_into_another_library(elsewhere):
    spent = api.screen().session.spent(0)
    films = api.load(elsewhere)
    assert films.labels[0] == "calm · take 1"
    assert films.results().data.votes == 2
    assert films.to_dict()[films[0].id]["stars"] == 4
    assert films[0].path.is_relative_to(elsewhere)
    assert api.load(elsewhere).id == films.id
    assert len(api.history()) == 4
    assert api.screen().session.spent(0) == spent  # somebody else paid for them
    assert api.screen().session.in_flight() == []
    fingerprint = films[0].snapshot.request.fingerprint("lab")
    assert api.screen().session.store.equal(fingerprint) == []


def test_ones_own_dataset_adds_nothing(films, folder):
    assert api.load(folder) == films
    assert api.load(folder).id == films.id


def test_a_strangers_folder_adds_nothing(elsewhere):
    (elsewhere / "votes.json").write_text("{}", encoding="utf-8")
    with pytest.raises(InvalidRequest, match="not a file of ipyreel votes"):
        api.load(elsewhere)
    assert list(api.history()) == []
