"""Every value is escaped, what is saved survives JupyterLab's sanitizer, words are right."""

from __future__ import annotations

import base64
import html
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.display import Video as PlainVideo

from ipyreel.notebook.frontends import Document, FrontEnd
from ipyreel.notebook.handles.video import Video, media_type
from ipyreel.notebook.jupyter_server import Server
from ipyreel.notebook.markup import job_html, job_text, sweep_html
from ipyreel.notebook.markup.html import PlayerOptions, element, style_sheet
from ipyreel.notebook.markup.sweep_html import TileVideo
from ipyreel.notebook.markup.sweep_text import SweepInfo
from ipyreel.notebook.markup.tables import Notice, Table
from ipyreel.values import Failure, JobSnapshot, VideoFile, VideoRequest
from tests.notebook.conftest import COLAB, JUPYTER, TERMINAL

JOB = JobSnapshot(
    id="v7f3a",
    provider="apiyi",
    request=VideoRequest(
        prompt="A golden retriever", model="sora-2-pro", seconds=8, size="1280x720"
    ),
    status="queued",
    created_at=1000.0,
    target="/n/videos/a.mp4",
    estimate=2.4,
)
FILE = VideoFile(
    path="/n/videos/a.mp4",
    size=3_100_000,
    sha256="0",
    media_type="video/mp4",
    width=1280,
    height=720,
)
STATES = {
    "submitting": JOB,
    "queued": JOB,
    "in_progress": replace(JOB, status="in_progress", progress=45),
    "downloading": replace(JOB, status="downloading", received=3_100_000, total=7_800_000),
    "completed": replace(JOB, status="completed", completed_at=1124.0, file=FILE),
    "failed": replace(JOB, status="failed", failure=Failure(message="refused", code="moderation")),
    "cancelled": replace(JOB, status="cancelled", note="Asked apiyi to stop."),
    "unknown": replace(JOB, status="unknown"),
}

# What JupyterLab 4.6 keeps in somebody else's notebook (packages/apputils/src/sanitizer.ts).
KEPT_TAGS = {"b", "caption", "details", "div", "figure", "p", "span", "strong", "summary"} | {
    "table", "tbody", "td", "th", "thead", "tr", "video",
}  # fmt: skip
KEPT_ATTRIBUTES = {"class", "dir", "style", "title"}
KEPT_OF_VIDEO = {"autoplay", "controls", "height", "loop", "muted", "preload", "src", "width"}


