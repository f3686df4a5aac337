"""The exported page of votes: judged offline by keyboard, saved as a file, merged once."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.support.demo import running_demo
from tests.support.jupyter import environment
from tests.support.lab import PATIENCE, SCREENSHOTS

pytestmark = pytest.mark.browser

MAKE = """
import ipyreel
films = ipyreel.sweep("A {mood} sea", mood=["calm", "stormy"], count=2, size="64x64", seconds=1)
films.wait()
print(films.id, ipyreel.export_html(films, "votes.html", title="Seas for $5", votes=4))
"""
MERGE = """
import ipyreel, sys
print([ipyreel.merge_votes(sys.argv[1]) for _ in range(2)])
print(ipyreel.history().results().data.votes)
ipyreel.export_html(ipyreel.history(), "all.html")
"""


@pytest.fixture
def run(tmp_path):
    """Return a function that runs a script where a demo server answers; returns what it prints."""
    folder = tmp_path / "study"
    folder.mkdir()
    with running_demo(tmp_path / "server", speed=50) as demo:
        (folder / "ipyreel.toml").write_text(
            f'provider = "shop"\n[providers.shop]\nbase_url = "{demo.url}"\ndialect = "openai"\n',
            encoding="utf-8",
        )

        def run_script(script, *arguments):
            done = subprocess.run(
                [sys.executable, "-c", script, *map(str, arguments)],
                cwd=folder,
                env=environment(tmp_path / "home", IPYREEL_TRUST=str(folder)),
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            return done.stdout

        yield run_script


def test_a_colleague_votes_on_a_page_and_sends_a_file(browser, run, tmp_path):
    run(MAKE)
    page = browser.new_page(accept_downloads=True)
    page.set_default_timeout(PATIENCE * 1000)
    asked = []
    page.on("request", lambda request: asked.append(request.url.split(":", 1)[0]))
    where = (tmp_path / "study" / "votes.html").as_uri()
    page.goto(where)
    page.get_by_text("0 of 4 votes").wait_for()
    page.wait_for_function("() => [...document.querySelectorAll('.ipyreel-shown video')]"
                           ".every(video => video.currentTime > 0)")  # fmt: skip
    shown = page.locator("figure.ipyreel-shown").all_inner_texts()
    assert [text.strip() for text in shown] == ["Left", "Right"]
    page.screenshot(path=SCREENSHOTS / "voting_page.png", full_page=True)
    for key, count in [("ArrowLeft", 1), ("ArrowDown", 2), ("u", 1), ("ArrowRight", 2)]:
        page.keyboard.press(key)
        page.get_by_text(f"{count} of 4 votes").wait_for()
    page.reload()  # who comes back goes on
    page.get_by_text("2 of 4 votes").wait_for()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.get_by_text("Done: 4 votes").wait_for()
    page.get_by_role("button", name="Save votes").click()
    page.get_by_text("Enter your name").wait_for()
    page.get_by_label("Your name").fill("Zoë L.")
    with page.expect_download() as found:
        page.get_by_role("button", name="Save votes").click()
    assert found.value.suggested_filename == "votes-Zoë-L-.json"
    file = tmp_path / "votes.json"
    found.value.save_as(file)
    page.close()
    assert set(asked) <= {"file", "data", "blob"}
    votes = json.loads(file.read_text(encoding="utf-8"))["votes"]
    assert [vote["winner"] for vote in votes] == ["left", "right", "tie", "tie"]
    assert run(MERGE, file).splitlines() == ["[4, 0]", "4"]
    page = browser.new_page(viewport={"width": 360, "height": 800})  # a phone
    page.goto((tmp_path / "study" / "all.html").as_uri())
    page.get_by_text("4 votes by 1 person").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    page.close()
