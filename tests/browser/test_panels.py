"""Form, gallery and compare in JupyterLab and Chromium."""

from __future__ import annotations

import re
import struct
from hashlib import sha256
from importlib import resources

import pytest

from ipyreel.jobs.store import JobStore
from ipyreel.values import JobSnapshot, VideoFile, VideoRequest
from tests.support.axe import grave_faults
from tests.support.lab import write_notebook

pytestmark = pytest.mark.browser

LOAD = "%load_ext ipyreel"
PROMPT = "A paper boat on a dark sea at dawn, {slow}"
ESCAPED = PROMPT.replace("{", "{{").replace("}", "}}")

STATUS = """text => [...document.querySelectorAll('.ipyreel-status')]
  .some(line => line.checkVisibility() && line.innerText.includes(text))"""


def press(lab, *keys):
    for key in keys:
        lab.page.keyboard.press(key)


def focused(lab):
    """Return what a person would say has the focus: the label, or the text of a button."""
    return lab.page.evaluate(
        """() => { const e = document.activeElement;
             return (e.labels?.[0]?.innerText || e.getAttribute('aria-label') || e.innerText
               || e.tagName).trim(); }"""
    )


PLAYS = """index => {
  const cell = document.querySelectorAll('.jp-Notebook .jp-Cell')[index];
  const seen = [...cell.querySelectorAll('video')].filter(video => video.checkVisibility());
  return seen.length && seen.every(video => video.readyState >= 2) && seen.length;
}"""
PICTURES = """number => [...document.querySelectorAll('.ipyreel-pick img')]
  .filter(image => image.checkVisibility()).length === number"""


def check_saved(page):
    """What others see of the form and the gallery: videos, pictures, and no error."""
    assert page.wait_for(PLAYS, arg=1) == 2
    assert page.play(1) > 0
    assert page.wait_for(PLAYS, arg=2) == 1  # the one that was open
    assert page.output(2).locator("img:visible").count() == 2
    for index, name in enumerate(("form", "gallery"), 1):
        text = page.output_text(index)
        assert f"%video {name} opens it" in text
        assert "The blue boat" in text
        assert "Error" not in text
        assert "Loading" not in text


def fill_with_keyboard(lab, form):
    """Fill the form and send it; a value that is refused is corrected on the way."""
    lab.page.evaluate("() => document.querySelector('.ipyreel-panel select').focus()")
    seen = [focused(lab)]
    press(lab, "Tab", "Tab")
    seen.append(focused(lab))
    lab.page.keyboard.type(PROMPT)
    press(lab, "Tab")
    seen.append(focused(lab))
    lab.page.keyboard.type("640")  # a list takes what begins so
    press(lab, "Tab")
    seen.append(focused(lab))
    lab.page.keyboard.type("99")
    lab.wait_for(STATUS, arg="takes 1 to 60")
    form.locator("button:disabled", has_text="Submit").wait_for()
    lab.screenshot("form-refused-light", cell=1)
    press(lab, "Control+a")
    lab.page.keyboard.type("2")
    lab.wait_for(STATUS, arg="free · demo")
    press(lab, "Tab")
    seen.append(focused(lab))
    lab.page.keyboard.type("7")
    press(lab, "Tab")
    seen.append(focused(lab))
    assert seen == ["Provider", "Prompt", "Size", "Seconds", "Seed", "Videos"]
    press(lab, *["Shift+Tab"] * 4)
    assert focused(lab) == "Prompt"
    lab.wait_for(STATUS, arg="seed 7")
    press(lab, "Control+Enter")
    lab.wait_for(STATUS, arg="Sent: v")
    assert focused(lab) == "Prompt"


BUSY = """import time
from ipyreel.notebook import api
(form,) = api.screen().open_panels
with form.lock:
    time.sleep(3)"""


def submit_while_busy(lab, form, text):
    """Type and click while the page holds letters back, which the click would overtake."""
    lab.set_source(0, BUSY)
    lab.start_cell(0)
    form.get_by_label("Prompt").fill("")
    form.get_by_label("Prompt").press_sequentially(text)
    form.locator("button", has_text="Submit").dblclick()  # buys one video


