"""Sweeps from cells and from Python: what is sent, shown and refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from IPython.core.error import UsageError
from PIL import Image

from ipyreel import export_html
from ipyreel.errors import InvalidRequest, StoreError, VideoError, WaitTimeout
from ipyreel.notebook import api
from ipyreel.notebook.commands import cells, verbs
from ipyreel.notebook.handles.job import Job
from ipyreel.notebook.job_list import JobList
from ipyreel.notebook.screen import Screen
from tests.notebook.conftest import hurry

KEY = "sk-0123456789abcdef-secret"


def cell(line, prompt="A {mood} sea"):
    return f"%%video {line}\n{prompt}"


def test_every_combination_is_a_job(reel, live):
    result = reel.run_cell(cell("seas --vary mood=calm,wild --vary seconds=1,2 -w")).result
    seas = reel.user_ns["seas"]
    assert isinstance(seas, JobList)
    assert result is seas
    assert seas.labels == ("calm · 1 s", "calm · 2 s", "wild · 1 s", "wild · 2 s")
    assert [job.request.prompt for job in seas] == ["A calm sea"] * 2 + ["A wild sea"] * 2
    assert [job.request.seconds for job in seas] == [1, 2, 1, 2]
    assert len(seas.videos) == 4
    assert seas.done()
    assert len(seas.failed) == 0
    assert live.posts() == 4


@pytest.mark.parametrize(
    ("line", "prompt", "labels"),
    [
        ("--vary mood=$moods", "A {mood} sea", ["calm, wide", "wild"]),
        ("--vary seconds=$lengths", "A sea", ["1 s", "2 s"]),
        ("""--vary 'mood="calm, wide",wild'""", "A {mood} sea", ["calm, wide", "wild"]),
        ("""--vary 'mood=["calm, wide", "wild"]'""", "A {mood} sea", ["calm, wide", "wild"]),
        ("--vary n_frames=1,two", "A sea", ["n_frames 1", "n_frames two"]),
        ("", "A sea\n---\nA wood\n  at noon\n ---  \n", ["A sea", "A wood at noon"]),
        ("-n 2", "A sea", ["take 1", "take 2"]),
        ("-n 3 --seed 5", "A sea", ["seed 5", "seed 6", "seed 7"]),
    ],
)  # fmt: skip
def test_what_a_cell_varies_is_told_apart(reel, line, prompt, labels):
    reel.user_ns.update(moods=["calm, wide", "wild"], lengths=range(1, 3))
    assert list(reel.run_cell(cell(f"-w {line}", prompt)).result.labels) == labels


def test_images_are_varied(reel):
    for name in ("a.png", "b.png"):
        Image.new("RGB", (64, 36), "red" if name == "a.png" else "blue").save(name)
    reel.user_ns["shots"] = [Path("b.png").read_bytes()]
    seas = reel.run_cell(cell("--vary image=a.png,$shots -s 1 -w", "A sea")).result
    assert seas.labels == ("image a.png", "image $shots[0]")
    assert seas[0].request.fingerprint("lab") != seas[1].request.fingerprint("lab")


@pytest.mark.parametrize(
    ("line", "prompt", "words"),
    [
        ("--vary mood=calm,,wild", "A {mood} sea", ["a value is empty"]),
        ("--vary mood=$nothing", "A {mood} sea", ["no variable nothing"]),
        ("--vary 'mood=[1,'", "A {mood} sea", ["--vary mood", "JSON"]),
        ("--vary seconds=1,2 -s 3", "A sea", ["--vary seconds", "remove one"]),
        ("--vary mood=calm", "A {mood} {colour} sea", ["colour"]),
        ("--count 2000", "A sea", ["2000 jobs", "at most 1000"]),
        ("-n 2 -o a.mp4", "A sea", ["--output a.mp4", "one file", "makes 2"]),
        ("-p apiyi -m sora-2 --vary seconds=4,8,9", "A sea", ["9 s (3 of 3)", "4, 8 or 12"]),
        ("--vary provider=lab,nope", "A sea", ["nope"]),
        ("--vary provider=lab,apiyi", "A sea", ["APIYI_API_KEY"]),
    ],
)  # fmt: skip
def test_one_bad_combination_refuses_all_in_one_line(reel, live, line, prompt, words):
    with pytest.raises(UsageError) as caught:
        reel.run_cell(cell(line, prompt))
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    assert [word for word in words if word not in text] == []
    assert live.log() == []
    assert len(api.history()) == 0


def test_a_dry_run_says_how_many_what_they_cost_and_how_they_differ(reel, live, monkeypatch):
    monkeypatch.setenv("APIYI_API_KEY", KEY)
    line = "-p apiyi -m sora-2-pro --size 1280x720 --vary seconds=4,8 --dry-run --parallel 3"
    text = repr(reel.run_cell(cell(line, "A sea")).result)
    assert "2 jobs, about $3.60 in total; at most 3 at a time." in text
    assert "4 s  apiyi sora-2-pro  about $1.20" in text
    assert "8 s  apiyi sora-2-pro  about $2.40" in text
    assert '"seconds": "4"' in text
    assert "Nothing was sent" in text
    assert "0123456789" not in text
    assert live.log() == []


def test_reuse_pays_for_nothing_twice(reel, live):
    line = "--vary mood=calm,wild -s 1 -n 2 -w --reuse"
    first = reel.run_cell(cell(line)).result
    again = reel.run_cell(cell(line)).result
    assert sorted(again.ids) == sorted(first.ids)
    assert len(set(again.ids)) == 4
    more = reel.run_cell(cell("--vary mood=calm,wild,dark -s 1 -n 2 -w --reuse")).result
    assert len(set(more.ids) & set(first.ids)) == 4
    assert "4 reused" in repr(more)
    assert live.posts() == 6


def test_one_failing_and_one_refused_job_stop_no_other(reel, live, capsys):
    body = {"error": {"message": "no such mood", "code": "bad_mood"}}
    live.faults.add({"step": "create", "count": 1, "do": {"status": 400, "body": body}})
    live.faults.add({"step": "retrieve", "count": 1, "do": {"job": {"status": "failed"}}})
    line = "seas --vary mood=calm,wild,dark,pale -s 1 --parallel 1 -w"
    with pytest.raises(VideoError, match="2 of 4 jobs have no video"):
        reel.run_cell(cell(line))
    seas = reel.user_ns["seas"]
    assert sorted(job.status for job in seas) == ["completed"] * 2 + ["failed"] * 2
    assert len(seas.videos) == 2
    assert seas.failed.labels == tuple(
        label for label, job in zip(seas.labels, seas, strict=True) if job.status == "failed"
    )
    out = capsys.readouterr().out
    assert "4 jobs · 2 done · 2 failed" in out
    assert "Failed: no such mood (bad_mood)" in out
    assert "Failed: The provider gave no reason." in out


@pytest.mark.parametrize(
    ("owner", "name", "line"),
    [
        (JobList, "wait", ""),
        (Screen, "show_all", ""),
        (Screen, "settle", ""),
        (cells, "display", ""),  # before the first output
        (Job, "wait", "%video wait"),
        (Screen, "settle", "%video wait seas"),
    ],
)
def test_stopping_the_wait_leaves_all_running(reel, live, monkeypatch, owner, name, line):
    live.faults.add({"step": "retrieve", "do": {"job": {"status": "queued", "progress": 0}}})
    reel.user_ns["place"] = "sea"  # so that there is a note
    if line:
        reel.run_cell(cell("seas --vary mood=calm,wild -s 1"))
        monkeypatch.setattr(verbs, "wait_blocking", lambda _future: None)

    def interrupted(*_args, **_options):
        raise KeyboardInterrupt

    monkeypatch.setattr(JobList, "wait", lambda *_args, **_options: None)
    monkeypatch.setattr(owner, name, interrupted)
    with pytest.raises(VideoError, match="Stopped waiting; 2 of 2 jobs continue"):
        reel.run_cell(line or cell("seas --vary mood=calm,wild -s 1 -w", "A {mood} {place}"))
    assert not any(job.done() for job in reel.user_ns["seas"])


def test_a_retry_takes_the_place_of_what_failed_also_later(reel, live):
    live.faults.add({"step": "create", "do": {"status": 400}, "count": 1})
    seas = reel.run_cell(cell("--vary mood=calm,wild -s 1 --parallel 1")).result
    seas.wait()
    known, old = {seas: "seas"}, seas.ids
    failed = seas.failed[0]
    screen = api.screen()
    grid = screen._cards[failed.id][0]
    grid.tick()
    new = screen._again(failed.id)
    at = old.index(failed.id)
    assert seas.ids == tuple(new.id if one == failed.id else one for one in old)
    assert seas in known
    assert len(seas.wait()) == 2
    assert grid.snapshots[at].id == new.id
    assert screen.session.store.sweeps_of(seas.ids) == dict.fromkeys(seas.ids, seas.id)
    api.close()  # as if the kernel had ended
    again = reel.run_cell(f"%video show {seas.id}").result
    assert again.ids == screen.current_ids(old)
    assert (again.labels, again.done()) == (seas.labels, True)
    assert len(again.videos) == 2
    assert live.posts() == 2


def test_cancel_stops_all_and_says_what_it_did(reel, live):
    live.faults.add({"step": "retrieve", "do": {"job": {"status": "queued", "progress": 0}}})
    seas = reel.run_cell(cell("--vary mood=calm,wild,dark -s 1 --parallel 1")).result
    while seas[0].remote_id is None:
        pass
    with pytest.raises(WaitTimeout, match="3 of 3 jobs did not end within 0"):
        seas.wait(0.1)
    text = seas.cancel()
    assert "2 cancelled before anything was sent." in text
    assert "DELETE" in text
    assert {job.status for job in seas} == {"cancelled"}
    assert live.posts() == 1
    assert "All jobs had already ended" in seas.cancel()


@pytest.mark.usefixtures("reel")
def test_the_python_form(live):
    seas = api.sweep(
        "A {mood} sea", mood=["calm", "wild"], seconds=[1, 2], size="640x360", style="soft"
    )
    assert isinstance(seas, JobList)
    assert len(seas.wait(60)) == 4
    assert seas.labels == ("calm · 1 s", "calm · 2 s", "wild · 1 s", "wild · 2 s")
    assert {job.request.size for job in seas} == {"640x360"}
    assert {job.request.extra["style"] for job in seas} == {"soft"}
    assert len(api.sweep(["A sea", "A {wood}"], seconds=1).wait(60)) == 2
    assert len(api.sweep("A sea", seconds=1).wait(60)) == 1
    assert live.posts() == 7
    with pytest.raises(InvalidRequest, match="seconds=0"):
        api.sweep("A sea", seconds=[0, 1])


def test_a_joblist_is_a_sequence_and_rows(reel):
    seas = reel.run_cell(cell("--vary mood=calm,wild -s 1 --size 640x360 -w")).result
    assert [job.id for job in seas] == list(seas.ids)
    assert seas[1].id == seas[-1].id == seas[1:][0].id
    assert seas[1:].labels == ("wild",)
    rows = seas.to_dict()
    assert list(rows) == list(seas.ids)
    row = rows[seas[1].id]
    assert (row["mood"], row["seconds"], row["status"]) == ("wild", 1, "completed")
    assert Path(row["path"]).exists()
    assert row["took"] >= 0


def test_rows_for_pandas(reel):
    pd = pytest.importorskip("pandas")
    seas = reel.run_cell(cell("--vary mood=calm,wild -s 1 -w")).result
    table = seas.to_pandas()
    assert list(table["mood"]) == ["calm", "wild"]
    assert str(table["created_at"].dt.tz) == "UTC"
    assert isinstance(api.history("wild").to_pandas(), pd.DataFrame)
    assert len(api.history("no such thing").to_pandas()) == 0


def test_history_is_a_joblist_that_tells_apart(reel):
    reel.run_cell(cell("--vary mood=calm,wild -s 1 -w"))
    found = api.history()
    assert isinstance(found, JobList)
    assert sorted(found.labels) == ["A calm sea", "A wild sea"]
    assert found.to_dict()[found[0].id]["prompt"] == found[0].request.prompt


def test_costs_add_up(reel):
    assert "Nothing spent" in repr(reel.run_cell("%video cost").result)
    reel.run_cell(cell("--vary mood=calm,wild -s 1 -w"))
    text = repr(reel.run_cell("%video cost").result)
    assert "2 without a known price" in text
    (row,) = api.cost("provider")
    assert row == {"provider": "lab", "jobs": 2, "usd": 0.0, "unpriced": 2}
    (row,) = api.cost()
    assert set(row) == {"day", "provider", "model", "jobs", "usd", "unpriced"}
    with pytest.raises(UsageError, match="weather"):
        reel.run_cell("%video cost weather")


def test_sums_are_told_in_cents_and_not_in_bits(reel):
    reel.run_cell(cell("--vary seed=1,2,3 -s 1 -w", "A sea"))
    store = api.screen().session.store
    for job in store.newest():
        assert store.claim(job.id)
        store.save(replace(job, estimate=0.1))
    assert [row["usd"] for row in api.cost("day")] == [0.3]


def test_export_is_one_page_that_holds_everything(reel, tmp_path):
    hostile = 'A {mood} sea <script>alert("&")</script>'
    seas = reel.run_cell(cell("--vary mood=calm,wild -s 1 -w", hostile)).result
    path = export_html(seas, tmp_path / "seas.html", title="Seas & <b>more</b> for $5")
    page = path.read_text(encoding="utf-8")
    assert page.count('src="data:video/mp4;base64,') == 2
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
    assert "Seas &amp; &lt;b&gt;more&lt;/b&gt;" in page
    assert "<title>Seas &amp; &lt;b&gt;more&lt;/b&gt; for $5</title>" in page
    assert "http" not in page.replace("http-equiv", "")
    assert list(tmp_path.glob("*.part")) == []
    with pytest.raises(InvalidRequest, match="overwrite=True"):
        export_html(seas, path)
    export_html([seas[0]], path, overwrite=True)
    assert path.read_text(encoding="utf-8").count("<video") == 1
    with pytest.raises(InvalidRequest, match="no jobs"):
        export_html([], tmp_path / "none.html")


def test_a_missing_file_is_said_on_the_page(reel, tmp_path):
    job = reel.run_cell(cell("-s 1 -w", "A sea")).result
    job.path.unlink()
    page = export_html([job], tmp_path / "one.html").read_text(encoding="utf-8")
    assert "<video" not in page
    assert job.path.name in page


def test_a_later_kernel_shows_the_sweep_again(reel, live):
    line = "--vary mood=calm,wild --vary seconds=1,2 -n 2 -w"
    seas = reel.run_cell(cell(line)).result
    api.close()  # as if the kernel had ended
    again = reel.run_cell(f"%video show {seas.id}").result
    assert again is not seas
    assert (again.id, again.ids, again.labels, again.info) == (
        seas.id,
        seas.ids,
        seas.labels,
        seas.info,
    )
    assert again.to_dict() == seas.to_dict()
    assert seas.id in repr(reel.run_cell("%video history").result)
    assert {row["sweep"] for row in api.history().to_dict().values()} == {seas.id}
    assert live.posts() == 8


def test_resuming_shows_the_whole_grid(reel, live, capsys):
    reel.run_cell(cell("--vary mood=calm -s 1 -w"))
    live.faults.add({"step": "retrieve", "count": 3, "do": {"job": {"status": "queued"}}})
    line = "--vary mood=calm,wild,dark -s 1 --parallel 1 --reuse"
    seas = reel.run_cell(cell(line)).result
    while seas[1].remote_id is None:
        pass
    api.close()  # as if the kernel had ended
    hurry()
    capsys.readouterr()
    text = repr(reel.run_cell(f"%video resume {seas.id}").result)
    assert (text.count("resumed."), text.count("sent now")) == (1, 1)
    reel.run_cell("%video wait")
    assert "3 jobs · 3 done · 1 reused" in capsys.readouterr().out
    assert live.posts() == 3
    assert "Nothing to resume" in repr(reel.run_cell(f"%video resume {seas.id}").result)


def test_a_sweep_keeps_what_it_reused_and_loses_what_was_deleted(reel):
    first = reel.run_cell(cell("-s 1 -w", "A calm sea")).result
    seas = reel.run_cell(cell("--vary mood=calm,wild -s 1 -w --reuse")).result
    store = api.screen().session.store
    assert store.sweeps_of(seas.ids) == {seas.ids[1]: seas.id}
    assert store.sweep(seas.id).items[0].reused
    reel.run_cell(f"%video delete {first.id}")
    left = reel.run_cell(f"%video show {seas.id}").result
    assert (left.ids, left.labels) == (seas.ids[1:], ("wild",))


def test_jobs_do_not_hang_on_the_note_of_their_sweep(reel, monkeypatch, caplog):
    def full(_sweep):
        raise StoreError("The disk is full.")

    reel.run_cell("%video")
    monkeypatch.setattr(api.screen().session.store, "keep_sweep", full)
    seas = reel.run_cell(cell("--vary mood=calm,wild -s 1 -w")).result
    assert (seas.id, len(seas.videos)) == (None, 2)
    assert "The disk is full" in caplog.text


def test_rows_of_data_are_jobs_and_come_back(reel, live):
    pd = pytest.importorskip("pandas")
    reel.user_ns["df"] = pd.DataFrame(
        {"mood": ["calm", "wild"], "seconds": [1, 2], "reviewer": ["Ann", None]}
    )
    reel.user_ns["light"] = "dim"
    seas = reel.run_cell(cell("seas --rows $df -w", "A {mood}, {light} sea")).result
    assert [job.request.prompt for job in seas] == ["A calm, dim sea", "A wild, dim sea"]
    assert seas.labels == ("calm · 1 s", "wild · 2 s")
    api.close()  # the library keeps the notes
    table = reel.run_cell(f"%video show {seas.id}").result.to_pandas()
    assert list(table["mood"]) == ["calm", "wild"]
    assert list(table["reviewer"].fillna("nobody")) == ["Ann", "nobody"]
    assert live.posts() == 2


@pytest.mark.parametrize("line", ["--rows $rows", "--vary mood=$moods", "--from one.toml"])
def test_what_a_person_keeps_of_one_row_is_a_list_as_of_many(reel, live, line):
    reel.user_ns |= {"rows": [{"mood": "calm"}], "moods": ["calm"]}
    prompt = "A {mood} sea"
    if "--from" in line:
        api.sweep(prompt, mood=["calm"]).to_toml("one.toml")
        line, prompt = f"{line} --reuse", "# again"
    assert "1 job, " in repr(reel.run_cell(cell(f"{line} --dry-run", prompt)).result)
    seas = reel.run_cell(cell(f"seas {line} -w", prompt)).result
    assert [job.request.prompt for job in seas] == ["A calm sea"]
    assert len(seas.videos) == len(seas.to_dict()) == 1
    assert live.posts() == 1


def test_rows_from_a_file_and_from_python(reel, live):
    Path("rows.csv").write_text("mood,seed\ncalm,1\nwild,2\n", encoding="utf-8")
    told = repr(reel.run_cell(cell("--rows rows.csv -n 2 --dry-run")).result)
    assert "4 jobs" in told
    assert "wild · seed 2 · take 2" in told
    assert "Filled in" not in told
    seas = api.sweep("A {mood} {what}", rows=[{"mood": "calm"}, {"mood": "wild"}], what="sea")
    assert [job.request.prompt for job in seas] == ["A calm sea", "A wild sea"]
    seas.wait(60)
    assert live.posts() == 2


@pytest.mark.parametrize(
    ("line", "prompt", "words"),
    [
        ("--rows $nothing", "A sea", "no variable nothing"),
        ("--rows rows.csv --vary seed=1,2", "A sea", "one prompt and no --vary"),
        ("--rows rows.csv", "A sea\n---\nA wood", "one prompt and no --vary"),
        ("--rows rows.csv -s 3", "A sea", "seconds also has a fixed value"),
        ("--rows rows.csv -o a.mp4", "A sea", "makes 2"),
    ],
)
def test_rows_that_cannot_be_are_refused(reel, live, line, prompt, words):
    Path("rows.csv").write_text("seconds\n1\n2\n", encoding="utf-8")
    with pytest.raises(UsageError, match=words):
        reel.run_cell(cell(line, prompt))
    assert live.posts() == 0
