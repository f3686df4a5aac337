"""In Voilà: a live card, then the video in the page itself, since Voilà serves no MP4."""

from __future__ import annotations

import pytest

from tests.browser.conftest import MOVES
from tests.support.demo import running_demo
from tests.support.lab import write_notebook
from tests.support.voila import VoilaPage, VoilaServer

pytestmark = pytest.mark.browser

LOAD = "%load_ext ipyreel"
VIDEO = """%%video clip --seconds 2 --size 640x360
A paper boat on a dark sea at dawn"""
MOVED = """() => {
  const bar = document.querySelector('[role=progressbar]');
  return !!bar && Number(bar.getAttribute('aria-valuenow')) > 0;
}"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    with running_demo(tmp_path_factory.mktemp("voila-shop"), speed=200) as demo:
        yield demo


@pytest.fixture(scope="module")
def voila(shop, tmp_path_factory):
    root = tmp_path_factory.mktemp("voila-root") / "zwei Wörter"
    root.mkdir()
    (root / "ipyreel.toml").write_text(
        f'provider = "shop"\n[providers.shop]\nbase_url = "{shop.url}"\ndialect = "openai"\n'
    )
    server = VoilaServer(root, tmp_path_factory.mktemp("voila-home"))
    yield server.wait_ready()
    server.stop()


@pytest.fixture
def visit(voila, browser):
    page = VoilaPage(voila, browser)
    yield page
    page.close()


def test_a_visitor_sees_the_card_move_and_the_video_play(voila, shop, visit):
    for rule in MOVES:
        shop.faults.add(rule)
    write_notebook(voila.root / "ein Film ü.ipynb", [LOAD, VIDEO])
    visit.open("ein Film ü.ipynb")
    visit.wait_for(MOVED)
    visit.screenshot("voila-card")
    shop.faults.clear()
    facts = visit.video()
    assert (facts["width"], facts["height"]) == (640, 360)
    assert facts["duration"] == pytest.approx(2, abs=0.05)
    assert facts["src"].startswith("data:video/mp4;base64,")
    assert visit.seek(1.5) == pytest.approx(1.5)
    assert "embedded" in visit.text()
    assert not [url for url in visit.asked if ".mp4" in url]
    visit.screenshot("voila-light")
    # The job of the first visit may have ended, too.
    assert {path.parent for path in voila.root.rglob("*.mp4")} == {voila.root / "videos"}


def test_what_is_waited_for_needs_no_widget_in_the_page(voila, visit):
    write_notebook(voila.root / "done.ipynb", [LOAD, VIDEO.replace("clip", "clip --wait")])
    visit.open("done.ipynb", theme="dark")
    assert visit.video()["width"] == 640
    assert visit.seek(1) == pytest.approx(1)
    assert visit.page.locator(".jp-RenderedHTMLCommon video").count() == 1
    visit.screenshot("voila-dark")