def test_the_form_is_filled_with_the_keyboard_and_what_it_made_is_saved(server, lab, stranger):
    cells = [f"{LOAD}\n%video use demo", "%video form", "%video gallery"]
    write_notebook(server.root / "form.ipynb", cells)
    lab.open("form.ipynb")
    lab.run_cell(0)
    lab.run_cell(1)
    form = lab.output(1)
    form.locator("select").first.wait_for()
    fill_with_keyboard(lab, form)
    assert lab.outputs(2) == []  # Ctrl+Enter ran no cell
    lab.screenshot("form-card-light", cell=1)
    form.locator("button", has_text="Copy as cell").press("Enter")
    cell = form.get_by_label("As a cell")
    cell.wait_for()
    assert cell.input_value() == f"%%video -p demo -s 2 --size 640x360 --seed 7\n{ESCAPED}"
    facts = lab.video(1)
    assert (facts["width"], facts["height"]) == (640, 360)
    assert facts["duration"] == pytest.approx(2, abs=0.05)
    assert lab.play(1) > 0
    assert form.locator("textarea").first.input_value() == PROMPT
    lab.screenshot("form-done-light", cell=1)
    lab.use_theme("dark")
    lab.screenshot("form-done-dark", cell=1)
    lab.use_theme("light")

    submit_while_busy(lab, form, "The blue boat, {{slow}}")
    lab.wait_for(f"index => ({PLAYS})(index) === 2", arg=1)
    lab.run_cell(2)
    gallery = lab.output(2)
    gallery.get_by_label("Provider").select_option("demo")
    gallery.get_by_label("Search prompts").fill("{slow}")
    lab.wait_for(PICTURES, arg=2)
    gallery.locator(".ipyreel-pick button", has_text="The blue boat").click()
    assert lab.wait_for(PLAYS, arg=2) == 1
    saved = lab.save()
    assert [len(saved.cells[index].outputs) for index in (1, 2)] == [2, 2]
    assert len(str(saved.cells[2].outputs)) < 20_000
    assert lab.console_errors == []
    lab.close_notebook()

    lab.open("form.ipynb")  # the next day: trusted, and with a kernel that knows of nothing
    assert lab.is_trusted(1)
    check_saved(lab)
    lab.screenshot("panels-trusted")
    other = stranger("form.ipynb")
    check_saved(other)
    other.screenshot("panels-untrusted")
    assert grave_faults(other.page, ".jp-OutputArea-output")[0] == []
    assert other.console_errors == []


SIX = """import ipyreel
prompts = ["A red balloon", "A blue boat", "A green train"]
jobs = [ipyreel.submit(p, provider="draws", size="64x64", seconds=s, seed=1)
        for p in prompts for s in (2, 3)]
for job in jobs:
    job.wait()"""

WATCH = """() => {
  // The time of the picture that is on the screen, and not merely what the clock was set to.
  window.shown = new Map();
  for (const video of document.querySelectorAll('.jp-OutputArea-output video')) {
    const look = (_, facts) => {
      window.shown.set(video, facts.mediaTime);
      video.requestVideoFrameCallback(look);
    };
    video.requestVideoFrameCallback(look);
  }
}"""
NEAR = """frame => {
  const times = [...(window.shown || new Map()).values()];
  return times.length === 6 && times.every(time => Math.abs(time - frame / 24) < 1 / 24) && times;
}"""
STEPPING = """() => {
  const videos = [...document.querySelectorAll('.jp-OutputArea-output video')];
  const times = videos.map(video => video.currentTime);
  return videos.every(video => !video.paused) && Math.min(...times) > 0.5
    && Math.max(...times) - Math.min(...times) < 1 / 24;
}"""
READY = """() => { const v = [...document.querySelectorAll('.jp-OutputArea-output video')];
  return v.length === 6 && v.every(one => one.readyState >= 2 && !one.seeking); }"""