class Reader(HTMLParser):
    """Collects tags, attributes and text, and checks that all tags are closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def of(self, tag: str) -> dict[str, str | None]:
        return next(attributes for name, attributes in self.tags if name == tag)


def card_html(job: JobSnapshot, now: float, trouble: str | None = None) -> str:
    """Return the parts of a live card as one page."""
    clock = job_html.clock_html(job, now=now, remaining=50)
    parts = (job_html.phase_html(job), clock, job_html.body_html(job, trouble=trouble))
    return element("div", *parts, class_="ipyreel")


def pages(job: JobSnapshot) -> list[str]:
    return [
        card_html(job, now=1072, trouble=job.request.prompt),
        job_html.static_html(job),
        job_html.finished_html(job, "videos/a.mp4", player=PlayerOptions(), where=job.target),
        job_html.missing_html(job, job.target),
    ]


hostile = st.text(min_size=1) | st.sampled_from(
    [
        '"><script>alert(1)</script>',
        "' onerror=x ",
        "<!--",
        "&lt;",
        "]]>",
        "\x00",
        "\ud800",
        "</video>",
    ]
)


@given(hostile, st.sampled_from(sorted(STATES)))
def test_no_text_adds_an_element_or_an_attribute(text, state):
    job = STATES[state]
    failure = job.failure and replace(
        job.failure, message=text, code=text, request_id=text, hint=text
    )
    evil = replace(
        job,
        id=text,
        provider=text,
        note=text,
        target=text,
        failure=failure,
        request=VideoRequest(prompt=text, model=text, size=text, seconds=8),
    )
    allowed = {
        (tag, tuple(sorted(attributes)))
        for calm in (
            job,
            replace(job, note="x"),
            replace(job, failure=Failure(message="x")),
            replace(job, request=replace(job.request, size=None)),
        )
        for page in pages(calm)
        for tag, attributes in Reader(page).tags
    } | {("p", ("class", "dir", "title")), ("div", ("class", "dir"))}
    for page in pages(evil):
        reader = Reader(page)
        assert {(tag, tuple(sorted(attributes))) for tag, attributes in reader.tags} <= allowed | {
            ("summary", ("dir",)),
            ("details", ("style",)),
        }
        page.encode()


@pytest.mark.parametrize("size", ["²x²", "x", "0x0", "1280", "wide", "1280x720x2"])
def test_a_size_that_is_none_leaves_the_player_its_own(size):
    job = replace(JOB, request=replace(JOB.request, size=size))
    video = Reader(job_html.static_html(job, "a.mp4")).of("video")
    assert "width" not in video


def test_an_unfinished_job_is_saved_with_the_player_of_its_file_to_be():
    page = job_html.static_html(STATES["in_progress"], "videos/a%20b.mp4")
    video = Reader(page).of("video")
    assert (video["src"], video["preload"]) == ("videos/a%20b.mp4", "none")
    assert (video["width"], video["height"]) == ("530", "298")  # of the size that was asked for
    assert "If the player stays empty, run %video show v7f3a." in Reader(page).text
    assert "Generating" not in page  # which will not be true any more
    assert "<video" not in job_html.static_html(STATES["in_progress"])
    assert "<video" not in job_html.static_html(STATES["failed"], "videos/a.mp4")


VARIES = re.compile(r"v[0-9a-z]{4,}|videos/|\d+:\d\d|\d [kM]B")
"""An id, a path, a time, a size in bytes."""


def test_two_runs_differ_only_in_lines_that_hold_an_id_a_path_a_time_or_a_size():
    first, second = (
        replace(
            STATES["completed"],
            id=name,
            created_at=1000.0 + shift,
            target=f"/n/videos/{name}.mp4",
            file=replace(FILE, path=f"/n/videos/{name}.mp4", size=10**6 * int(shift + 3)),
        )
        for name, shift in (("v7f3a", 0.0), ("v9b2c", 30.0))
    )

    def saved(job):
        name = f"videos/{job.id}.mp4"
        where = f"{name} · {job_text.amount(job.file.size)}, linked"
        done = job_html.finished_html(job, name, player=PlayerOptions(), where=where)
        video = {job.id: TileVideo(src=name, where=where, link=name)}
        grid = sweep_html.grid_html(SweepInfo(labels=("seed 1",)), [job], video)
        coming = job_html.static_html(replace(job, status="queued"), name)
        return f"{done}\n{grid}\n{coming}".splitlines()

    pairs = list(zip(saved(first), saved(second), strict=True))
    changed = [line for one, other in pairs if one != other for line in (one, other)]
    assert changed
    assert all(VARIES.search(line) for line in changed)
    assert max(len(line) for pair in pairs for line in pair) < 400


@given(st.text(alphabet=st.characters(exclude_categories=["Cc", "Cs"]), min_size=1, max_size=300))
def test_the_prompt_is_read_as_it_was_typed(prompt):
    job = replace(STATES["completed"], request=VideoRequest(prompt=prompt))
    reader = Reader(job_html.finished_html(job, "a.mp4", player=PlayerOptions(), where="a.mp4"))
    assert prompt.strip() in reader.text
    assert reader.of("video")["title"] == " ".join(prompt.split())


@pytest.mark.parametrize("state", sorted(STATES))
def test_what_is_saved_survives_the_sanitizer(state):
    job = STATES[state]
    player = job_html.finished_html(
        job, "a.mp4", player=PlayerOptions(loop=True, autoplay=True), where="a"
    )
    for page in (player, job_html.static_html(job), job_html.missing_html(job, "gone")):
        assert "var(" not in page
        for tag, attributes in Reader(page).tags:
            assert tag != "video" or "background-color" in attributes["style"]  # while it loads
            assert tag in KEPT_TAGS
            assert set(attributes) <= KEPT_ATTRIBUTES | (KEPT_OF_VIDEO if tag == "video" else set())


def weight(data):
    """Return how many bytes longer a notebook's file is with this output."""
    output = nbformat.v4.new_output("display_data", data=dict(data))
    cells = [nbformat.v4.new_code_cell("v", id="a", outputs=some) for some in ([output], [])]
    one, none = (
        len(nbformat.writes(nbformat.v4.new_notebook(cells=[cell])).encode()) for cell in cells
    )
    return one - none


