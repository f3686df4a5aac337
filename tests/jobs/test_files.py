"""File names from hostile prompts, and the `.json` beside a video."""

from __future__ import annotations

import json
import random
import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipyreel.errors import StoreError
from ipyreel.jobs import transitions
from ipyreel.jobs.files import (
    ALPHABET,
    describe,
    new_id,
    sidecar_path,
    slug,
    target_path,
    write_sidecar,
)
from ipyreel.values import Image, VideoFile, VideoRequest
from tests.jobs.fakes import START, make_job

FOLDER = Path("/srv/videos")
SAFE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}-(?P<slug>.+)-v[0-9a-z]{6}\.mp4")


def check_safe(path):
    """Letters, digits and marks of any script, no capitals, few bytes, and no folder above."""
    words = SAFE.fullmatch(path.name)["slug"].split("-")
    assert all(words)
    assert {unicodedata.category(letter)[0] for letter in "".join(words)} <= {"L", "N", "M"}
    assert all(unicodedata.category(word[0])[0] != "M" for word in words)
    assert len(path.name.encode()) <= 60 + 23
    assert path.parent == FOLDER


@given(st.text(st.characters(exclude_categories=())))
def test_any_prompt_makes_a_safe_name(prompt):
    path = target_path(FOLDER, prompt=prompt, job_id="vabc123", created_at=START)
    check_safe(path)


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("A golden retriever, running!", "a-golden-retriever-running"),
        ("Café Zürich", "cafe-zurich"),
        ("Đường phố, Łódź, ø, straße", "duong-pho-lodz-o-strasse"),
        ("İstanbul", "istanbul"),
        ("一只狗，慢动作", "一只狗-慢动作"),
        ("海" * 50, "海" * 20),
        ("كلب يركض", "كلب-يركض"),
        ("हिन्दी कुत्ता", "हिन्दी-कुत्ता"),
        ("कु" * 50, "कु" * 10),
        ("aकु" + "कु" * 50, "a" + "कु" * 9),  # no letter without its mark
        ("🐕🏖️", "video"),
        ("x" * 70, "x" * 60),
        ("one " + "x" * 70, "one"),
        ("aaaa " * 20, "-".join(["aaaa"] * 12)),
    ],
)
def test_slugs_are_the_first_whole_words(prompt, expected):
    assert slug(prompt) == expected


def test_ids_are_short_and_have_no_letters_that_look_like_digits():
    choose = random.Random(0).choice  # noqa: S311 - chance that can be repeated
    ids = {new_id(choose) for _ in range(1000)}
    assert len(ids) == 1000
    assert all(re.fullmatch(rf"v[{ALPHABET}]{{6}}", one) for one in ids)
    assert not set("ilou") & set(ALPHABET)


def finished(tmp_path, name="clip.mp4", **fields):
    target = tmp_path / name
    target.write_bytes(b"video")
    file = VideoFile(path=str(target), size=5, sha256="ab" * 32, media_type="video/mp4")
    return transitions.completed(make_job(tmp_path, **fields), file, START + 60)


def test_the_sidecar_explains_its_video(tmp_path):
    job = finished(tmp_path, remote_id="r", estimate=0.4)
    path = write_sidecar(job)
    assert path == tmp_path / "clip.json" == sidecar_path(Path(job.target))
    data = json.loads(path.read_text(encoding="utf-8"))
    assert data == json.loads(json.dumps(describe(job)))
    assert data["file"] == "clip.mp4"
    assert data["created_at"] == "2023-11-14T22:13:20Z"
    assert data["completed_at"] == "2023-11-14T22:14:20Z"
    assert data["sha256"] == "ab" * 32
    assert (data["id"], data["remote_id"], data["estimate_usd"]) == (job.id, "r", 0.4)
    assert {one.name for one in tmp_path.glob("clip*")} == {"clip.json", "clip.mp4"}


@pytest.mark.parametrize(
    "prompt", ["../..\\\"'`$(rm -rf ~)", "a\0\u2028\u202egpm", "a\ud800b\udfff"]
)
def test_a_hostile_prompt_reads_back_from_the_sidecar(tmp_path, prompt):
    path = write_sidecar(finished(tmp_path, request=VideoRequest(prompt=prompt)))
    assert json.loads(path.read_text(encoding="utf-8"))["request"]["prompt"] == prompt


def test_the_sidecar_has_no_pixels_and_takes_any_extra_value(tmp_path):
    image = Image(source="cat.png", data=b"secret pixels")
    request = VideoRequest(prompt="x", images=(image,), extra={"path": Path("/a")})
    text = write_sidecar(finished(tmp_path, request=request)).read_text(encoding="utf-8")
    assert "secret" not in text
    assert json.loads(text)["request"]["extra"] == {"path": str(Path("/a"))}


def test_what_a_killed_kernel_left_of_a_sidecar_goes(tmp_path):
    left, other = tmp_path / "clip.json.0123456789abcdef.part", tmp_path / "clip.json.mine.part"
    for path in (left, other):
        path.touch()
    write_sidecar(finished(tmp_path))
    assert not left.exists()
    assert other.exists()


def test_the_sidecar_of_the_same_job_is_written_again(tmp_path):
    job = finished(tmp_path, id="v111111")
    write_sidecar(job)
    changed = transitions.completed(job, job.file, START + 999)
    assert "22:29:59" in write_sidecar(changed).read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ['{"id": "v222222"}', "my notes", "[1]", "", '{"a": 1}'])
def test_a_file_that_is_somebody_elses_is_not_overwritten(tmp_path, text):
    job = finished(tmp_path, id="v111111")
    (tmp_path / "clip.json").write_text(text, encoding="utf-8")
    with pytest.raises(StoreError, match="not changed"):
        write_sidecar(job)
    assert (tmp_path / "clip.json").read_text(encoding="utf-8") == text


def test_a_folder_that_is_gone_is_a_clear_error(tmp_path):
    with pytest.raises(StoreError, match=r"Could not write .*gone"):
        write_sidecar(make_job(tmp_path / "gone"))
