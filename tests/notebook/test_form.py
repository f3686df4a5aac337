"""The form: fields follow the model, mistakes cannot be sent, cards appear below."""

from __future__ import annotations

import io
import re
import threading
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest
from PIL import Image as Pillow

from ipyreel.notebook.commands import options
from ipyreel.notebook.panels.form import open_form
from ipyreel.values import VideoRequest


@pytest.fixture
def form(screen):
    opened = open_form(screen)
    yield opened
    opened.close()


def text(form):
    return re.sub("<[^>]*>", "", form.status.value)


def choices(choice):
    return [value for _, value in choice._list.options]


def upload(data, name="dog.png"):
    return {
        "name": name,
        "type": "image/png",
        "size": len(data),
        "content": memoryview(data),
        "last_modified": datetime.now(tz=timezone.utc),
    }


def png(size=(64, 36)):
    buffer = io.BytesIO()
    Pillow.new("RGB", size, "red").save(buffer, "PNG")
    return buffer.getvalue()


def test_it_begins_with_who_answers_and_asks_for_a_prompt(form):
    assert form.fields.provider.value == "lab"
    assert form._submit.disabled
    assert "Write a prompt." in text(form)
    form.fields.prompt.value = "A red balloon"
    assert not form._submit.disabled
    assert 'role="status"' in form.status.value


def test_fields_follow_the_model(form, monkeypatch):
    monkeypatch.setenv("APIYI_API_KEY", "sk-0123456789abcdef")
    fields = form.fields
    fields.provider.value = "apiyi"
    assert choices(fields.seconds) == ["", "4", "8", "12"]
    assert "1920x1080" not in choices(fields.size)
    pro = next(name for name in fields.model.options if name.endswith("-pro"))
    fields.model.value = pro
    assert "1920x1080" in choices(fields.size)
    fields.prompt.value, fields.size.value, fields.seconds.value = "waves", "1920x1080", "8"
    assert "about $" in text(form)
    fields.model.value = ""  # the provider's own, which is smaller
    assert fields.size.value == ""
    assert "does not support size 1920x1080" in text(form)
    fields.model.value = "something-new"
    fields.size.value, fields.seconds.value = "17x4", "99"
    assert "no price known" in text(form)
    assert not form._submit.disabled


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("seconds", "many", "seconds=many"),
        ("seconds", "0", "above 0"),
        ("seed", "x", "whole number"),
        ("extra", "{", "not valid JSON"),
        ("extra", "[1]", "JSON object"),
        ("provider", "apiyi", "needs a key"),
    ],
)
def test_what_is_wrong_cannot_be_sent_and_says_why(form, live, field, value, why):
    form.fields.prompt.value = "waves"
    getattr(form.fields, field).value = value
    assert why in text(form)
    assert "bad" in form.status.value
    assert form._submit.disabled
    form._send_jobs(None)  # as Ctrl+Enter does
    assert live.posts() == 0


def test_submit_puts_cards_below_and_keeps_the_form(screen, form, live):
    form.fields.prompt.value = "waves"
    form.fields.seed.value = "5"
    form.fields.count.value = 2
    form._submit.click()
    cards = form.cards.children
    assert [card.snapshots[0].request.seed for card in cards] == [5, 6]
    assert form.fields.prompt.value == "waves"
    for card in cards:
        screen.job(card.snapshots[0].id).wait()
        screen.settle(screen.job(card.snapshots[0].id))
        (shown,) = card._final_view.outputs  # without a note on how to save it: the form does
        assert "<video" in shown["data"]["text/html"]
    assert live.posts() == 2
    form._submit.click()
    assert len(form.cards.children) == 4
    for card in form.cards.children:
        screen.job(card.snapshots[0].id).wait()


def test_callbacks_may_come_on_any_thread(screen, form):
    form.fields.prompt.value = "waves"
    threads = [threading.Thread(target=form._submit.click) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    sent = {card.snapshots[0].id for card in form.cards.children}
    assert len(sent) == 4
    for job_id in sent:
        screen.job(job_id).wait()


def test_what_breaks_in_a_callback_is_shown(screen, form, monkeypatch):
    def broken(*_plans, **_wishes):
        raise RuntimeError("no <way>")

    form.fields.prompt.value = "waves"
    monkeypatch.setattr(type(screen.session), "submit", broken)
    form._submit.click()
    assert "RuntimeError: no &lt;way&gt;" in text(form)


def test_images_are_looked_at_and_taken_away(form):
    pictures = form.fields.pictures
    form.fields.prompt.value = "waves"
    pictures.upload.value = (upload(png()),)
    pictures.upload.value = (upload(png(), "<b>.png"),)
    assert [image.source for image in pictures.images] == ["dog.png", "<b>.png"]
    assert pictures._preview.value.count("<img") == 2
    assert "&lt;b&gt;" in pictures._preview.value
    pictures.upload.value = (upload(b"<html>", "no.png"),)
    assert "no.png is not a PNG" in text(form)
    assert len(pictures.images) == 2
    pictures._clear.click()
    assert pictures.images == ()
    assert pictures._preview.value == ""


def test_the_cell_does_the_same(form):
    form.fields.prompt.value = 'A {red} "boat"'
    form.fields.seconds.value = "2"
    form.fields.extra.value = '{"style": "anime"}'
    form.fields.pictures.upload.value = (upload(png(), "my dog.png"),)
    form._copy.click()
    cell = form._cell.children[0].value
    first, _, body = cell.partition("\n")
    said = options.parse(first.removeprefix("%%video"), {})
    assert body == 'A {{red}} "boat"'
    assert (said.provider, said.seconds, said.extra) == ("lab", 2, {"style": "anime"})
    kept = Path(said.images[0])
    assert kept.parent == Path("videos/inputs")
    assert kept.read_bytes() == png()
    assert f"saved: {kept}" in text(form)
    form.fields.seed.value = "1"
    assert form._cell.children == ()  # it would be another cell now


def test_an_older_request_fills_it(screen):
    request = VideoRequest(
        prompt="waves", seconds=3, size="640x360", seed=9, extra={"a": 1}, remix_of="video_1"
    )
    form = open_form(screen, request, "lab")
    assert form.fields.request() == replace(request, remix_of=None)


def test_without_widgets_it_says_what_to_do(reel):
    assert "widgets" in repr(reel.run_cell("%video form").result)