@pytest.mark.parametrize("how", ["link", "embed"])
def test_a_bare_video_adds_no_more_than_ipythons_own(clip, tmp_path, monkeypatch, how):
    monkeypatch.chdir(tmp_path)
    name = "videos/a.mp4"
    clip.rename(name)
    ours = Video(name, how=how, host=JUPYTER, folder=tmp_path)._repr_mimebundle_()
    plain = PlainVideo(name, embed=how == "embed")
    theirs = {"text/plain": repr(plain), "text/html": plain._repr_html_()}
    assert weight(ours) <= weight(theirs)
    reader = Reader(ours["text/html"])
    video = reader.of("video")
    assert video["title"] == "a.mp4"
    assert video["preload"] == "metadata"
    assert "controls" in video
    assert video["style"] == "max-width:100%"
    assert "autoplay" not in video
    chosen = "1 kB, linked" if how == "link" else "1 kB, embedded (+1 kB)"
    assert reader.text == chosen
    assert ours["text/plain"] == f"{name}, {chosen}"
    for tag, attributes in reader.tags:
        assert tag in KEPT_TAGS
        assert set(attributes) <= KEPT_ATTRIBUTES | KEPT_OF_VIDEO


@given(hostile)
def test_a_bare_video_escapes_its_name(text):
    player = PlayerOptions(width=320, loop=True, autoplay=True)
    reader = Reader(job_html.player_html(text, player=player, name=text, line=text))
    assert [tag for tag, _ in reader.tags][:2] == ["video", "p"]
    assert reader.text == job_text.clean(text)
    video = reader.of("video")
    assert video["title"] == job_text.clean(text)
    assert (video["src"], video["width"]) == (job_text.clean(text), "320")
    assert {"loop", "muted", "autoplay"} <= set(video)


@pytest.mark.parametrize(
    ("width", "height", "asked", "expected"),
    [
        (720, 1280, None, ("270", "480")),
        (320, 180, None, ("320", "180")),
        (320, 180, 640, ("640", "360")),
    ],
)
def test_the_player_fits(width, height, asked, expected):
    job = replace(STATES["completed"], file=replace(FILE, width=width, height=height))
    page = job_html.finished_html(job, "a.mp4", player=PlayerOptions(width=asked), where="")
    video = Reader(page).of("video")
    assert (video["width"], video["height"]) == expected
    assert (video["src"], video["preload"]) == ("a.mp4", "metadata")  # on the video itself
    assert "max-width:100%;height:auto" in video["style"]
    assert "controls" in video
    assert "autoplay" not in video


def test_a_long_prompt_is_folded_and_whole():
    prompt = "word " * 200
    job = replace(STATES["completed"], request=VideoRequest(prompt=prompt))
    reader = Reader(job_html.finished_html(job, "a.mp4", player=PlayerOptions(), where="a"))
    assert "details" in dict(reader.tags)
    assert prompt.strip() in reader.text


def test_the_bar_speaks_and_only_the_word_is_announced():
    reader = Reader(card_html(STATES["in_progress"], now=1072))
    bar = next(
        attributes for _, attributes in reader.tags if attributes.get("role") == "progressbar"
    )
    assert (bar["aria-valuenow"], bar["aria-valuemax"]) == ("45", "100")
    assert bar["aria-valuetext"] == "Generating 45 %"
    assert bar["aria-label"]
    assert [
        attributes["aria-live"] for _, attributes in reader.tags if "aria-live" in attributes
    ] == ["polite"]
    assert job_html.phase_html(STATES["in_progress"]) == job_html.phase_html(
        replace(STATES["in_progress"], progress=80)
    )
    assert "1:12 · about 0:50 left" in reader.text
    assert "aria-valuenow" not in card_html(JOB, now=1000)  # no news, so no value
    ends = ("completed", "failed", "cancelled", "unknown")
    assert not any("progressbar" in card_html(STATES[state], now=1100) for state in ends)


def test_the_sheet_has_fallbacks_for_every_variable_of_a_theme():
    sheet = str(style_sheet("card.css"))
    used = re.findall(r"var\(--jp-[a-z0-9-]+(,?)", sheet)
    assert used
    assert all(used)
    assert "prefers-reduced-motion" in sheet


# ---- words --------------------------------------------------------------------------------


@given(st.sampled_from(sorted(STATES)), hostile)
def test_the_text_has_at_most_two_lines_and_no_control_characters(state, text):
    job = replace(STATES[state], note=text, request=VideoRequest(prompt=text, model=text))
    told = job_text.text(job, now=1072)
    assert told.count("\n") <= 1
    assert not set(told) & {"\x1b", "\r", "\x00"}


