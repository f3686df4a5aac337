"""A demo job's state is a function of its record and the time; records outlive the server."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipyreel.demo.jobs import FORGET_AFTER, JobFolder, new_record, view
from ipyreel.demo.requests import VideoRequest

ORDER = VideoRequest(prompt="a cat", model="any", seconds=8, width=64, height=48)
BORN = 1_800_000_000.0
STAGES = ["queued", "in_progress", "completed"]


def make(**options):
    return new_record(ORDER, now=BORN, **{"speed": 1.0, "keeps": 60.0, **options})


@given(
    st.floats(0.1, 1000),
    st.floats(1, 60),
    st.lists(st.floats(-5, 200), max_size=20),
    st.floats(0, 20) | st.none(),
)
def test_a_job_only_moves_forward(speed, seconds, ages, rendered):
    order = dataclasses.replace(ORDER, seconds=seconds)
    record = new_record(order, now=BORN, speed=speed, keeps=60)
    if rendered is not None:
        record = dataclasses.replace(record, rendered_at=BORN + rendered)
    seen = [view(record, BORN + age) for age in sorted(ages)]
    assert all(0 <= one.progress <= 100 for one in seen)
    assert [one.progress for one in seen] == sorted(one.progress for one in seen)
    stages = [STAGES.index(one.status) for one in seen]
    assert stages == sorted(stages)


@pytest.mark.parametrize("seconds", [1, 4, 8, 12, 60])
def test_a_job_lasts_a_few_seconds_divided_by_the_speed(seconds):
    order = dataclasses.replace(ORDER, seconds=seconds)
    for number in range(50):
        job_id = f"video_{number:032x}"
        slow = new_record(order, now=BORN, speed=1, keeps=60, job_id=job_id)
        fast = new_record(order, now=BORN, speed=4, keeps=60, job_id=job_id)
        assert 2.5 <= slow.lasts <= 6
        assert fast.lasts == pytest.approx(slow.lasts / 4)


def test_never_completed_before_the_file_is_rendered():
    record = make()
    seen = view(record, BORN + 1000)
    assert (seen.status, seen.progress) == ("in_progress", 99)
    late = dataclasses.replace(record, rendered_at=BORN + 900)
    assert view(late, BORN + 899).status == "in_progress"
    seen = view(late, BORN + 1000)
    assert (seen.status, seen.completed_at, seen.expires_at) == (
        "completed",
        BORN + 900,
        BORN + 960,
    )
    assert seen.expired


@pytest.mark.parametrize(
    "job_id", ["video_" + "a" * 32, "sora-2:task_a/b+c==", "../../etc/passwd", "x" * 300, "片"]
)
def test_any_id_is_kept_and_found(tmp_path, job_id):
    jobs = JobFolder(tmp_path)
    record = make(job_id=job_id)
    jobs.add(record, b"pixels")
    again = JobFolder(tmp_path)
    assert again.read(job_id) == record
    assert again.by_stem(again.stem(job_id)) == record
    assert {path.parent for path in tmp_path.rglob("*.*")} == {tmp_path / "demo"}
    again.remove(job_id)
    assert again.read(job_id) is None
    assert list((tmp_path / "demo").iterdir()) == []


def test_a_record_of_a_later_version_is_read(tmp_path):
    jobs = JobFolder(tmp_path)
    record = make()
    jobs.add(record)
    path = next((tmp_path / "demo").glob("*.json"))
    path.write_text(json.dumps({**json.loads(path.read_text()), "mood": "new"}))
    assert jobs.read(record.id) == record


def test_a_deleted_job_is_not_written_again(tmp_path):
    jobs = JobFolder(tmp_path)
    record = make()
    jobs.add(record)
    jobs.remove(record.id)
    jobs.change(record, rendered_at=BORN)
    assert jobs.all() == []


def test_a_sweep_removes_what_nobody_can_ask_for(tmp_path):
    jobs = JobFolder(tmp_path)
    record = dataclasses.replace(make(), rendered_at=BORN)
    jobs.add(record)
    jobs.video(record).write_bytes(b"mp4")
    jobs.clean_up(BORN + 30)
    assert jobs.video(record).exists()
    jobs.clean_up(BORN + 100)
    assert not jobs.video(record).exists()
    assert jobs.read(record.id) == record
    jobs.clean_up(BORN + 100 + FORGET_AFTER)
    assert jobs.all() == []
