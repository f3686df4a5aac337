"""Hostile prompts, answers, ids and file names in a whole session: they stay text."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO

import pytest
from PIL import Image as Picture

from ipyreel.images import read_image
from tests.conformance.looks import check_inside, check_shown
from tests.conformance.shop import Kernel, finals, reopened, sha256, sidecar, told
from tests.conformance.table import rule

TEXTS = {
    "script": '"><script>alert(1)</script><!-- ]]> <![CDATA[ &lt;b&gt; &amp;amp; &#x3c;',
    "end of the player": "</video></p></div><img src=x onerror='alert(1)' x=\"",
    "lines": "%%video\n!rm -rf /\r\nthree\u2028four \u202egnp.exe\u2066 \u200f mp4",
    "climbing": "../../../etc/passwd ..\\..\\C:\\CON.txt:stream",
    "controls": "a\x00b \x1b[31mred\x1b[0m\x07\x08",
    "template": "{0} %s ${HOME} $(id) `id` {{ 7*7 }} '); DROP TABLE jobs; --",
    "30 kB": "long <b>and</b> longer " * 1300,
}
HALF = "half \ud83d of one"
"""Half an emoji: valid text in Python and JSON, but not in UTF-8."""

LONG = 100_000
# ----------------------------------------------------------------------------------- prompts


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_a_hostile_prompt_arrives_unchanged_and_is_found_again_in_the_list(market, home, text):
    shop = market("openai")
    shop.open(rule("create", drop_reply=True))
    with Kernel(shop, home) as kernel:
        job = kernel.order(text)
    assert (job.status, shop.accepted) == ("completed", 1), told(job)
    film = check_inside(home, job)
    assert sha256(film) == shop.film
    assert sidecar(film)["request"]["prompt"] == text
    assert reopened(home, job.id).request.prompt == text
    assert shop.demo.jobs.all()[0].prompt == text
    check_shown(job, text.strip()[:100])


def test_half_an_emoji_is_refused_before_anything_is_sent(market, home):
    shop = market("aiid")
    shop.open()
    with Kernel(shop, home) as kernel:
        job = kernel.order(HALF)
    assert (job.status, job.sent_at) == ("failed", None)
    assert "prompt" in told(job)
    assert shop.seen() == []
    assert reopened(home, job.id).request.prompt == HALF
    check_shown(job)


# ----------------------------------------------------------------------- what servers say


@pytest.mark.parametrize("text", [*TEXTS.values(), HALF], ids=[*TEXTS, "half"])
def test_a_hostile_refusal_is_shown_as_text(market, home, text):
    shop = market("aiid")
    error = {"message": text, "code": text, "type": text, "param": text}
    headers = {"x-request-id": "<script>alert(1)</script>"}
    shop.open(rule("create", status=400, body={"error": error}, headers=headers))
    with Kernel(shop, home) as kernel:
        job = kernel.order()
    assert job.status == "failed"
    assert len(told(job)) < LONG / 10
    assert reopened(home, job.id) == job
    check_shown(job, job.failure.message[:100])


@pytest.mark.parametrize("text", [*TEXTS.values(), HALF], ids=[*TEXTS, "half"])
def test_a_hostile_answer_is_shown_as_text(market, home, text):
    shop = market("apiyi")
    odd = {"status": text, "progress": text, "model": text, "size": text, "prompt": text}
    end = {"status": "failed", "error": {"message": text, "code": text}, "expires_at": text}
    shop.open(rule("retrieve", count=1, job=odd), rule("retrieve", job=end))
    with Kernel(shop, home) as kernel:
        job = kernel.order()
    assert job.status == "failed"
    for one in kernel.seen:
        assert len(one.raw_status) + len(told(one)) < LONG / 10
        check_shown(one)
    assert finals(home) == []


@pytest.mark.parametrize("text", [*TEXTS.values(), HALF], ids=[*TEXTS, "half"])
def test_what_somebody_elses_job_says_is_shown_as_text(market, home, text):
    """A job that is resumed by the server's id has a prompt that we did not write."""
    shop = market("openai")
    shop.open()
    with Kernel(shop, home) as kernel:
        kernel.order()
    other = home / "other"
    other.mkdir()
    (remote_id,) = shop.demo.job_ids()
    said = {"prompt": text, "model": text, "size": text, "seconds": text}
    shop.demo.faults.add(rule("retrieve", job=said))
    with Kernel(shop, other) as kernel:
        job = kernel.adopt(remote_id)
    assert job.status == "completed", told(job)
    check_inside(other, job)
    check_shown(job)


IDS = {
    "climbing": "../../../etc/passwd",
    "html": '"><script>alert(1)</script>',
    "query": "x?y=1#z %2e%2e%2fmodels",
    "controls": "a\rX-Evil: 1\x00b\u202e",
    "4 kB": "i" * 4096,
    "sql": "' OR 1=1 --",
}


@pytest.mark.parametrize("text", IDS.values(), ids=IDS)
def test_a_hostile_id_is_only_an_id(market, home, text):
    shop = market("openai")
    shop.open(rule("create", id=text))
    with Kernel(shop, home) as kernel:
        job = kernel.order()
    assert job.status == "completed", told(job)
    assert job.remote_id == text
    check_inside(home, job)
    check_shown(job)
    # Every request goes to the job's own address.
    assert {one.job_id for one in shop.seen("retrieve", "content")} == {text}


@pytest.mark.parametrize(
    "name", ['a"b.png', "a\r\nX-Evil: 1.png", "../../a.png", "a;b=c.png", "é\u202e.png", "x" * 200]
)
def test_a_hostile_name_of_an_image_stays_a_name(market, home, name):
    shop = market("openai")
    shop.open()
    picture = BytesIO()
    Picture.new("RGB", (1280, 720), "red").save(picture, "PNG")
    image = replace(read_image(picture.getvalue()), filename=name, source=name)
    with Kernel(shop, home) as kernel:
        job = kernel.order(images=(image,), size="1280x720", model="sora-2")
    assert job.status == "completed", told(job)
    (seen,) = shop.seen("create")
    assert seen.files == ("input_reference",)
    assert "evil" not in str(seen.fields).lower()
    check_inside(home, job)


def test_the_name_a_server_proposes_is_not_taken(market, home):
    shop = market("openai")
    headers = {"content-disposition": 'attachment; filename="../../evil.mp4"'}
    shop.open(rule("content", headers=headers))
    with Kernel(shop, home) as kernel:
        job = kernel.order()
    assert "evil" not in check_inside(home, job).name