def test_the_ends_are_told_in_full():
    assert "/n/videos/a.mp4 (3.1 MB)" in job_text.text(STATES["completed"])
    assert "refused (moderation)." in job_text.text(STATES["failed"])
    assert "Asked apiyi to stop." in job_text.text(STATES["cancelled"])
    assert "%video resume v7f3a" in job_text.text(STATES["unknown"])
    assert "may still finish" in job_text.text(replace(JOB, status="cancelled"))
    assert "gave no reason" in job_text.text(replace(JOB, status="failed"))
    spent = replace(JOB, status="failed", note="It counts as spent.")
    assert job_text.text(spent).endswith("The provider gave no reason. It counts as spent.")


def test_a_failed_job_claims_no_price_that_nobody_knows():
    assert "$" not in job_text.text(STATES["failed"])
    assert "$1.00" in job_text.text(replace(STATES["failed"], cost=1.0))


@pytest.mark.parametrize(
    ("say", "given", "said"),
    [
        (job_text.money, None, "no price known"),
        (job_text.money, 0, "free"),
        (job_text.money, 2.4, "about $2.40"),
        (job_text.money, 0.0042, "about $0.0042"),
        (job_text.money, 0.00000021, "about $2e-07"),
        (job_text.elapsed, 4.9, "0:04"),
        (job_text.elapsed, 72, "1:12"),
        (job_text.elapsed, 3600, "1:00:00"),
        (job_text.elapsed, -5, "0:00"),
        (job_text.amount, 812, "812 bytes"),
        (job_text.amount, 45_300, "45 kB"),
        (job_text.amount, 999_600, "1.0 MB"),
        (job_text.amount, 2.5e9, "2.5 GB"),
        (media_type, Path("a.WEBM"), "video/webm"),
        (media_type, Path("a.x.mp4"), "video/mp4"),
        (media_type, Path("a"), "video/mp4"),
    ],
)
def test_numbers_and_types_in_words(say, given, said):
    assert say(given) == said


@given(st.lists(st.floats(0, 100), min_size=2, max_size=6), st.integers(0, 10), st.integers(1, 10))
def test_the_bar_never_goes_back_from_phase_to_phase(progress, received, total):
    made = [
        job_text.bar(replace(JOB, status="in_progress", progress=value))
        for value in sorted(progress)
    ]
    down = job_text.bar(replace(JOB, status="downloading", received=received, total=total))
    assert [*made, down] == sorted([*made, down])
    assert down <= 100


# ---- Video --------------------------------------------------------------------------------


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "videos" / "ein Film #1 100%.mp4"
    path.parent.mkdir()
    path.write_bytes(bytes(range(256)) * 4)
    return path


@pytest.mark.parametrize(("limit", "chosen"), [(10**6, "embedded"), (10, "linked")])
def test_vs_code_links_only_what_is_too_large_to_embed(clip, tmp_path, limit, chosen):
    host = FrontEnd(kind="vscode", widgets=True, links=True, embeds=True, embeds_first=True)
    video = Video(clip, host=host, folder=tmp_path, embed_limit=limit)
    assert video.chosen == chosen
    assert ("--embed embeds it" in video.where) == (chosen == "linked")
    elsewhere = Video(clip, host=host, folder=tmp_path / "other", embed_limit=limit)
    assert elsewhere.chosen == ("embedded" if chosen == "embedded" else "not shown")


def test_a_file_that_the_server_does_not_serve_is_embedded(clip, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    clip.rename(outside / "a.mp4")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "videos").symlink_to(outside)
    root = tmp_path / "root"
    path = root / "videos" / "a.mp4"
    for server, chosen in ((None, "linked"), (Server(root, "http://127.0.0.1/", ""), "embedded")):
        document = Document(folder=root, server=server)
        assert Video(path, host=JUPYTER, document=document).chosen == chosen
    assert (
        Video(path, host=JUPYTER, document=Document(folder=root, known=False)).chosen == "embedded"
    )
    asked = Video(path, host=JUPYTER, how="link", document=Document(folder=root, known=False))
    assert asked.src == "videos/a.mp4"  # who asks for a link gets one, upwards too
    upwards = Document(folder=tmp_path / "notebooks")
    asked = Video(path, host=JUPYTER, how="link", document=upwards)
    assert asked.src == "../root/videos/a.mp4"


def test_a_file_under_the_notebook_is_linked(clip, tmp_path):
    video = Video(clip, host=JUPYTER, folder=tmp_path)
    src = Reader(video._repr_html_()).of("video")["src"]
    assert video.chosen == "linked"
    assert src == "videos/ein%20Film%20%231%20100%25.mp4"
    assert unquote(src) == "videos/ein Film #1 100%.mp4"
    assert video.added == 0
    assert video.where.endswith("1 kB, linked")


