"""No provider is chosen by accident, no job is paid twice, no file is overwritten."""

from __future__ import annotations

from pathlib import Path

import pytest
from IPython.core.error import UsageError

import ipyreel
from ipyreel.errors import ConfigError, InvalidRequest
from ipyreel.notebook import api
from ipyreel.session import Session
from ipyreel.values import VideoRequest
from tests.notebook.conftest import said

KEY = "sk-abcdefghijklmnopqrstuvwxyz-a1b2"
DRY = "%%video --dry-run -s 4\nA boat"


@pytest.fixture
def plain(shell):
    """The shell with the extension, no folder settings and no keys."""
    shell.run_cell("%load_ext ipyreel")
    yield shell
    api.close()


def goes_to(shell):
    text = repr(shell.run_cell(DRY).result)
    return next(line.split()[1] for line in text.splitlines() if line.startswith("provider "))


# ---- who answers ----------------------------------------------------------------------------


def test_in_a_fresh_kernel_a_key_that_is_set_chooses_the_provider(plain, monkeypatch):
    said(plain)
    monkeypatch.setenv("APIYI_API_KEY", KEY)
    assert goes_to(plain) == "apiyi"


@pytest.mark.parametrize(
    "line",
    [
        "use azuer",
        "use azure base_url=nowhere",
        "use azure seconds=long",
        "use azure --sizee 3",
        "use azure base_url=https://me:pw@host/v1",
        "use azure more words",
    ],
)
def test_after_a_use_that_failed_no_other_provider_is_paid(plain, monkeypatch, line):
    monkeypatch.setenv("APIYI_API_KEY", KEY)
    assert goes_to(plain) == "apiyi"
    with pytest.raises(UsageError):
        plain.run_cell(f"%video {line}")
    with pytest.raises(UsageError, match=r"No provider is chosen: %video use azu\w+ failed"):
        plain.run_cell(DRY)
    with pytest.raises(ConfigError, match="%video use NAME"):
        ipyreel.submit("A boat")
    assert "No provider is chosen" in said(plain)
    assert "apiyi" in repr(plain.run_cell(DRY.replace("-s 4", "-s 4 -p apiyi")).result)
    said(plain, "use apiyi")
    assert goes_to(plain) == "apiyi"


def test_a_use_of_other_settings_that_failed_leaves_the_provider(plain, monkeypatch):
    monkeypatch.setenv("APIYI_API_KEY", KEY)
    with pytest.raises(UsageError):
        plain.run_cell("%video use seconds=long")
    assert goes_to(plain) == "apiyi"


def test_a_typed_key_chooses_its_provider(plain, monkeypatch):
    monkeypatch.setenv("APIYI_API_KEY", KEY)
    monkeypatch.setattr("getpass.getpass", lambda _prompt: KEY)
    with pytest.raises(UsageError):
        plain.run_cell("%video use aiid base_url=nowhere")
    said(plain, "key aiid")
    assert goes_to(plain) == "aiid"


def test_a_key_that_appears_after_a_job_was_sent_is_no_choice(reel, live, monkeypatch):
    session = api.screen().session
    session.settings = session.settings.with_layer("folder", {})
    monkeypatch.setenv("LAB_KEY", KEY)
    session.chooser.sent("lab", automatic=True)
    monkeypatch.setenv("APIYI_API_KEY", KEY)
    with pytest.raises(UsageError) as caught:
        reel.run_cell(DRY)
    assert str(caught.value) == (
        "The last job went to lab, and now apiyi would be used (APIYI_API_KEY is set)."
        " Type %video use apiyi if you want that, else %video use lab."
    )
    assert "The last job went to lab" in said(reel)
    said(reel, "use apiyi")
    assert goes_to(reel) == "apiyi"
    assert live.posts() == 0


def test_a_provider_that_goes_is_not_replaced_by_another(plain, monkeypatch):
    monkeypatch.setenv("APIYI_API_KEY", KEY)
    monkeypatch.setenv("AIID_API_KEY", KEY)
    session = api.screen().session
    session.chooser.sent("apiyi", automatic=True)
    assert goes_to(plain) == "apiyi"
    monkeypatch.delenv("APIYI_API_KEY")
    with pytest.raises(UsageError, match="now aiid would be used"):
        plain.run_cell(DRY)


# ---- equal requests -------------------------------------------------------------------------


CELL = "%%video -s 2 --size 64x64 --reuse\nA boat"
SWEEP = "%%video -s 1 --size 64x64 --vary seed=1,2,3 --parallel 1 --reuse\nA boat"


def test_reuse_takes_an_equal_job_that_is_still_active(reel, live, capsys):
    first = reel.run_cell(CELL).result
    assert "equal job" not in capsys.readouterr().out
    second = reel.run_cell(CELL).result  # within a second, and perhaps before the POST left
    used = f"{first.id} is an equal job, {{}}: it is used, and no new one is sent."
    out = capsys.readouterr().out
    states = ("active", "not sent yet (no price known)")
    assert any(used.format(state) in out for state in states)
    assert second.id == first.id
    second.wait()
    assert reel.run_cell(CELL).result.id == first.id
    assert used.format("finished") in capsys.readouterr().out
    assert live.posts() == 1