@pytest.mark.usefixtures("shops")
def test_compare_keeps_six_videos_in_step(server, lab, stranger):
    write_notebook(server.root / "compare.ipynb", [LOAD, SIX, "ipyreel.compare(*jobs)"])
    lab.open("compare.ipynb")
    for index in range(3):
        lab.run_cell(index)
    lab.wait_for(READY)
    bar = lab.output(2).locator("input[type=range]")
    bar.wait_for()
    lab.screenshot("compare-light", cell=2)
    lab.page.evaluate(WATCH)
    for wanted in (6, 25, 44):
        bar.fill(str(wanted))
        times = lab.wait_for(NEAR, arg=wanted)
        assert max(times) - min(times) < 1 / 24
    bar.focus()
    # One at a time: the browser tells of pictures as best it can, and may leave out the last
    # of several that come faster than the page is drawn.
    for key, wanted in (("ArrowRight", 45), ("ArrowRight", 46), ("ArrowLeft", 45)):
        press(lab, key)
        lab.wait_for(NEAR, arg=wanted)
    assert bar.get_attribute("aria-valuetext").startswith("frame 45 of 71")
    press(lab, "Space")  # plays on from here, and begins anew at the end
    lab.wait_for(STEPPING)
    press(lab, "Space")
    sound = lab.output(2).locator("button", has_text="Sound")
    assert sound.get_attribute("aria-pressed") == "false"
    sound.click()
    assert lab.page.evaluate("() => [...document.querySelectorAll('video')].every(v => !v.muted)")
    lab.use_theme("dark")
    lab.screenshot("compare-dark", cell=2)
    saved = lab.save()
    assert lab.console_errors == []
    assert sum(len(str(output)) for output in saved.cells[2].outputs) < 12_000
    assert set(saved.cells[2].outputs[0].data) == {"text/html", "text/plain"}
    lab.close_notebook()

    # The same person on the next day: the bar works, though no kernel knows of it.
    lab.open("compare.ipynb")
    assert lab.is_trusted(2)
    lab.wait_for(READY)
    lab.output(2).locator("input[type=range]").fill("44")
    lab.page.evaluate(WATCH)
    lab.output(2).locator("input[type=range]").press("ArrowRight")
    lab.wait_for(NEAR, arg=45)
    assert "Error" not in lab.output_text(2)
    assert lab.console_errors == []

    other = stranger("compare.ipynb")
    other.wait_for(READY)
    assert other.output(2).locator("video[controls]").count() == 6
    assert "A red balloon · 2 s" in other.output_text(2)
    other.screenshot("compare-untrusted", cell=2)


MANY, PLACE = 500, 377
NOUNS = ("balloon", "boat", "castle", "comet", "river")


def finished(root, number):
    """Write a video that differs from all others; return its job."""
    film = resources.files("ipyreel.demo").joinpath("stub.mp4").read_bytes()
    film += struct.pack(">I4sI", 12, b"free", number)
    path = root / "videos" / f"many-{number}.mp4"
    path.write_bytes(film)
    request = VideoRequest(prompt=f"A {NOUNS[number % 5]} number {number}", seed=number)
    file = VideoFile(
        path=str(path), size=len(film), sha256=sha256(film).hexdigest(), media_type="video/mp4"
    )
    return JobSnapshot(
        id=f"v{number:04}many", provider="shop", request=request, status="completed",
        created_at=1e9 + number, completed_at=1e9 + number, target=str(path), file=file,
    )  # fmt: skip


@pytest.fixture
def many(server):
    """Put 500 finished videos into the library of the server's kernels."""
    (server.root / "videos").mkdir(exist_ok=True)
    jobs = [finished(server.root, number) for number in range(MANY)]
    store = JobStore(server.home / "ipyreel" / "library.sqlite")
    store.insert(*jobs)
    store.close()


