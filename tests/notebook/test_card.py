"""Cards: drawn from the last snapshot only, at most four times a second, and static at the end."""

from __future__ import annotations

import io
import threading
from concurrent.futures import Future
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from IPython.core.displaypub import CapturingDisplayPublisher
from ipywidgets.widgets.widget import _instances

from ipyreel.notebook.live.card import Card, JobView
from ipyreel.notebook.live.live_output import CardContext, short_error
from ipyreel.notebook.live.plain import PageOutput, TextOutput
from ipyreel.notebook.markup import job_text
from ipyreel.notebook.markup.tables import Notice
from ipyreel.notebook.screen import make_output
from ipyreel.values import Failure, JobSnapshot, VideoFile, VideoRequest
from tests.notebook.conftest import HEADLESS, JUPYTER, TERMINAL
from tests.support.demo import Clock

JOB = JobSnapshot(
    id="v7f3a",
    provider="apiyi",
    request=VideoRequest(prompt="A <b>dog</b>", model="sora-2", seconds=8, size="1280x720"),
    status="queued",
    created_at=1000.0,
    target="/n/videos/a.mp4",
    estimate=2.4,
)
WORKING = replace(JOB, status="in_progress", progress=45)
DONE = replace(
    JOB,
    status="completed",
    completed_at=1124.0,
    file=VideoFile(path="/n/videos/a.mp4", size=9, sha256="0", media_type="video/mp4"),
)
FAILED = replace(JOB, status="failed", completed_at=1038.0, failure=Failure(message="refused"))


@dataclass
class Screen:
    """What was published: outputs and their updates."""

    publisher: CapturingDisplayPublisher

    @property
    def first(self):
        return [one["data"] for one in self.publisher.outputs if not one["update"]]

    @property
    def updates(self):
        return [one["data"] for one in self.publisher.outputs if one["update"]]


@pytest.fixture
def screen(publisher):
    return Screen(publisher)


def video(job: JobSnapshot) -> Notice:
    return Notice(f"the video {job.id}")


def view_of(job=JOB, **context) -> JobView:
    return JobView([job], CardContext(**{"video": video, "clock": Clock(1000.0), **context}))


def card_of(job=JOB, **context) -> Card:
    return Card(view_of(job, **context))


def button_of(card: Card):
    """Return the button that is shown, or None."""
    shown = [one for one in card._buttons.values() if one.layout.display is None]
    assert len(shown) < 2
    return shown[0] if shown else None


def state(card: Card) -> dict:
    """Return everything of a card that a person can see."""
    button = button_of(card)
    return {
        "phase": card._phase.value,
        "clock": card._clock.value,
        "body": card._body.value,
        "button": button and (button.description, button.tooltip, button.disabled),
        "children": len(card.children),
        "outputs": card._final_view.outputs,
        "text": repr(card),
    }


def snapshots():
    progress = st.none() | st.floats(0, 100)
    return st.builds(
        lambda **changes: replace(JOB, **changes),
        status=st.sampled_from(
            ["submitting", "queued", "in_progress", "downloading", "unknown", "failed"]
        ),
        progress=progress,
        received=st.none() | st.integers(0, 10**7),
        total=st.none() | st.integers(1, 10**7),
        note=st.none() | st.text(max_size=20),
        cost=st.none() | st.floats(0, 10),
        failure=st.none() | st.just(Failure(message="refused")),
    )


@settings(max_examples=20)  # each makes widgets, which takes a while
@given(st.lists(snapshots(), min_size=2, max_size=5))
def test_a_card_that_was_updated_equals_one_made_new(jobs):
    clock, hooks = Clock(1000.0), {"cancel": list, "retry": list, "typical": 90}
    updated = card_of(jobs[0], clock=clock, **hooks)
    for job in jobs[1:]:
        clock.now += 5
        updated.update(job)
    updated.tick()
    assert state(updated) == state(card_of(jobs[-1], clock=clock, **hooks))
    updated.close()


def test_at_most_four_messages_a_second_and_the_last_state_arrives():
    clock = Clock(1000.0)
    card = card_of(WORKING, clock=clock)
    sent = []
    for part in (card._phase, card._clock, card._body):
        part.observe(lambda change: sent.append(change["new"]), "value")
    for step in range(1000):
        clock.now += 0.01
        card.update(replace(WORKING, progress=45 + step / 100))
    assert len(sent) <= 41
    clock.now += 1
    card.tick()
    assert "54 %" in card._clock.value


