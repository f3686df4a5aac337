"""An experiment again: as a cell, from a file, and only what is missing; nothing is paid twice."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from IPython.core.error import UsageError
from IPython.utils.capture import capture_output

from ipyreel.errors import InvalidRequest, VideoError
from ipyreel.notebook import api
from tests.notebook.conftest import hurry

SEAS = "%%video seas -s 1 --vary mood=calm,wild --vary seed=1,2 -w\nA {mood} sea"
BROKEN = {"step": "create", "do": {"status": 400}, "count": 1}


@pytest.fixture
def seas(reel):
    return reel.run_cell(SEAS).result


@pytest.mark.parametrize("form", ["%%video again --from $plan --reuse\n# a comment",
                                  "%video again --from plan.toml --reuse", "cell"])  # fmt: skip
def test_the_same_is_asked_for_again(reel, live, seas, form):
    plan = seas.to_toml("plan.toml")
    reel.user_ns["plan"] = "plan.toml"
    assert live.url not in plan
    assert "base_url" not in plan
    form = seas.to_cell().replace("%%video", "%%video again --reuse") if form == "cell" else form
    reel.run_cell(form)
    again = reel.user_ns["again"]
    assert live.posts() == 4
    assert again.ids == seas.ids
    assert again.labels == seas.labels
    assert again.info.matrices == seas.info.matrices
    assert again.info.prompt == "A {mood} sea"


def test_one_job_of_a_file_is_a_list_of_one(reel, seas):
    Path("one.toml").write_text(seas[1:2].to_toml(), encoding="utf-8")
    assert reel.run_cell("%%video --from one.toml --reuse -w\n#").result.ids == seas.ids[1:2]


def test_old_prices_are_shown_and_not_used(reel, live, seas):
    text = seas.to_toml().replace("label =", "price_then = 0.25\nlabel =")
    Path("plan.toml").write_text(text, encoding="utf-8")
    told = reel.run_cell("%%video --from plan.toml --dry-run\n#").result.text
    assert told.startswith(
        "Estimate when the file was written: about $1.00; now: no price known.\n4 jobs"
    )
    with pytest.raises(UsageError, match="No price is known"):
        reel.run_cell("%%video --from plan.toml --max-cost 5\n#")
    assert live.posts() == 4


def test_what_is_wrong_is_said_in_one_line(reel, live, seas):
    text = seas.to_toml("plan.toml")
    Path("bad.toml").write_text(f'key = "sk-0123"\n{text}', encoding="utf-8")
    Path("other.toml").write_text(text.replace('"lab"', '"nope"'), encoding="utf-8")
    for line, body, told in (
        ("--from plan.toml -s 4", "#", "the file sets all of it; remove --seconds"),
        ("--from plan.toml --vary seed=1,2", "#", "remove --vary"),
        ("--from plan.toml", "A sea", "the file has the prompts"),
        ("--from nothing.toml", "#", r"nothing\.toml: cannot be read"),
        ("--from bad.toml", "#", r"bad\.toml:1: unknown key 'key'"),
        ("--from other.toml", "#", "Unknown provider"),
    ):
        with pytest.raises(UsageError, match=told):
            reel.run_cell(f"%%video {line}\n{body}")
    assert live.posts() == 4


def test_a_prompt_of_a_file_does_not_read_the_notebook(reel, seas):
    reel.user_ns["secret"] = "hunter2"
    text = seas[:1].to_toml().replace("A calm sea", "A calm {secret} sea")
    Path("plan.toml").write_text(text, encoding="utf-8")
    assert (
        "A calm {secret} sea" in reel.run_cell("%%video --from plan.toml --dry-run\n#").result.text
    )


def test_a_file_is_not_overwritten_unasked(seas):
    seas.to_toml("plan.toml")
    with pytest.raises(InvalidRequest, match="overwrite=True"):
        seas.to_toml("plan.toml")
    assert seas.to_toml("plan.toml", overwrite=True) == Path("plan.toml").read_text("utf-8")


def test_only_what_failed_is_sent_again(reel, live):
    live.faults.add(BROKEN)
    seas = reel.run_cell(SEAS.replace(" -w", "")).result
    seas.wait()
    assert len(seas.failed) == 1
    with pytest.raises(InvalidRequest, match="No price is known"):
        seas.rerun(max_cost=5)
    assert live.posts() == 3
    with capture_output() as shown:
        full = seas.rerun()
    assert shown.outputs[0].data["text/plain"] == "Sending 1 of 4 again: no price known."
    full.wait()
    assert live.posts() == 4
    assert len(full.videos) == 4
    assert full.labels == seas.labels
    assert sum(new == old for new, old in zip(full.ids, seas.ids, strict=True)) == 3
    assert len(full.info.reused) == 3
    assert full.info.matrices == seas.info.matrices
    assert reel.run_cell(f"%video show {full.id}").result == full
    # Neither the new list nor the old one pays for it again.
    assert full.rerun() is full
    assert seas.rerun().ids == full.ids
    assert reel.run_cell(f"%video rerun {seas.id}").result == full
    assert live.posts() == 4
    assert set(full.rerun(missing=False).ids).isdisjoint(full.ids)


def test_equal_samples_do_not_take_each_others_place(reel, live):
    live.faults.add(BROKEN)
    seas = reel.run_cell("%%video -s 1 -n 3\nA sea").result
    seas.wait()
    full = seas.rerun()
    full.wait()
    assert live.posts() == 3
    assert len(set(full.ids)) == 3


def test_what_is_on_its_way_is_not_sent_again(reel, live):
    seas = reel.run_cell(SEAS.replace(" -w", "")).result
    assert seas.rerun() is seas
    assert len(seas.wait()) == 4
    assert live.posts() == 4


def test_what_a_kernel_left_unsent_is_sent_once(reel, live):
    live.faults.add({"step": "retrieve", "do": {"job": {"status": "queued"}}})
    reel.run_cell("%video use parallel=1")
    seas, accepted = reel.run_cell(SEAS.replace(" -w", "")).result, threading.Event()
    session = api.screen().session
    session.listen(seas.ids[0], lambda job: accepted.set() if job.remote_id else None)
    assert seas[0].remote_id or accepted.wait(60)
    sweep = seas.id
    api.close()
    live.faults.clear()
    hurry()
    found = reel.run_cell(f"%video show {sweep}").result.rerun()
    reel.run_cell("%video resume")
    assert len(found.wait()) == 4
    assert live.posts() == 4
    assert found.ids == seas.ids


def test_a_video_that_its_server_has_is_not_paid_again(reel, live):
    live.faults.add({"step": "retrieve", "do": {"job": {"status": "queued"}}})
    clip = reel.run_cell("%%video -s 1\nA sea").result
    videos = Path(clip.snapshot.target).parent
    videos.rmdir()
    videos.touch()  # so that its download fails
    live.faults.clear()
    with pytest.raises(VideoError, match="cannot be written"):
        clip.wait()
    videos.unlink()
    with capture_output() as shown:
        again = reel.run_cell("%%video -s 1 --reuse -w\nA sea").result
    assert "ready to be downloaded" in shown.outputs[0].data["text/plain"]
    assert (again, again.status, live.posts()) == (clip, "completed", 1)


def test_a_rerun_downloads_what_was_cancelled_when_it_was_ready(reel, live):
    seas = reel.run_cell(SEAS).result
    store, target = api.screen().session.store, Path(seas[1].snapshot.target)
    target.unlink()
    query = "UPDATE jobs SET status = 'cancelled', file = NULL WHERE id = ?"
    store.database.write(query, (seas[1].id,))
    api.close()
    hurry()
    found = reel.run_cell(f"%video show {seas.id}").result
    assert found.rerun() is found
    assert len(found.wait()) == 4
    assert (live.posts(), target.exists()) == (4, True)