@pytest.mark.usefixtures("many")
def test_the_gallery_finds_one_of_500_and_opens_it(server, lab):
    write_notebook(server.root / "gallery.ipynb", [LOAD, "%video gallery"])
    fetched = []
    lab.page.on("request", lambda one: fetched.append(one.url) if ".mp4" in one.url else None)
    posters = server.home / "ipyreel" / "posters"
    before = len(list(posters.glob("*")))
    lab.open("gallery.ipynb")
    lab.run_cell(0)
    lab.run_cell(1)
    gallery = lab.output(1)
    gallery.get_by_label("Provider").select_option("shop")  # other tests have made videos too
    lab.wait_for(STATUS, arg=f"1 to 12 of {MANY}")
    lab.wait_for("() => document.querySelectorAll('.ipyreel-pick img').length === 12")
    assert len(list(posters.iterdir())) <= before + 24  # what is not seen is not made
    lab.screenshot("gallery-light", cell=1)
    gallery.locator("button", has_text="Next").click()
    lab.wait_for(STATUS, arg=f"13 to 24 of {MANY}")
    gallery.get_by_label("Search prompts").fill(f"castle number {PLACE}")
    lab.wait_for(STATUS, arg="1 to 1 of 1")
    tile = gallery.locator(".ipyreel-pick button.widget-button:visible")
    lab.wait_for("() => [...document.querySelectorAll('.ipyreel-pick button.widget-button')]"
                 ".filter(button => button.checkVisibility()).length === 1")  # fmt: skip
    lab.wait_for(PICTURES, arg=1)
    assert fetched == []
    tile.press("Enter")  # the keyboard's way
    facts = lab.video(1)
    name = f"many-{PLACE}.mp4"
    assert name in facts["src"]
    assert facts["duration"] == pytest.approx(1, abs=0.05)
    assert lab.play(1) > 0
    assert all(name in url for url in fetched)
    assert len(list(posters.iterdir())) <= before + 40
    lab.use_theme("dark")
    lab.screenshot("gallery-opened-dark", cell=1)
    assert lab.console_errors == []


LONG = "A paper boat on a dark sea at dawn, cinematic, golden hour, slow motion, with lanterns"
FACES = {
    "card-live": f"%%video -p held\n{LONG}",
    "card-done": f"%%video done -p quick --width 480\n{LONG}",
    "card-failed": f"%%video -p bad\n{LONG}",
    "grid-live": "%%video --vary mood=calm,wild --vary provider=quick,held,bad\nA {mood} sea",
    "grid-done": "%%video sea --count 3\nA sea",
    "form": "%video form",
    "gallery": "%video gallery",
    "compare": "import ipyreel\nsea.wait()\nipyreel.compare(*sea[:2])",
    "rate": "%video rate sea",
}


STATIC = """index => window.jupyterapp.shell.currentWidget.content.widgets[index].model.outputs
  .toJSON().every(one => !('application/vnd.jupyter.widget-view+json' in one.data))"""


@pytest.mark.usefixtures("shops")
def test_axe_finds_no_serious_fault_in_any_face(server, lab):
    write_notebook(server.root / "faces.ipynb", [LOAD, *FACES.values()])
    lab.page.set_viewport_size({"width": 1280, "height": 6000})
    lab.open("faces.ipynb")
    for index in range(len(FACES) + 1):
        lab.run_cell(index)
    names = {name: index for index, name in enumerate(FACES, 1)}
    form, gallery = lab.output(names["form"]), lab.output(names["gallery"])
    form.get_by_label("Prompt").fill(LONG)
    form.locator("button", has_text="Submit").click()
    form.locator("video").first.wait_for()
    gallery.locator(".ipyreel-pick", has_text="A sea").locator("button").first.click()
    gallery.locator("button", has_text="Remix").wait_for()
    lab.output(names["card-failed"]).locator("button", has_text="Retry").wait_for()
    lab.output(names["card-done"]).locator("video").wait_for()
    lab.wait_for(STATIC, arg=names["grid-done"])
    rate = lab.output(names["rate"])
    rate.get_by_role("button", name="4 stars").first.click()
    rate.get_by_label("Note").first.fill("Sharp, and the lanterns stay")
    rate.get_by_label("Tags").first.fill("keep, sea")
    lab.page.keyboard.press("Tab")
    rate.get_by_text("tags saved").wait_for()
    live = lab.output(names["grid-live"])
    live.get_by_text(re.compile(r"2 done · 2 failed · 2 running")).first.wait_for()
    for theme in ("light", "dark"):
        lab.use_theme(theme)
        lab.screenshot(f"faces-{theme}")
        faults, read = grave_faults(lab.page, ".jp-OutputArea-output")
        assert faults == [], "\n".join(faults)
        assert read > 80  # of the texts, whose contrast it could judge
    assert "1 star\n2 stars" in rate.inner_text()
    lab.page.set_viewport_size({"width": 760, "height": 6000})  # less the side bar's 280
    fields = form.locator(".ipyreel-fields > :visible")
    assert len({round(one.bounding_box()["x"]) for one in fields.all()}) == 1
