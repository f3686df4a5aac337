"""A user with one key or one address, against the strict fakes."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from IPython.core.error import UsageError

from ipyreel.errors import JobFailed
from tests.dialects.ask import FAKES
from tests.dialects.fakes.base import FILM, KEY

BY_NAME = {make.name: make for make in FAKES}
SEEDS = {"apigo": "TIDEMIND_API_KEY", "apiyi": "APIYI_API_KEY", "aiid": "AIID_API_KEY"}
KEYS = {
    "new-api": "NEW_API_KEY",
    "openrouter": "OPENROUTER_API_KEY",
    "generic": "IPYREEL_API_KEY",
}


def moved(fake):
    """Return the lines of an `ipyreel.toml` that move a built-in provider to the fake."""
    return f'[providers.{fake.provider}]\nbase_url = "{fake.url}"\n'


def said(reel, line=""):
    return repr(reel.run_cell(f"%video {line}").result)


def asked(fake):
    """Spell what a fake is to be asked for as options of a cell."""
    ask = dict(fake.ask)
    extra = ask.pop("extra", {})
    words = [f"--{name} {value}" for name, value in ask.items()]
    extras = [f"{name}={v if isinstance(v, str) else json.dumps(v)}" for name, v in extra.items()]
    return " ".join([*words, *(f"-x {shlex.quote(one)}" for one in extras)])


@pytest.mark.parametrize("name", SEEDS)
def test_a_key_and_nothing_else_is_enough_for_each_seed(stage, load, monkeypatch, name):
    fake = stage.play(BY_NAME[name]())
    monkeypatch.setenv(SEEDS[name], KEY)
    reel = load(moved(fake))
    job = reel.run_cell("%%video -w\nA red balloon over the sea").result
    assert (job.provider, job.status) == (name, "completed")
    assert job.path.read_bytes() == FILM
    assert f"{name} ({SEEDS[name]} is set)" in said(reel)


@pytest.mark.parametrize("name", ["new-api", "trtllm", "openrouter", "generic-form"])
def test_other_dialects_go_from_the_cell_to_the_file_or_to_the_reason(
    stage, load, monkeypatch, name
):
    fake = stage.play(BY_NAME[name]())
    monkeypatch.setenv(KEYS.get(fake.provider, "NO_API_KEY"), KEY)
    reel = load(moved(fake))
    line = f"-p {fake.provider} {asked(fake)} -w"
    job = reel.run_cell(f"%%video clip {line}\nA red balloon over the sea").result
    assert job.status == "completed", job.error
    assert job.path.read_bytes() == FILM
    for path in Path().rglob("*.json"):
        assert KEY not in path.read_text(encoding="utf-8")
    fake.fails = True
    with pytest.raises(JobFailed):
        reel.run_cell(f"%%video clip {line}\nA blue balloon")
    job = reel.user_ns["clip"]
    assert (job.status, job.error.message) == ("failed", fake.failure)
    assert fake.failure.rstrip(".") in repr(job)


def test_an_engine_on_this_machine_needs_an_address_and_no_more(stage, load):
    fake = stage.play(BY_NAME["sglang"]())
    reel = load()
    assert "plain http" not in said(reel, f"use sglang base_url={fake.origin}")
    job = reel.run_cell("%%video -w\nA red balloon").result
    assert (job.provider, job.path.read_bytes()) == ("sglang", FILM)
    assert "authorization" not in fake.seen[0].headers


def test_plain_http_to_another_machine_is_said_once(load):
    reel = load()
    text = said(reel, "use sglang base_url=http://gpu-box.invalid:30000")
    assert "sglang uses plain http at http://gpu-box.invalid:30000: " in text
    assert "plain http" not in said(reel)
    plan = repr(reel.run_cell("%%video --dry-run\nA red balloon").result)
    assert "POST http://gpu-box.invalid:30000/v1/videos" in plan
    assert "plain http" not in plan
    assert "plain http at" in said(reel, "use sglang base_url=http://other.invalid:30000")


def test_plain_http_is_refused_where_the_row_does_not_allow_it(load, monkeypatch):
    monkeypatch.setenv("APIYI_API_KEY", KEY)
    reel = load('[providers.apiyi]\nbase_url = "http://gpu-box.invalid/v1"\n')
    with pytest.raises(UsageError, match="plain http"):
        reel.run_cell("%%video --dry-run\nA red balloon")


def test_what_a_provider_does_not_take_is_said_and_not_sent(stage, load, monkeypatch):
    fake = stage.play(BY_NAME["apiyi"]())
    monkeypatch.setenv("APIYI_API_KEY", KEY)
    reel = load(moved(fake))
    plan = repr(reel.run_cell("%%video --seed 7 --dry-run\nA red balloon").result)
    assert "apiyi does not support seed; it is not sent." in plan
    assert reel.run_cell("%%video --seed 7 -w\nA red balloon").result.status == "completed"
    assert b"seed" not in fake.seen[0].raw


MINE = """
provider = "mine"