def test_a_clock_that_is_set_back_does_not_stop_the_card():
    clock = Clock(1000.0)
    card = card_of(clock=clock)
    clock.now = 500.0
    card.update(WORKING)
    assert "45 %" in card._clock.value


def test_the_clock_ticks_and_tells_what_is_left():
    card = card_of(typical=60.0)
    card.tick(1010.0)
    assert "0:10" in card._clock.value
    card._context.clock.now = 1020.0
    card.tick()
    assert "about 0:40 left" in card._clock.value
    card._context.clock.now = 1070.0
    card.tick()
    assert "left" not in card._clock.value


def test_one_output_is_a_widget_and_then_static(screen):
    before = set(_instances)
    card = card_of()
    card.show()
    card.update(DONE)
    (first,), (last,) = screen.first, screen.updates
    assert "application/vnd.jupyter.widget-view+json" in first
    assert "was being made when the notebook was saved" in first["text/html"]
    assert first["text/plain"].startswith("Video v7f3a: apiyi sora-2 · 8 s · 1280×720\n")
    assert last == video(DONE)._repr_mimebundle_()
    assert card.ended
    assert set(_instances) <= before  # no page shows a widget, so none stays behind
    assert card._final_view.outputs == ()


def saved(screen) -> str:
    """Return the copy that is saved beside the card, as it is now."""
    pages = [one["data"]["text/html"] for one in screen.publisher.outputs]
    return [page for page in pages if not page or "ipyreel-saved" in page][-1]


def test_the_saved_copy_holds_the_player_from_the_first_moment_until_the_end(screen):
    card = card_of(link=lambda job: f"videos/{job.id}.mp4", retry=lambda _id: replace(JOB, id="v2"))
    card.keep_copy()
    card.show()
    widget, copy = screen.first
    assert "application/vnd.jupyter.widget-view+json" in widget
    assert widget["text/html"] == ""
    assert '<video src="videos/v7f3a.mp4" controls preload="none"' in copy["text/html"]
    assert "run %video show v7f3a" in copy["text/html"]
    card.update(WORKING)
    assert len(screen.publisher.outputs) == 2  # true before as it is now
    card.update(FAILED)
    assert "<video" not in saved(screen)
    assert "refused" in saved(screen)
    button = button_of(card)
    assert (button.description, "paid" in button.tooltip) == ("Retry", True)
    button.click()
    assert card.view.job.id == "v2"
    assert 'src="videos/v2.mp4"' in saved(screen)
    card.update(replace(DONE, id="v2"))
    assert saved(screen) == ""
    assert card.ended


def test_a_page_that_was_reloaded_keeps_the_widget_and_gets_the_video(screen):
    card = card_of()
    card.show()
    card._view_count = 1
    card.update(DONE)
    assert screen.updates
    assert card.children == (card._final_view,)
    assert card._final_view.outputs[0]["data"] == video(DONE)._repr_mimebundle_()
    assert card.comm is not None
    card._view_count = 0
    assert card.comm is None


def test_an_ended_job_is_static_from_the_start(screen):
    card = card_of(replace(JOB, status="cancelled", note="Asked apiyi to stop."))
    card.show()
    assert set(screen.first[0]) == {"text/html", "text/plain"}
    assert "Asked apiyi to stop." in screen.first[0]["text/html"]


@pytest.mark.parametrize("delivers", [True, False])
def test_where_threads_deliver_nothing_the_main_thread_does(screen, delivers):
    card = card_of(threads_deliver=delivers)
    card.show()
    thread = threading.Thread(target=card.update, args=(DONE,))
    thread.start()
    thread.join()
    assert bool(screen.updates) is card.ended is delivers
    card.update(DONE)
    assert screen.updates
    assert card.ended


def test_a_video_that_cannot_show_itself_is_said_to_be(screen):
    def broken(_job):
        raise ValueError("no <codec>")

    card = card_of(video=broken, place=lambda path: path.removeprefix("/n/"))
    card.show()
    card.update(DONE)
    assert "ValueError: no &lt;codec&gt;" in screen.updates[0]["text/html"]
    assert "videos/a.mp4" in screen.updates[0]["text/plain"]
    assert "/n/" not in str(screen.updates[0])


