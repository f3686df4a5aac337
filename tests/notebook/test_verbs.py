from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from IPython.core.error import UsageError

import ipyreel
from ipyreel.errors import InvalidRequest, SubmissionUnknown
from ipyreel.notebook import api
from ipyreel.notebook.frontends import FrontEnd
from ipyreel.notebook.markup.tables import Table
from ipyreel.values import VideoRequest
from tests.notebook.conftest import hurry, said

KEY = "sk-0123456789abcdef-secret"


def made(reel, line="-w"):
    return reel.run_cell(f"%%video {line}\nA red balloon").result


def test_alone_it_says_where_things_stand(reel, tmp_path):
    text = said(reel, "")
    assert "lab (chosen by" in text
    assert "ipyreel.toml" in text
    assert "none active" in text
    assert str(tmp_path / "work" / "videos") in text
    assert not (tmp_path / "home" / "demo").exists()  # nothing was started for that


def test_use_sets_defaults_and_says_so(reel, live):
    assert "demo (chosen by %video use)" in said(reel, "use demo seconds=2 size=640x360")
    assert "2 s" in said(reel, "")
    said(reel, f"use sglang base_url={live.origin}")
    assert made(reel, "-s 2 -w").provider == "sglang"


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("bogus", "bogus"),
        ("resum", r'no "resum"\. Did you mean resume'),
        ("use nope", "nope"),
        ("use demo colour=red", "colour"),
        ("use demo --loud", "--loud"),
        ("use demo base_url=nowhere", "base_url takes a URL"),
        ("cancel", "cancel ID"),
        ("show vnothing", "vnothing"),
        ("show v1 v2", "v2"),
        ("models colour=red", "colour"),
        ("key nope", "nope"),
        ("jobs now", "now"),
        ("show 'a", "quot"),
    ],
)
def test_what_cannot_be_done_is_one_line(reel, line, word):
    with pytest.raises(UsageError, match=word) as caught:
        reel.run_cell(f"%video {line}")
    assert len(str(caught.value).splitlines()) == 1


def test_providers_tell_which_key_is_missing_and_never_the_key(reel, monkeypatch):
    assert "not set (APIYI_API_KEY)" in said(reel, "providers")
    monkeypatch.setenv("APIYI_API_KEY", KEY)
    text = said(reel, "providers")
    assert "set (APIYI_API_KEY)" in text
    assert "0123456789" not in text


@pytest.mark.parametrize(
    ("words", "there", "absent"),
    [
        ("apiyi", ("sora-2-pro", "4, 8, 12", "$0.30/s"), ()),
        ("aiid veo size=1280x720", ("veo3-fast",), ("sora",)),
        ("apiyi size=1920x1080 seconds=12", ("sora-2-pro",), ("sora-2 ",)),
        ("apiyi seconds=10", (), ("sora",)),
    ],
)
def test_models_show_what_they_take_and_can_be_narrowed(reel, words, there, absent):
    text = said(reel, f"models {words}")
    assert all(word in text for word in there)
    assert not any(word in text for word in absent)


def test_jobs_and_history(reel):
    assert "none" in said(reel, "jobs")
    job = made(reel)
    assert "none" in said(reel, "jobs")
    assert job.id in said(reel, "history")
    assert job.id in said(reel, "history balloon")
    assert job.id not in said(reel, "history submarine")


def test_show_finds_a_job_by_the_beginning_of_its_id(reel):
    job = made(reel)
    assert reel.run_cell(f"%video show {job.id[:4]}").result.id == job.id
    assert reel.run_cell("%video show").result.id == job.id


@pytest.mark.parametrize("after", ["", "\nx = 1"])
def test_show_shows_once_wherever_it_stands(reel, capsys, after):
    clip = reel.run_cell("%%video -s 1 -w\nA sea").result
    capsys.readouterr()
    reel.run_cell(f"%video show {clip.id}{after}")
    assert capsys.readouterr().out.count(clip.path.name) == 1


def test_cancel_tells_the_server_and_says_so(reel, live):
    live.faults.add({"step": "retrieve", "do": {"job": {"status": "queued", "progress": 0}}})
    job = made(reel, "")
    while job.remote_id is None:
        pass
    assert "Asked lab to delete the job (DELETE)" in said(reel, f"cancel {job.id}")
    assert job.status == "cancelled"
    assert [seen.method for seen in live.log("delete")] == ["DELETE"]
    assert "DELETE" in said(reel, f"cancel {job.id}")  # what was done, once more