@pytest.mark.parametrize(
    ("host", "name", "size", "told"),
    [
        (COLAB, "a.mp4", 1024, "1 kB, embedded (+1 kB{})"),
        (COLAB, "large.webm", 2_000_010, "2.0 MB, embedded (+2.7 MB{})"),  # in several pieces
        (JUPYTER, ".videos/a.mp4", 1024, "1 kB, embedded (+1 kB{})"),  # which no server serves
        (JUPYTER, "videos/.cache/a.mp4", 1024, "1 kB, embedded (+1 kB{})"),
    ],
)
def test_elsewhere_it_is_embedded_whole(tmp_path, host, name, size, told):
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes((b"0123456789" * (size // 10 + 1))[:size])
    video = Video(path, host=host, folder=tmp_path)
    head, _, data = Reader(video._repr_html_()).of("video")["src"].partition(",")
    assert head == f"data:video/{path.suffix[1:]};base64"
    assert base64.b64decode(data, validate=True) == path.read_bytes()
    assert video.added == len(data)
    assert video.where.endswith(told.format(" in this notebook"))
    assert repr(video).endswith(told.format(""))


def test_what_is_too_large_is_said_with_its_path(clip, tmp_path):
    video = Video(clip, host=COLAB, folder=tmp_path, embed_limit=100)
    assert video.chosen == "not shown"
    page = video._repr_html_()
    assert "<video" not in page
    assert f"The file is videos/{clip.name}" in Reader(page).text
    assert replace(video, how="embed").chosen == "embedded"
    assert replace(video, embed_limit=clip.stat().st_size).chosen == "embedded"
    assert replace(video, embed_limit=clip.stat().st_size - 1).chosen == "not shown"


def test_what_is_saved_tells_nothing_of_this_machine(clip, tmp_path, monkeypatch):
    done = replace(STATES["completed"], file=replace(FILE, path=str(clip)))
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for folder, name in ((tmp_path, ""), (tmp_path / "notebooks", "~/")):
        bundle = Video(clip, done, host=COLAB, folder=folder)._repr_mimebundle_()
        for text in (bundle["text/plain"], Reader(bundle["text/html"]).text):
            assert f"{name}videos/{clip.name}" in text
            assert str(tmp_path) not in text


def test_a_terminal_gets_text_and_nothing_is_read(clip, tmp_path):
    video = Video(clip, STATES["completed"], host=TERMINAL, folder=tmp_path)
    assert set(video._repr_mimebundle_()) == {"text/plain"}
    assert repr(video) == job_text.text(STATES["completed"])
    assert str(clip) in repr(Video(clip, host=TERMINAL, folder=tmp_path))


# ---- tables and notices -------------------------------------------------------------------


def test_a_table_aligns_numbers_in_both_faces():
    table = Table(
        ("name", "usd"), [("a", 2.4), ("longer", 12), ("c", None)], title="Sums", note="all"
    )
    assert repr(table).splitlines() == [
        "Sums",
        "name    usd",
        "a       2.4",
        "longer   12",
        "c",
        "all",
    ]
    page = table._repr_mimebundle_()["text/html"]
    rows = [attributes["style"] for tag, attributes in Reader(page).tags if tag == "td"]
    assert ["right" in style for style in rows[:2]] == [False, True]


def test_only_long_cells_of_a_table_are_broken_into_lines():
    rows = [("2:04 ago", "apiyi", "A golden retriever on the beach")]
    page = Table(("created", "provider", "prompt"), rows)._repr_mimebundle_()["text/html"]
    styles = [attributes["style"] for tag, attributes in Reader(page).tags if tag == "td"]
    assert [style.endswith("white-space:pre-wrap") for style in styles] == [False, False, True]


@given(hostile)
def test_tables_and_notices_escape(text):
    page = Table((text,), [(text,)], title=text, note=text)._repr_mimebundle_()["text/html"]
    tags = {tag for tag, _ in Reader(page).tags}
    assert tags <= {"table", "caption", "thead", "tbody", "tr", "th", "td", "div", "span"}
    notice = Notice(text)._repr_mimebundle_()["text/html"]
    assert {tag for tag, _ in Reader(notice).tags} <= {"div", "span"}


def test_nothing_is_left_for_mathjax_to_typeset():
    page = element("td", "$0.30/s (720p); $0.50/s", " \\(x\\) and $$y$$", title="$1 and $2")
    shown = re.sub("<[^>]*>", "\0", page)
    assert not [piece for piece in shown.split("\0") if len(re.findall(r"[$\\]", piece)) > 1]
    assert html.unescape(re.sub("<[^>]*>", "", page)) == "$0.30/s (720p); $0.50/s \\(x\\) and $$y$$"