def test_an_error_of_the_disk_is_told_without_its_path():
    missing = FileNotFoundError(2, "No such file or directory", "/home/me/a.mp4")
    assert short_error(missing) == "FileNotFoundError: No such file or directory"


# ---- the button ---------------------------------------------------------------------------


def test_cancel_calls_back_and_waits_for_the_answer():
    calls = []
    card = card_of(cancel=lambda _id: calls.append(1))
    button = button_of(card)
    assert button.description == "Cancel"
    button.click()
    button.click()  # a double click
    assert calls == [1]
    assert (button.description, button.disabled) == ("Cancelling…", True)
    card._context.clock.now += 5
    card.update(WORKING)
    assert (button.description, button.disabled) == ("Cancel", False)


def test_a_click_means_what_its_button_said():
    sent, cancelled = [], []
    new = replace(JOB, id="v2")
    card = card_of(FAILED, retry=lambda name: sent.append(name) or new, cancel=cancelled.append)
    button = button_of(card)
    button.click()
    button.click()  # a double click, whose second half finds the job that was just paid for
    assert (sent, cancelled, card.view.job.id) == ([FAILED.id], [], "v2")
    card._context.clock.now += 5
    card.tick()
    button = button_of(card)
    assert button.description == "Cancel"
    card.update(replace(FAILED, id="v2"))
    button.click()  # it waited while the kernel was busy, and the job failed meanwhile
    assert (sent, cancelled) == ([FAILED.id], [])


def test_what_goes_wrong_in_a_callback_is_shown():
    def broken(_id):
        raise RuntimeError("no <way>")

    card = card_of(cancel=broken)
    button_of(card).click()
    assert "RuntimeError: no &lt;way&gt;" in card._body.value
    assert not button_of(card).disabled
    future = Future()
    card = card_of(cancel=lambda _id: future)
    button_of(card).click()
    future.set_exception(RuntimeError("refused"))
    assert "refused" in card._body.value


@pytest.mark.parametrize(
    ("job", "hooks", "shown"),
    [
        (JOB, {}, None),
        (JOB, {"cancel": list}, "Cancel"),
        (replace(JOB, status="unknown"), {"cancel": list}, None),
        (FAILED, {"cancel": list, "retry": list}, "Retry"),
    ],
)
def test_the_button_is_there_when_it_does_something(job, hooks, shown):
    button = button_of(card_of(job, **hooks))
    assert (button and button.description) == shown
    assert card_of(replace(FAILED, ready=True), retry=list).ended  # only the download failed


# ---- without widgets ----------------------------------------------------------------------


def test_a_page_without_widgets_is_replaced_at_the_end(screen):
    card, widget, text = (
        make_output(view_of(), Card, host) for host in (HEADLESS, JUPYTER, TERMINAL)
    )
    assert [type(one) for one in (card, widget, text)] == [PageOutput, Card, TextOutput]
    card.show()
    card.update(WORKING)
    assert not screen.updates
    card.update(DONE)
    card.update(DONE)
    assert screen.updates == [video(DONE)._repr_mimebundle_()]
    assert "v7f3a" in screen.first[0]["text/plain"]


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


UP = "\x1b[1A\r\x1b[K"
"""One line up, and cleared."""


def test_a_terminal_gets_one_line_that_updates_and_then_the_path(monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    out, file = Terminal(), io.StringIO()
    for stream in (out, file):
        card = TextOutput(view_of(), stream)
        card.show()
        card.tick()  # nothing is new, so nothing is written
        card.update(WORKING)
        card.update(DONE)
        assert card.ended
    assert "\r" not in file.getvalue()
    lines = [job_text.text(JOB, now=1000), job_text.text(WORKING, now=1000), job_text.text(DONE)]
    assert out.getvalue() == f"\n{UP}".join(lines) + "\n"
    monkeypatch.setenv("COLUMNS", "40")
    narrow = Terminal()
    TextOutput(view_of(), narrow).show()
    assert len(narrow.getvalue().rstrip()) <= 39  # a line that wrapped could not be redrawn


def test_a_later_cell_of_a_terminal_overwrites_nothing():
    out, cells = Terminal(), [1]
    card = TextOutput(view_of(cell=lambda: cells[-1]), out)
    card.show()
    cells.append(2)
    card.tick()
    assert UP not in out.getvalue()
    card.update(WORKING)
    assert out.getvalue().count(UP) == 1