[providers.mine]
title = "My shop"
base_url = "{url}"
dialect = "aiid"
key_vars = ["MY_SHOP_KEY"]
default_model = "my-grok"

[models.my-grok]
like = "grok-imagine-1.0-video"
providers = ["mine"]
seconds = [6]
prices = [{{ usd_per_second = 0.02 }}]
"""


def test_a_row_of_ones_own_works_end_to_end(stage, load, monkeypatch):
    fake = stage.play(BY_NAME["aiid-grok"]())
    monkeypatch.setenv("MY_SHOP_KEY", KEY)
    reel = load(MINE.format(url=fake.url))
    line = "%%video -p mine --seconds 6 --size 1280x720 -w"
    job = reel.run_cell(f"{line}\nA red balloon").result
    assert (job.provider, job.path.read_bytes()) == ("mine", FILM)
    # The shape of its family, which stands in the person's own row: upper case, a text.
    assert b'"seconds":"6"' in fake.seen[0].raw
    assert b'"resolution":"720P"' in fake.seen[0].raw
    assert job.estimate == pytest.approx(0.12)
    with pytest.raises(UsageError, match="--seconds 8: my-grok at mine takes 6"):
        reel.run_cell("%%video --seconds 8\nA red balloon")
    text = said(reel, "providers")
    assert re.search(r"→ +mine .* aiid +ipyreel\.toml\n", text)
    assert re.search(r"apiyi .* built in\n", text)
    assert "my-grok" in said(reel, "models mine")


def test_a_mistake_in_the_file_is_one_line_with_its_place(shell):
    path = Path("ipyreel.toml")
    path.write_text('[providers.mine]\nbase_ulr = "http://h"\n', encoding="utf-8")
    shell.run_cell("%load_ext ipyreel")
    with pytest.raises(UsageError) as caught:
        shell.run_cell("%%video\nA red balloon")
    assert str(caught.value).startswith(f"{path.absolute()}:2: ")
    assert "base_url" in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_the_doctor_compares_model_names_with_the_servers_list(stage, load, monkeypatch):
    fake = stage.play(BY_NAME["openai"]())
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    reel = load(moved(fake))
    assert "lists gpt-5, sora-2, sora-2-pro" in said(reel, "doctor openai")
    said(reel, "use openai -m sora-9")
    text = said(reel, "doctor openai")
    assert "does not list sora-9" in text
    assert "it lists gpt-5, sora-2, sora-2-pro" in text


def test_the_doctor_asks_no_list_of_models_where_there_is_none(stage, load, monkeypatch):
    fake = stage.play(BY_NAME["apiyi"]())
    monkeypatch.setenv("APIYI_API_KEY", KEY)
    text = said(load(moved(fake)), "doctor apiyi")
    assert "answers, and accepts the key" in text
    assert "models" not in text
