"""A folder of videos that a stranger wrote: whatever is wrong with it, it is refused."""

from __future__ import annotations

import hashlib
import json
import os

import pytest

from ipyreel.errors import InvalidRequest
from ipyreel.experiments.datasets import Entry, read_dataset, write_dataset
from ipyreel.experiments.ratings import Opinions
from ipyreel.images import read_image
from ipyreel.jobs.database import Database
from ipyreel.values import JobSnapshot, VideoFile, VideoRequest


@pytest.fixture
def folder(film, tmp_path):
    """A dataset of one video."""
    source = tmp_path / "film.mp4"
    source.write_bytes(film)
    digest = hashlib.sha256(film).hexdigest()
    file = VideoFile(path=str(source), size=len(film), sha256=digest, media_type="video/mp4")
    request = VideoRequest(prompt="A sea", seconds=4)
    job = JobSnapshot(id="v000001", provider="lab", request=request, status="completed",
                      created_at=0.0, target=str(source), file=file)  # fmt: skip
    database = Database(tmp_path / "library.sqlite")
    entries = [Entry(job=job, label="calm", differs={"mood": "calm"})]
    yield write_dataset(tmp_path / "given", entries, None, Opinions(database))
    database.close()


def read(folder):
    return read_dataset(folder, now=1e9, known=lambda _id, _sha256: None)


def test_what_was_written_is_read(folder):
    template, (entry,) = read(folder)
    assert template is None
    assert (entry.job.id, entry.label, entry.differs) == ("v000001", "calm", {"mood": "calm"})
    assert entry.job.request == VideoRequest(prompt="A sea", seconds=4)
    assert (entry.job.sent_at, entry.job.remote_id, entry.job.base_url) == (None, None, None)


def spoil(**values):
    def act(folder):
        path = folder / "metadata.jsonl"
        first = json.loads(path.read_text(encoding="utf-8"))
        path.write_text(json.dumps({**first, **values}), encoding="utf-8")

    return act


VIDEO = "videos/v000001.mp4"


def replace(name, make):
    def act(folder):
        path = folder / name
        path.unlink()
        make(path)

    return act


@pytest.mark.parametrize(
    ("attack", "words"),
    [
        (spoil(file_name="../../secret.mp4"), "leads out of the folder"),
        (spoil(file_name="/etc/passwd"), "leads out of the folder"),
        (spoil(file_name="a\0b"), "the name of a file"),
        (spoil(file_name="videos"), "not a video file"),
        (spoil(file_name="missing.mp4"), "No such file"),
        (spoil(provider="../x"), "the name of a provider"),
        (spoil(prompt=["a"]), "prompt"),
        (spoil(seconds=1e999), "seconds"),
        (spoil(template=5), "template"),
        (spoil(seed=True), "seed"),
        (spoil(model=["a"]), "model"),
        (spoil(size="<b>"), "size"),
        (spoil(varied="[" * 100_000), "not as ipyreel writes it"),
        (spoil(created_at="9" * 5000), "not as ipyreel writes it"),
        (replace(VIDEO, lambda path: path.symlink_to("/etc/passwd")), "leads out of the folder"),
        (replace(VIDEO, os.mkfifo), "not a video file"),
        (replace("metadata.jsonl", os.mkfifo), "not a file"),
        (replace("metadata.jsonl", lambda path: path.symlink_to("/dev/zero")), "not a file"),
        (replace(VIDEO, lambda path: path.write_bytes(b"#!/bin/sh")), "not a whole video"),
        (lambda folder: (folder / "metadata.jsonl").write_text("[1]"), "line 1"),
        (lambda folder: (folder / "metadata.jsonl").unlink(), "No such file"),
    ],
)
def test_a_strangers_folder_is_refused(folder, tmp_path, attack, words):
    (tmp_path / "secret.mp4").write_bytes(b"secret")
    attack(folder)
    with pytest.raises(InvalidRequest, match=words):
        read(folder)


def test_no_pipe_is_waited_for(tmp_path):
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    database = Database(tmp_path / "library.sqlite")
    with pytest.raises(InvalidRequest, match="not a file"):
        Opinions(database).merge(pipe)
    with pytest.raises(InvalidRequest, match=r"^The image .* is a pipe"):
        read_image(pipe)
    database.close()


@pytest.mark.parametrize(
    "name", ["http://[::1", "https://[zz]/x", "a\0b.png", "~nobody-here/x.png"]
)
def test_an_image_of_an_impossible_name_is_one_error(name):
    with pytest.raises(InvalidRequest, match="no usable name"):
        read_image(name)