def test_delete_keeps_the_file_and_forgets_the_job(reel, live):
    job = made(reel)
    path = job.path
    assert "Deleted at lab. Deleted here. Its file is kept" in said(reel, f"delete {job.id}")
    assert path.exists()
    assert live.log("delete")
    with pytest.raises(UsageError, match="There is no job"):
        reel.run_cell(f"%video show {job.id}")


def test_a_typed_key_is_kept_in_memory_only(reel, tmp_path, monkeypatch):
    monkeypatch.setattr("getpass.getpass", lambda _prompt: KEY)
    assert "kept in memory" in said(reel, "key apiyi")
    assert "set (typed in)" in said(reel, "providers")
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes()


def test_the_doctor_finds_what_is_missing(reel, live):
    text = said(reel, "doctor")
    assert "lists its jobs" in text
    assert "✗" not in text
    text = said(reel, "doctor apiyi")
    assert "APIYI_API_KEY" in text
    assert "✗" in text
    live.faults.add({"step": "list", "do": {"status": 401}})
    assert "✗" in said(reel, "doctor")


def test_the_doctor_says_what_the_front_end_is_and_why(reel, screen):
    reasons = ("VSCODE_PID is set", "VS Code does not follow relative links in outputs")
    screen.host = FrontEnd(kind="vscode", widgets=True, embeds=True, reasons=reasons)
    text = said(reel, "doctor")
    assert all(reason in text for reason in ("vscode", *reasons))
    assert "videos are embedded in the notebook instead" in text
    screen.host = FrontEnd(kind="console", html=False)
    text = said(reel, "doctor")
    assert "embedded" not in text
    assert "open the file itself" in text