def test_reuse_resumes_an_equal_job_after_a_restart(reel, live, capsys):
    first = reel.run_cell(CELL).result
    api.screen().session.manager.placed(first.id).result(60)
    api.close()
    again = reel.run_cell(CELL).result
    assert "an equal job, active: it is used" in capsys.readouterr().out
    assert again.id == first.id
    again.wait()
    assert live.posts() == 1


def test_reuse_names_a_job_that_another_kernel_works_on(reel, live, capsys):
    live.faults.add({"step": "retrieve", "do": {"job": {"status": "queued"}}})
    other = Session.open()
    (job,) = other.submit(other.plan(VideoRequest(prompt="A boat", seconds=2, size="64x64")))
    assert reel.run_cell(CELL).result.id == job.id
    assert "an equal job, active in another kernel: it is used" in capsys.readouterr().out
    other.manager.placed(job.id).result(60)
    other.close()
    assert live.posts() == 1


def test_reuse_takes_the_jobs_of_a_sweep_in_every_state_and_in_turn(reel, live, capsys):
    reel.run_cell("%%video -s 1 --size 64x64 --seed 1 -w\nA boat")
    live.faults.add({"step": "retrieve", "do": {"job": {"status": "queued"}}})
    left = reel.run_cell(SWEEP.replace("1,2,3", "2,3,4")).result
    api.screen().session.manager.placed(left[0].id).result(60)
    api.close()  # one was sent, two wait for their turn
    seas = reel.run_cell(SWEEP.replace("1,2,3", "1,2,3,4,5")).result
    assert seas.ids[1:4] == left.ids
    assert (
        "4 of 5 jobs are equal to earlier ones and not sent twice: 1 finished, 1 active,"
        " 2 not sent yet (no price known)."
    ) in capsys.readouterr().out
    session = api.screen().session
    session.manager.placed(seas.ids[4]).result(60)
    assert len(session.manager.unsent()) == 2  # these take turns with it
    session.cancel_all(seas.ids)


# ---- file names -----------------------------------------------------------------------------


def test_two_active_jobs_do_not_write_one_file(reel, live):
    first = reel.run_cell("%%video -s 2 --size 64x64 -o boat.mp4\nA boat").result
    with pytest.raises(UsageError, match=f"job {first.id} will write this file"):
        reel.run_cell("%%video -s 2 --size 64x64 -o ./boat.mp4\nA ship")
    other = Session.open()
    plan = other.plan(first.request, output=Path("boat.mp4"))
    with pytest.raises(InvalidRequest, match="will write this file"):
        other.submit(plan)
    other.close()
    first.wait()
    assert live.posts() == 1


def test_a_finished_job_whose_name_was_taken_gets_another(reel, live):
    job = reel.run_cell("%%video -s 2 --size 64x64 -o boat.mp4\nA boat").result
    Path("boat.mp4").write_text("mine", encoding="utf-8")
    with pytest.raises(ipyreel.VideoError):
        job.wait()
    Path("taken.mp4").write_text("mine", encoding="utf-8")
    with pytest.raises(UsageError, match=r"taken\.mp4 exists"):
        said(reel, f"resume {job.id} -o taken.mp4")
    said(reel, f"resume {job.id} -o ship.mp4")
    api.job(job.id).wait()
    assert api.job(job.id).path == Path("ship.mp4").absolute()
    assert Path("boat.mp4").read_text(encoding="utf-8") == "mine"
    assert live.posts() == 1
    with pytest.raises(UsageError, match="already exists"):
        said(reel, f"resume {job.id} -o third.mp4")


# ---- folders --------------------------------------------------------------------------------


def test_a_folder_is_trusted_by_one_line(plain, monkeypatch):
    monkeypatch.delenv("IPYREEL_TRUST")
    api.close()
    Path("ipyreel.toml").write_text(
        'provider = "shop"\n[providers.shop]\nbase_url = "https://shop.example/v1"\n'
        'default_model = "x"\n',
        encoding="utf-8",
    )
    assert "%video trust" in said(plain)
    shown = repr(plain.run_cell(DRY).result)
    assert "provider, providers.shop are ignored. %video trust approves it." in shown
    assert goes_to(plain) == "demo"
    text = said(plain, "trust")
    assert 'provider = "shop"' in text
    assert "https://shop.example/v1" in text
    assert goes_to(plain) == "shop"
    assert "%video trust" not in said(plain)
    api.close()
    assert goes_to(plain) == "shop"
    with pytest.raises(UsageError, match="nothing to trust"):
        said(plain, "trust /nowhere")
    assert ipyreel.trust_folder() != []