@pytest.mark.usefixtures("screen")
def test_the_doctor_names_folders_without_this_machine(reel, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    text = said(reel, "doctor")
    assert str(tmp_path) not in text
    assert "~/home" in text
    assert "  videos\n" in text


def test_wait_brings_every_job_to_its_end(reel):
    jobs = [made(reel, "") for _ in range(3)]
    assert "3 done" in said(reel, "wait")
    assert [job.status for job in jobs] == ["completed"] * 3
    assert "Nothing to wait for" in said(reel, "wait")


def test_resume_goes_on_with_what_an_ended_kernel_left(reel, live):
    live.faults.add({"step": "retrieve", "count": 3, "do": {"job": {"status": "queued"}}})
    job = made(reel, "")
    while job.remote_id is None:
        pass
    api.close()  # as if the kernel had ended
    hurry()
    assert f"Not worked on in this kernel: {job.id}" in said(reel, "")
    assert f"{job.id}: resumed." in said(reel, "resume")
    reel.run_cell("%video wait")
    assert api.job(job.id).status == "completed"
    assert live.posts() == 1
    assert "Nothing to resume" in said(reel, "resume")


def test_resume_within_a_second_of_an_earlier_one_says_that_it_goes_on(reel, live):
    session = api.screen().session
    job = replace(session.plan(VideoRequest(prompt="A red balloon")).job, sent_at=session.clock())
    session.store.insert(job)  # the kernel ended before the answer came
    session.store.release(job.id)
    assert f"{job.id}: resumed." in said(reel, "resume")
    assert f"{job.id}: already resumed." in said(reel, "resume")
    assert [one.id for one in ipyreel.resume()] == [job.id]
    assert f"{job.id}: resumed." in said(reel, f"resume {job.id}")
    session.cancel(job.id).result()
    assert "Nothing to resume" in said(reel, "resume")
    assert live.posts() == 0


def test_resume_takes_over_a_job_that_was_started_elsewhere(reel):
    elsewhere = reel.run_cell("%%video -w\nA blue boat").result
    remote_id = elsewhere.remote_id
    api.screen().session.manager.forget(elsewhere.id)
    assert "resumed from lab" in said(reel, f"resume {remote_id} -p lab")
    reel.run_cell("%video wait")
    taken = api.job()
    assert (taken.remote_id, taken.status) == (remote_id, "completed")
    assert taken.id != elsewhere.id
    assert taken.request.prompt == "A blue boat"


def test_the_doctor_says_all_of_what_to_do_when_nobody_answers(reel):
    reel.run_cell("%video use lab base_url=http://127.0.0.1:9/v1")
    text = said(reel, "doctor")
    assert "Could not connect to 127.0.0.1" in text
    assert "is the server running? %video use lab base_url=... changes the address" in text
    assert "…" not in text


def test_a_job_is_found_by_the_name_it_has_in_the_notebook(reel, live):
    clip = made(reel, "clip -w")
    seas = reel.run_cell("%%video seas --vary seed=1,2 -w\nA sea").result
    for word in ("clip", "$clip", "{clip.id}"):
        assert reel.run_cell(f"%video show {word}").result == clip
        assert reel.run_cell(f"%video remix {word} at night").result.wait(60)
    assert reel.run_cell("%video show seas").result == seas
    for word in ("seas[-1]", "$seas[1]", "{seas[1].id}"):
        assert reel.run_cell(f"%video show {word}").result == seas[1]
    with pytest.raises(UsageError, match=r"seas\[2\]: seas has 2 jobs"):
        reel.run_cell("%video show seas[2]")
    assert len(reel.run_cell("%video compare seas").result.videos) == 2
    with pytest.raises(UsageError, match="seas has 2 jobs"):
        reel.run_cell("%video delete seas")
    with pytest.raises(UsageError, match="no variable nothing"):
        reel.run_cell("%video show $nothing")
    assert live.posts() == 6


def test_broken_settings_leave_help_and_doctor(shell):
    Path("ipyreel.toml").write_text("provider = ", encoding="utf-8")
    shell.run_cell("%load_ext ipyreel")
    assert "%video doctor" in said(shell, "help")
    assert "--seconds" in repr(shell.run_cell("%%video --help\n\n").result)
    text = said(shell, "doctor")
    assert "ipyreel.toml:1: not valid TOML" in text
    assert "front end" in text
    with pytest.raises(UsageError, match="not valid TOML"):
        shell.run_cell("%%video\nA sea")
    # What needs no settings works, and a corrected file counts at once.
    assert "none" in said(shell, "jobs")
    Path("ipyreel.toml").write_text('model = "demo-1"', encoding="utf-8")
    assert "demo-1" in said(shell, "use")


def test_help_and_dry_runs_are_tables_or_fixed_width(reel):
    for cell in ("%video help", "%%video --help\n\n"):
        assert "<table" in reel.run_cell(cell).result.html
    assert "<pre" in reel.run_cell("%%video --dry-run\nA sea").result.html


def test_columns_count_wide_characters_twice():
    text = Table(("prompt", "n"), [("一只狗", 1), ("a dog", 10)]).text
    assert text.splitlines() == ["prompt   n", "一只狗   1", "a dog   10"]


class Wallet:
    """A keyring as the package has them."""

    def __init__(self):
        self.kept = {}

    def set_password(self, service, name, key):
        if key == "locked":
            raise KeyringError(f"cannot keep {key}")
        self.kept[service, name] = key


class KeyringError(Exception):
    pass


def test_keep_stores_the_key_in_the_keyring(reel, monkeypatch):
    typed = [KEY, "locked", KEY]
    monkeypatch.setattr("getpass.getpass", lambda _prompt: typed.pop(0))
    monkeypatch.setitem(sys.modules, "keyring", None)
    wallet = Wallet()
    errors = SimpleNamespace(KeyringError=KeyringError)
    with pytest.raises(UsageError, match=r"keyring package is missing.*ipyreel\[keyring\]"):
        said(reel, "key apiyi --keep")
    assert "set (typed in)" in said(reel, "providers")
    monkeypatch.setitem(sys.modules, "keyring", wallet)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    with pytest.raises(UsageError, match=r"refused it \(KeyringError\)") as caught:
        said(reel, "key apiyi --keep")
    assert "locked" not in str(caught.value)
    assert "stored in the keyring" in said(reel, "key apiyi --keep")
    assert wallet.kept == {("ipyreel", "apiyi"): KEY}


def test_resume_by_the_id_of_the_server_and_from_another_kernel(reel, live, monkeypatch):
    monkeypatch.setattr("ipyreel.jobs.recover.WAITS", (0.0,))
    live.faults.add({"step": "create", "do": {"drop_reply": True}})
    live.faults.add({"step": "list", "do": {"status": 404}})
    job = made(reel, "")
    with pytest.raises(SubmissionUnknown):
        job.wait(60)
    assert f"Not worked on in this kernel: {job.id}" in said(reel, "")  # though it was sent by it
    live.faults.clear()
    (remote_id,) = live.job_ids()
    said(reel, f"resume {job.id} {remote_id}")
    assert job.wait(60).path.exists()
    assert job.remote_id == remote_id
    assert live.posts() == 1
    with pytest.raises(InvalidRequest, match="belongs to one job"):
        api.resume(remote_id=remote_id)


def test_the_doctor_says_that_a_proxy_needs_an_extra(reel, monkeypatch):
    monkeypatch.setenv("APIYI_API_KEY", KEY)
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    assert 'pip install "ipyreel[socks]"' in said(reel, "doctor apiyi")
